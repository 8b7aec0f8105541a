// Runs widgets in a page of the book, or in slides, without kernel or server: their scripts and states are put into
// `book` by scripts, since a page from the file system may load scripts but fetch nothing.

const loading = new Map();

/** Load a script of the book once; resolves when it has filled its place. */
function load(path) {
  const name = path.replace(/^widgets\/|\.js$/g, "");
  if (name in book) return Promise.resolve(); // the page holds it
  if (!loading.has(path))
    loading.set(path, new Promise((done, fail) => {
      document.head.append(Object.assign(document.createElement("script"), { src: book.root + path, onload: done, onerror: fail }));
    }));
  return loading.get(path);
}

/** What a widget needs of a notebook's model; `set` raises an event, and there is no kernel to save for. */
function modelOf(traits) {
  const handlers = {};
  return {
    get: (name) => traits[name],
    set(name, value) {
      if (traits[name] === value) return;
      traits[name] = value;
      for (const handler of [...(handlers[`change:${name}`] ?? [])]) handler();
    },
    on(event, handler) { (handlers[event] ??= new Set()).add(handler); },
    off(event, handler) { handlers[event]?.delete(handler); },
    save_changes() {},
    send() {},
  };
}

function bytes(base64) {
  return new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
}

/** The state with its arrays: bytes that stand in it, and those that have a file of their own. */
function withArrays(value) {
  if (Array.isArray(value)) return value.map(withArrays);
  if (value === null || typeof value !== "object") return value;
  if (value.base64 !== undefined) return bytes(value.base64);
  if (value.data !== undefined) return bytes(book[value.data]);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withArrays(inner)]));
}

const styled = new Set();

async function mount(place) {
  const names = place.dataset.files.split(" ");
  delete place.dataset.files; // it is mounted once
  await Promise.all(names.map((name) => load(`widgets/${name}.js`)));
  const [script, style] = names, state = names.at(-1);
  if (!styled.has(style)) document.head.append(Object.assign(document.createElement("style"), { textContent: book[style] }));
  styled.add(style);
  const model = modelOf(withArrays(book[state]));
  place.replaceChildren();
  book[script].render({ model, el: place });
  Object.assign(place, { model });
  place.dataset.ready = "";
}

/** Widgets run once they come near the screen; with `all`, the others when the page has nothing else to do. */
function mountAll({ all = false } = {}) {
  const places = [...document.querySelectorAll(".mount[data-files]")];
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target.dataset.files) mount(target);
  }, { rootMargin: "1000px" });
  places.forEach((place) => near.observe(place));
  if (!all) return;
  const idle = globalThis.requestIdleCallback ?? ((act) => setTimeout(act, 200));
  const next = async () => {
    const place = places.find((place) => place.dataset.files);
    if (!place) return;
    await mount(place);
    idle(next);
  };
  addEventListener("load", () => setTimeout(() => idle(next), 1000));
}
