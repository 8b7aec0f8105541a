// The book's pages: colours, contents, search, copy buttons, and the widgets, which run without kernel or server. A page
// from the file system may load scripts but fetch nothing, so everything comes as a script that fills `book`.

const loading = new Map();

/** Load a script of the book once; resolves when it has filled its place. */
function load(path) {
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

/** Widgets run once they come near the screen, the others when the page has nothing else to do. */
function mountAll() {
  const places = [...document.querySelectorAll(".mount[data-files]")];
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target.dataset.files) mount(target);
  }, { rootMargin: "1000px" });
  places.forEach((place) => near.observe(place));
  const idle = globalThis.requestIdleCallback ?? ((act) => setTimeout(act, 200));
  const next = async () => {
    const place = places.find((place) => place.dataset.files);
    if (!place) return;
    await mount(place);
    idle(next);
  };
  addEventListener("load", () => setTimeout(() => idle(next), 1000));
}

function copyButtons() {
  for (const code of document.querySelectorAll(".code")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      const text = code.querySelector("pre").textContent.trimEnd();
      try {
        await navigator.clipboard.writeText(text);
      } catch { // no permission: the old way
        const area = Object.assign(document.createElement("textarea"), { value: text });
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
        button.focus();
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    code.append(button);
  }
}

/** What is wider than its place can be scrolled, and so must be reached by keys. */
function reachWide() {
  const wide = document.querySelectorAll(".wide, .formula, .code pre, .output > pre");
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  wide.forEach((element) => watch.observe(element));
}

function themeButton() {
  document.getElementById("theme").addEventListener("click", () => {
    const { dataset } = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    dataset.theme = (dataset.theme || system) === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", dataset.theme); } catch { /* for this page, then */ }
  });
}

function contentsButton() {
  const button = document.getElementById("contents-button"), contents = document.getElementById("contents");
  const show = (open) => {
    button.setAttribute("aria-expanded", open);
    contents.classList.toggle("open", open);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) show(false); });
  contents.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Sections that hold every word that was typed, those first whose heading does. */
function search(index, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const scored = index.map((entry) => {
    const [, , page, heading, body] = entry, title = `${page} ${heading}`.toLowerCase(), all = `${title} ${body.toLowerCase()}`;
    if (!words.every((word) => all.includes(word))) return null;
    return { entry, score: words.filter((word) => title.includes(word)).length };
  });
  return scored.filter(Boolean).sort((a, b) => b.score - a.score).slice(0, 20).map(({ entry }) => entry);
}

function excerpt(body, word) {
  const at = Math.max(0, body.toLowerCase().indexOf(word) - 40);
  return (at ? "… " : "") + body.slice(at, at + 120) + " …";
}

function searchField() {
  const field = document.getElementById("search"), found = document.getElementById("found");
  const show = async () => {
    const text = field.value.trim();
    found.hidden = !text;
    if (!text) return;
    await load("assets/search.js");
    const links = search(book.index, text).map(([path, name, page, heading, body]) => {
      const link = Object.assign(document.createElement("a"), { href: `${book.root}${path}${name ? `#${name}` : ""}` });
      const title = Object.assign(document.createElement("strong"), { textContent: heading === page ? page : `${page}: ${heading}` });
      link.append(title, Object.assign(document.createElement("span"), { textContent: excerpt(body, text.toLowerCase().split(/\s+/)[0]) }));
      return link;
    });
    found.replaceChildren(...(links.length ? links : ["Nothing found: the search looks for whole text, word by word."]));
  };
  field.addEventListener("input", show);
  field.addEventListener("focus", () => load("assets/search.js"), { once: true });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") found.hidden = true;
    if (event.key === "/" && !event.target.closest("input, textarea, select, [tabindex='0']")) {
      event.preventDefault();
      field.focus();
    }
  });
  addEventListener("click", (event) => { if (!event.target.closest(".search")) found.hidden = true; });
}

themeButton();
contentsButton();
searchField();
copyButtons();
reachWide();
mountAll();
