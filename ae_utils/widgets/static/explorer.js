// The explorer: sliders, a pad, class buttons, and the decoded image. This file stands behind widget.js, legend.js,
// controls.js, network.js and pad.js in one module; Jupyter (through anywidget) and the page of its own call `render`.

function render({ model, el }) {
  const state = { ...model.get("_state") }; // a copy, which the kernel's updates change
  // Two explorers on a page need different ids, and know nothing of each other: each is a module of its own.
  const id = `latent-explorer-${Math.random().toString(36).slice(2)}`;
  // `source`: which of the images with a thumbnail the code is of, or was moved away from; null after a code from elsewhere
  const code = { z: [...model.get("z")], label: model.get("label"), source: state.thumbnails ? 0 : null };
  const picture = createPicture(state.size, "decoded image");
  const note = create("p", { className: "note", role: "status" });
  let decode = state.graph ? decodeInPage(state, picture) : decodeInKernel(model, picture, note);

  // However many events arrive, a frame of the screen draws one picture, and tells the kernel once.
  let frame = 0, touched = false;
  const schedule = () => { frame ||= requestAnimationFrame(draw); };
  const change = (z, label = code.label, source = code.source) => {
    Object.assign(code, { z, label, source });
    touched = true;
    schedule();
  };
  const sliders = createSliders(state, code, change, id);
  const pad = state.low.length > 1 ? createPad(state, code, change) : null;
  const choices = state.choices.length ? createChoices(state, code, change, id) : null;
  const original = state.thumbnails ? createOriginal(state, code) : null;
  const parts = [sliders, pad, choices, original].filter(Boolean);
  const shared = shareCode(state, code, change);
  function draw() {
    frame = 0;
    for (const part of parts) part.show();
    decode(code);
    shared.tell();
    if (touched) setTraits(model, { z: [...code.z], ...(code.label === null ? {} : { label: code.label }) });
    touched = false;
  }

  const pictures = create("div", { className: "pictures" }, captioned(picture.element, "decoded", original), original?.element ?? "");
  const seen = create("div", { className: "seen" }, pictures, choices?.element ?? "");
  const root = create("div", { className: "ae-widget latent-explorer" }, seen, pad?.element ?? "", sliders.element, note);
  keepKeys(...root.querySelectorAll("input, select, button, .pad"));
  el.append(root);
  schedule();
  const leave = [followCode(model, code, schedule), followWeights(model, state, code, change, () => {
    decode.stop?.();
    decode = decodeInPage(state, picture);
  })];
  return () => {
    cancelAnimationFrame(frame);
    leave.forEach((stop) => stop());
    shared.leave();
    decode.stop?.();
  };
}

/** Go along when the kernel, or another view of this explorer, moves the code. */
function followCode(model, code, schedule) {
  return follow(model, ["z", "label"], () => {
    const z = model.get("z"), label = model.get("label");
    if (label === code.label && z.every((number, i) => number === code.z[i])) return;
    Object.assign(code, { z: [...z], label, source: null });
    schedule();
  });
}

/** Go along when the kernel sends the weights of now. A code that is an image's stays that image's; others stay put. */
function followWeights(model, state, code, change, renew) {
  return follow(model, ["_state"], () => {
    const { codeOf } = state.codes ? readMap(state) : {};
    const encoded = code.source !== null && codeOf(code.source).every((number, i) => number === code.z[i]);
    Object.assign(state, model.get("_state"));
    renew();
    change(encoded ? readMap(state).codeOf(code.source) : code.z);
  });
}

/**
 * Other widgets of the page send this explorer a code, and hear which one it shows, through events of the document:
 * they pass from cell to cell and need no kernel. Who sends one learns from `defaultPrevented` that it arrived.
 */
function shareCode({ name, choices }, code, change) {
  const receive = (event) => {
    const { explorer, z, label } = event.detail;
    if (explorer !== name) return;
    event.preventDefault();
    change([...z], choices.includes(label) ? label : code.label, null);
  };
  document.addEventListener("latent-explorer:send", receive);
  return {
    tell() { document.dispatchEvent(new CustomEvent("latent-explorer:shown", { detail: { explorer: name, z: [...code.z] } })); },
    leave() { document.removeEventListener("latent-explorer:send", receive); },
  };
}

/** Images decoded by the page itself. */
function decodeInPage(state, picture) {
  const decode = createDecoder(state.graph);
  const show = (how, { z, label }) => picture.show(how(Float32Array.from(z), label), 255);
  if (!decode.coarse) return (code) => show(decode, code);
  let rest = 0; // a flow takes all its steps once nothing has moved for a while
  const draw = (code) => {
    clearTimeout(rest);
    show(decode.coarse, code);
    rest = setTimeout(() => show(decode, code), 150);
  };
  draw.stop = () => clearTimeout(rest);
  return draw;
}

