// A latent flow in the page: label buttons, sliders for guidance and steps, new noise, and the image. This file stands
// behind widget.js, controls.js and network.js in one module.

const FEW = 4, REST = 150; // steps while something moves; milliseconds after which it rests
const SYNCED = ["z", "label", "guidance", "steps"];

function render({ model, el }) {
  const state = model.get("_state"), shown = Object.fromEntries(SYNCED.map((name) => [name, model.get(name)]));
  const id = `flow-explorer-${Math.random().toString(36).slice(2)}`;
  const picture = createPicture(state.size, "drawn digit"), sample = createDecoder(state.graph);
  let frame = 0, rest = 0, touched = false;

  function draw(steps) {
    const pixels = sample(Float32Array.from(shown.z), shown.label, { steps, guidance: shown.guidance });
    picture.show(pixels, 255);
  }
  function show() {
    frame = 0;
    clearTimeout(rest);
    for (const control of controls) control.show();
    draw(Math.min(FEW, shown.steps));
    if (shown.steps > FEW) rest = setTimeout(() => draw(shown.steps), REST);
    if (touched) setTraits(model, { ...shown, z: [...shown.z] });
    touched = false;
  }
  const schedule = () => { frame ||= requestAnimationFrame(show); };
  const change = (changed) => {
    Object.assign(shown, changed);
    touched = true;
    schedule();
  };

  const labels = createLabels(state, shown, change, id);
  const guidance = createSlider(`${id}-guidance`, "guidance", { min: 0, max: state.most_guidance, step: 0.05 }, {
    read: () => shown.guidance,
    write: (value) => change({ guidance: value }),
    text: numberText,
  });
  const steps = createSlider(`${id}-steps`, "steps", { min: 0, max: state.step_choices.length - 1, step: 1 }, {
    read: () => state.step_choices.indexOf(shown.steps),
    write: (place) => change({ steps: state.step_choices[place] }),
    text: (place) => String(state.step_choices[place]),
  });
  const controls = [labels, guidance, steps];
  const again = create("button", { type: "button", onclick: () => change({ z: shown.z.map(normal) }) }, "New noise");
  const side = create("div", { className: "sliders" }, labels.element, guidance.element, steps.element, create("div", { className: "buttons" }, again));
  const root = create("div", { className: "ae-widget latent-explorer flow-explorer" }, picture.element, side);
  keepKeys(...root.querySelectorAll("input, button"));
  el.append(root);
  schedule();
  const leave = follow(model, SYNCED, () => {
    const now = Object.fromEntries(SYNCED.map((name) => [name, model.get(name)]));
    if (SYNCED.every((name) => String(now[name]) === String(shown[name]))) return;
    Object.assign(shown, now);
    schedule();
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(rest);
    leave();
  };
}

function createLabels({ labels }, shown, change, id) {
  const inputs = labels.map((label) => {
    const input = create("input", { type: "radio", name: `${id}-label`, value: label });
    input.addEventListener("input", () => change({ label }));
    return input;
  });
  const buttons = inputs.map((input) => create("label", {}, input, create("span", {}, input.value)));
  return {
    element: create("fieldset", { className: "choices" }, create("legend", {}, "draw me a"), ...buttons),
    show() {
      inputs.forEach((input, i) => { input.checked = labels[i] === shown.label; });
    },
  };
}

export default { render };
