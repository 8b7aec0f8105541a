// The explorer: sliders, a pad, class buttons, and the picture of the code they make. This file stands behind
// decoder.js and pad.js in one module; Jupyter (through anywidget) and the self-contained page both call `render`.

function render({ model, el }) {
  const scene = model.get("_scene");
  // Two explorers on a page need different ids, and know nothing of each other: each is a module of its own.
  const id = `latent-explorer-${Math.random().toString(36).slice(2)}`;
  const code = { z: [...model.get("z")], label: model.get("label") };
  const picture = createPicture(scene.size);
  const note = create("p", { className: "note", role: "status" });
  const ask = scene.program ? answerHere(scene, picture) : answerInKernel(model, picture, note);

  // However many events arrive, a frame of the screen draws one picture, and tells the kernel once.
  let frame = 0, touched = false;
  const schedule = () => { frame ||= requestAnimationFrame(draw); };
  const change = (z, label = code.label) => {
    Object.assign(code, { z, label });
    touched = true;
    schedule();
  };
  const sliders = createSliders(scene, code, change, id);
  const pad = scene.low.length > 1 ? createPad(scene, code, change) : null;
  const choices = scene.choices.length ? createChoices(scene, code, change, id) : null;
  const parts = [sliders, pad, choices].filter(Boolean);
  function draw() {
    frame = 0;
    for (const part of parts) part.show();
    ask(code);
    if (touched) tell(model, code);
    touched = false;
  }

  const seen = create("div", {}, picture.element, choices?.element ?? "");
  const root = create("div", { className: "latent-explorer" }, seen, pad?.element ?? "", sliders.element, note);
  // Jupyter's own shortcuts (arrow keys choose cells) must leave the keys to whichever control has the focus.
  for (const control of root.querySelectorAll("input, select, button, .pad")) control.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  schedule();
  const leave = follow(model, code, schedule);
  return () => {
    cancelAnimationFrame(frame);
    leave();
    ask.stop?.();
  };
}

/** Go along when the kernel, or another view of this explorer, moves the code. */
function follow(model, code, schedule) {
  const moved = () => {
    const z = model.get("z"), label = model.get("label");
    if (label === code.label && z.every((number, i) => number === code.z[i])) return;
    Object.assign(code, { z: [...z], label });
    schedule();
  };
  const events = ["change:z", "change:label"];
  for (const event of events) model.on(event, moved);
  return () => { for (const event of events) model.off(event, moved); };
}

/** The page's own pictures. */
function answerHere(scene, picture) {
  const decode = createDecoder(scene.program);
  const input = new Float32Array(scene.low.length + scene.classes);
  return ({ z, label }) => {
    input.fill(0);
    input.set(z);
    if (scene.classes) input[z.length + label] = 1;
    picture.show(decode(input), 255);
  };
}

/** The kernel's pictures: at most two questions are on their way; of those that wait, only the newest is asked. */
function answerInKernel(model, picture, note) {
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

/** Tell the kernel, if there still is one, where the code is. */
function tell(model, { z, label }) {
  try {
    model.set("z", [...z]);
    if (label !== null) model.set("label", label);
    model.save_changes();
  } catch {
    // what is shown does not depend on it
  }
}

function createPicture([height, width]) {
  const element = create("canvas", { className: "picture", width, height, role: "img", ariaLabel: "decoded image" });
  const context = element.getContext("2d"), image = context.createImageData(width, height);
  image.data.fill(255);
  return {
    element,
    show(pixels, scale) {
      for (let i = 0; i < pixels.length; i++)
        image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = Math.round(pixels[i] * scale);
      context.putImageData(image, 0, 0);
    },
  };
}

function createSliders(scene, code, change, id) {
  const rows = scene.low.map((low, i) => {
    const high = scene.high[i], name = nameOf(i), step = (high - low) / 100;
    const input = create("input", { type: "range", id: `${id}-z${i}`, min: low, max: high, step });
    const value = create("span", { className: "value", ariaHidden: "true" }); // screen readers are told by the slider
    input.addEventListener("input", () => change(code.z.with(i, input.valueAsNumber)));
    const label = create("label", { htmlFor: input.id }, name);
    return { input, value, row: create("div", { className: "slider" }, label, input, value) };
  });
  const reset = create("button", { type: "button", onclick: () => change([...scene.start]) }, "Reset");
  const random = create("button", { type: "button", onclick: () => change(randomCode(scene)) }, "Random");
  const list = create("div", { className: "list" }, ...rows.map(({ row }) => row));
  return {
    element: create("div", { className: "sliders" }, list, create("div", { className: "buttons" }, reset, random)),
    show() {
      rows.forEach(({ input, value }, i) => {
        // A slider knows its steps only: it is not moved where the code is between two of them.
        if (Math.abs(input.valueAsNumber - code.z[i]) > input.step / 2) input.value = code.z[i];
        value.textContent = input.ariaValueText = numberText(code.z[i]);
      });
    },
  };
}

/** The code of one of the images, or, without any, numbers of the standard normal distribution. */
function randomCode({ codes, low, high }) {
  if (codes) {
    const all = copyOf(codes, Float32Array), first = low.length * Math.floor(Math.random() * (all.length / low.length));
    return [...all.subarray(first, first + low.length)];
  }
  return low.map((least, i) => {
    const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    return Math.min(Math.max(normal, least), high[i]);
  });
}

function createChoices(scene, code, change, id) {
  const inputs = scene.choices.map((choice) => {
    const input = create("input", { type: "radio", name: `${id}-label`, value: choice });
    input.addEventListener("input", () => change(code.z, choice));
    return input;
  });
  const buttons = inputs.map((input) => create("label", {}, input, create("span", {}, input.value)));
  return {
    element: create("fieldset", { className: "choices" }, create("legend", {}, "label"), ...buttons),
    show() {
      inputs.forEach((input, i) => { input.checked = scene.choices[i] === code.label; });
    },
  };
}

/** z₁, z₂ …, as in the formulas (Python's z[0], z[1] …). */
function nameOf(i) {
  return "z" + [...String(i + 1)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
}

/** Two decimals and a true minus sign, which 0.00 never has. */
function numberText(number) {
  return number.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
}

function create(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export default { render };