/** Images decoded by the kernel: at most two requests are under way; of those that wait only the newest is sent. */
function decodeInKernel(model, picture, note) {
  let waiting = null, underWay = 0, asked = 0, shown = 0;
  function ask(code) {
    waiting = { z: [...code.z], label: code.label };
    if (underWay === 2) return;
    try {
      model.send({ id: ++asked, ...waiting });
      underWay++;
    } catch {
      note.textContent = "The kernel is gone, and this decoder needs it: run the notebook again.";
    }
    waiting = null;
  }
  function answered({ id, error }, buffers) {
    underWay--;
    note.textContent = error ?? "";
    if (!error && id > shown) {
      shown = id;
      picture.show(copyOf(viewOf(buffers[0]), Uint8Array), 1);
    }
    if (waiting) ask(waiting);
  }
  model.on("msg:custom", answered);
  ask.stop = () => model.off("msg:custom", answered);
  return ask;
}

const viewOf = (buffer) => (ArrayBuffer.isView(buffer) ? buffer : new DataView(buffer));

/** The image that the sliders started from, beside what the decoder makes of the code now. */
function createOriginal(state, code) {
  const thumbnail = createThumbnail(state.thumbnails);
  const element = captioned(thumbnail.element, "original", true);
  Object.assign(thumbnail.element, { role: "img", ariaLabel: "original image" });
  let shown = null;
  return {
    element,
    show() {
      element.hidden = code.source === null;
      if (code.source !== null && code.source !== shown) thumbnail.show(code.source);
      shown = code.source;
    },
  };
}

/** A picture with its name below; alone on the page it needs none. */
function captioned(element, text, wanted) {
  return wanted ? create("figure", {}, element, create("figcaption", {}, text)) : element;
}

const FEW = 8; // sliders at first: those that change the image most

/** A slider and a number for each dimension; of many at first those that change the image most. */
function createSliders(state, code, change, id) {
  const rows = state.low.map((low, i) => createCodeSlider(state, code, change, id, i));
  const first = state.order?.slice(0, FEW) ?? rows.map((_, i) => i);
  const list = create("div", { className: "list" });
  const all = create("button", { type: "button", ariaPressed: "false" }, `All ${rows.length}`);
  function arrange(every) {
    all.ariaPressed = String(every);
    list.replaceChildren(...(every ? rows : first.map((i) => rows[i])).map(({ row }) => row));
  }
  all.addEventListener("click", () => arrange(all.ariaPressed === "false"));
  arrange(false);
  const back = () => (state.thumbnails ? change([...state.start], state.label, 0) : change([...state.start]));
  const reset = create("button", { type: "button", onclick: back }, "Reset");
  const random = create("button", { type: "button", onclick: () => change(...randomCode(state, code)) }, "Random");
  const buttons = create("div", { className: "buttons" }, reset, random, ...(state.order ? [all] : []));
  const note = state.order ? [create("p", { className: "shown" }, `Of ${rows.length} dimensions, the ${FEW} that change the image most:`)] : [];
  return {
    element: create("div", { className: "sliders" }, ...note, list, buttons),
    show() { rows.forEach((row) => row.show()); },
  };
}

function createCodeSlider(state, code, change, id, i) {
  const name = nameOf(i), input = create("input", { type: "range", id: `${id}-z${i}` });
  const value = create("input", { type: "text", className: "value", inputMode: "decimal", ariaLabel: `${name} as a number` });
  input.addEventListener("input", () => change(code.z.with(i, input.valueAsNumber)));
  value.addEventListener("change", () => {
    const number = Number(value.value.replace("−", "-").replace(",", "."));
    if (value.value.trim() && Number.isFinite(number)) change(code.z.with(i, number));
    else value.value = numberText(code.z[i]); // no number: as it was
  });
  const label = create("label", { htmlFor: input.id }, name);
  return {
    row: create("div", { className: "slider" }, label, input, value),
    show() {
      const min = state.low[i], max = state.high[i];
      Object.assign(input, { min, max, step: (max - min) / 100 });
      // A slider knows its steps only: it is not moved where the code is between two of them.
      if (Math.abs(input.valueAsNumber - code.z[i]) > input.step / 2) input.value = code.z[i];
      value.value = input.ariaValueText = numberText(code.z[i]);
    },
  };
}

/** The code of one of the images, or, without any, numbers of the standard normal distribution: what `change` takes. */
function randomCode(state, { label }) {
  const { codes, low, high } = state;
  if (codes) {
    const points = readMap(state), i = Math.floor(Math.random() * points.count);
    return state.thumbnails ? [points.codeOf(i), labelOf(state, points, i) ?? label, i] : [points.codeOf(i), label, null];
  }
  return [low.map((least, i) => Math.min(Math.max(normal(), least), high[i])), label, null];
}

function createChoices(state, code, change, id) {
  const inputs = state.choices.map((choice) => {
    const input = create("input", { type: "radio", name: `${id}-label`, value: choice });
    input.addEventListener("input", () => change(code.z, choice));
    return input;
  });
  const buttons = inputs.map((input) => create("label", {}, input, create("span", {}, input.value)));
  return {
    element: create("fieldset", { className: "choices" }, create("legend", {}, "label"), ...buttons),
    show() {
      inputs.forEach((input, i) => { input.checked = state.choices[i] === code.label; });
    },
  };
}

export default { render };
