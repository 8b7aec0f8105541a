// The studio: a drawing, what the models see of it, and all models beside each other. In one module this file stands behind
// widget.js, controls.js, legend.js, network.js, pad.js, digit.js, altered.js, photo.js, drawing.js, studio_model.js, studio_card.js.

const BUDGET = 7, REST = 250; // milliseconds: of a frame for the models that are not chosen; after which a drawing rests
const FLOW_STEPS = 10, DIGITS = 10, FARTHEST = 10; // FARTHEST: pixels that a drawing can be shifted by
const SHOWN = 6; // sliders of alterations that are not folded
const STROKES = { // in 28ths of the pad
  letter: [[...line(6, 24, 14, 4), ...line(14, 4, 22, 24)], line(9.5, 16.5, 18.5, 16.5)],
  face: [circle(14, 14, 10.5), line(10, 10, 10, 11.5), line(18, 10, 18, 11.5), circle(14, 13.5, 6).slice(2, 11)],
};

function render({ model: traits, el }) {
  const state = traits.get("_state"), id = `studio-${Math.random().toString(36).slice(2)}`;
  const models = state.models.map(createStudioModel), classify = createClassifier(state.classifier);
  const changes = { thickness: 2.4, ...UNALTERED }, fields = createFields();
  let x = null, probabilities = null, asked = null, version = 0; // asked: the label that was chosen, null for the classifier's
  let chosen = models.find(({ map }) => map) ?? models[0], edited = null, fresh = true;
  let frame = 0, rest = 0, told = null, news = ""; // news: of a file, told together with what is made of it
  const label = () => asked ?? probabilities.indexOf(Math.max(...probabilities));

  const schedule = () => {
    frame ||= requestAnimationFrame(draw);
    root.ariaBusy = "true"; // until all models have seen the drawing and it rests
  };
  const refresh = () => {
    fresh = true;
    schedule();
  };
  const drawing = createDrawing(changes, refresh, (across, down) => {
    const within = (pixels) => Math.min(Math.max(pixels, -FARTHEST), FARTHEST);
    change({ across: within(changes.across + across), down: within(changes.down + down) });
  });
  function change(changed) {
    Object.assign(changes, changed);
    for (const slider of sliders) slider.show();
    refresh();
  }
  const sliders = createChanges(id, changes, change);
  const seen = createPicture([IMAGE, IMAGE], "what the models see");
  const status = create("p", { className: "note", role: "status" });
  const tools = createTools(state, drawing, change, (text, told = false) => {
    status.textContent = text;
    news = told ? text : "";
  });

  const choose = (model) => {
    chosen = model;
    edited = null;
    panel.choose(model);
    models.forEach((each, i) => cards[i].choose(each === model));
    schedule();
  };
  const edit = (model) => (z) => {
    if (chosen !== model) choose(model);
    edited = Float32Array.from(z);
    schedule();
  };
  const cards = models.map((model) => createCard(model, id, choose));
  const panel = createPanel(id, (z) => edit(chosen)(z), () => choose(chosen));
  const labels = createLabels(id, (choice) => {
    asked = choice;
    version++;
    schedule();
  });
  const jobs = models.map((model, i) => ({
    newest: () => version,
    begin: () => model.run(x, label()),
    finish(result) {
      model.seen = result;
      cards[i].show(result);
    },
  }));
  const map = createMap(state, models, edit);
  const redraw = createRedraw(id, state, models, () => [x, label(), version], schedule);
  const queue = createQueue(jobs, redraw?.job, BUDGET);

  function look() {
    fresh = false;
    edited = null;
    version++;
    x = alterDigit(drawing.pixels(), changes, fields).map((value) => Math.round(255 * value) / 255); // as MNIST's
    probabilities = classify(x);
    seen.show(x, 255);
    clearTimeout(rest);
    rest = setTimeout(tell, REST);
  }
  function draw() {
    frame = 0;
    if (fresh) look();
    const left = queue.work(jobs[models.indexOf(chosen)]);
    const z = edited ?? chosen.seen.z;
    panel.show(z, edited ? chosen.decode(z, label()) : chosen.seen.picture, edited !== null);
    labels.show(probabilities, asked);
    map?.show(chosen, edited);
    if (left) schedule();
    else if (!rest) root.ariaBusy = "false";
  }
  function tell() { // for the kernel, and for who hears the page
    rest = 0;
    if (!frame) root.ariaBusy = "false";
    told = Array.from(x, (value) => Math.round(255 * value));
    setTraits(traits, { _pixels: told });
    status.textContent = `${news} ${describe(probabilities, chosen)}`.trim();
    news = "";
  }
  function load() {
    const pixels = traits.get("_pixels");
    if (told && pixels.every((value, i) => value === told[i])) return;
    change(UNALTERED);
    drawing.load(Float32Array.from(pixels, (value) => value / 255));
  }

  const shown = create("figure", { className: "as-seen" }, seen.element, create("figcaption", {}, "as models see it"));
  const blocks = [
    block("Draw a digit", drawing.element, create("div", { className: "tools" }, shown, ...tools.elements)),
    block("Change it", ...sliders.slice(0, SHOWN).map(({ element }) => element), create("details", {},
      create("summary", {}, "more alterations"), ...sliders.slice(SHOWN).map(({ element }) => element))),
    block("Which digit?", labels.element, ...(redraw?.elements ?? [])),
    ...(map ? [block(`The posterior of ${map.name}`, map.element)] : []),
  ];
  const lead = create("p", { className: "lead" }, "Every model encodes and reconstructs what you draw, while you draw it. Choose one to move its code. All is computed in this page.");
  const root = create("div", { className: "ae-widget studio" }, lead, create("div", { className: "desk" }, ...blocks), status,
    create("div", { className: "cards", role: "radiogroup", ariaLabel: "models" }, ...cards.map(({ element }) => element)), panel.element);
  keepKeys(...root.querySelectorAll("input, select, button, canvas[tabindex]"));
  acceptFiles(root, tools.open);
  el.append(root);
  load();
  choose(chosen);
  for (const slider of sliders) slider.show();
  const leave = follow(traits, ["_pixels"], load);
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(rest);
    leave();
  };
}

function block(title, ...children) {
  return create("section", { className: "block latent-explorer", ariaLabel: title }, create("h2", {}, title), ...children);
}

function line(x, y, toX, toY) {
  return Array.from({ length: 41 }, (_, i) => [x + ((toX - x) * i) / 40, y + ((toY - y) * i) / 40]);
}

function circle(x, y, radius) {
  return Array.from({ length: 27 }, (_, i) => [x + radius * Math.cos((i * Math.PI) / 12), y + radius * Math.sin((i * Math.PI) / 12)]);
}

/** Buttons under the pad, and a function that opens a file. */
function createTools(state, drawing, change, say) {
  const button = (text, onclick) => create("button", { type: "button", onclick }, text);
  const digits = copyOf(state.digits, Uint8Array);
  const test = (digit) => {
    const start = (digit * DIGITS + Math.floor(Math.random() * DIGITS)) * IMAGE * IMAGE;
    change(UNALTERED);
    drawing.load(Float32Array.from(digits.subarray(start, start + IMAGE * IMAGE), (value) => value / 255));
  };
  const example = (strokes) => {
    change(UNALTERED);
    drawing.draw(strokes.map((points) => ({ points, width: 2.4 })));
  };
  async function open(file) {
    say(`Reading ${file.name} …`);
    try {
      const { pixels, done } = await readPhoto(file);
      change(UNALTERED);
      drawing.load(pixels);
      say(`${file.name}: ${done}.`, true);
    } catch (error) {
      say(error.message);
    }
  }
  const input = create("input", { type: "file", accept: "image/png,image/jpeg", hidden: true });
  input.addEventListener("change", () => {
    if (input.files[0]) open(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  const choices = Array.from({ length: DIGITS }, (_, digit) => create("option", { value: digit }, `a test ${digit}`));
  const any = create("option", { value: "any" }, "any test digit");
  const select = create("select", { ariaLabel: "test digit" }, create("option", { value: "" }, "test digit"), any, ...choices);
  select.addEventListener("change", () => {
    const random = Math.floor(Math.random() * DIGITS);
    if (select.value) test(select.value === "any" ? random : Number(select.value));
    select.value = ""; // so that another of the same can be chosen
  });
  const rows = [
    [button("Undo", drawing.undo), button("Clear", drawing.clear)],
    [button("Letter", () => example(STROKES.letter)), button("Face", () => example(STROKES.face))],
    [select],
    [button("Image …", () => input.click()), input],
  ];
  return { open, elements: rows.map((row) => create("div", { className: "buttons" }, ...row)) };
}

/** Files dropped anywhere on the studio. */
function acceptFiles(root, open) {
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer?.files[0]) open(event.dataTransfer.files[0]);
  });
}

/** Sliders for how a drawing is changed before the models see it. */
function createChanges(id, changes, change) {
  const pixels = (value) => `${numberText(value).replace(/\.?0+$/, "")} px`;
  const rows = [
    ["thickness", "pen", { min: 1, max: 5, step: 0.1 }, pixels],
    ["turn", "turn", { min: -90, max: 90, step: 1 }, (value) => `${String(value).replace("-", "−")}°`],
    ["across", "right", { min: -FARTHEST, max: FARTHEST, step: 1 }, pixels],
    ["down", "down", { min: -FARTHEST, max: FARTHEST, step: 1 }, pixels],
    ["noise", "noise", { min: 0, max: 1, step: 0.01 }, numberText],
    ["occlusion", "occlusion", { min: 0, max: 20, step: 1 }, pixels],
    ["size", "size", { min: 0.5, max: 1.5, step: 0.01 }, numberText],
    ["slant", "slant", { min: -1, max: 1, step: 0.01 }, numberText],
    ["stroke", "strokes", { min: -1, max: 1, step: 0.01 }, numberText],
    ["elastic", "elastic", { min: 0, max: 3, step: 0.1 }, pixels],
    ["blur", "blur", { min: 0, max: 3, step: 0.1 }, pixels],
    ["specks", "specks", { min: 0, max: 0.6, step: 0.01 }, numberText],
  ];
  return rows.map(([key, name, range, text]) => createSlider(`${id}-${key}`, name, range, {
    read: () => changes[key],
    write: (value) => change({ [key]: value }),
    text,
  }));
}

/** The label for the conditional models: the classifier's, with its probabilities, or one that is chosen. */
function createLabels(id, choose) {
  const rows = [null, ...Array(DIGITS).keys()].map((digit) => {
    const name = digit === null ? "as read" : String(digit), bar = create("i", {});
    const input = create("input", { type: "radio", name: `${id}-label`, value: name, onchange: () => choose(digit) });
    return { digit, input, bar, element: create("label", {}, input, create("span", {}, name, ...(digit === null ? [] : [bar]))) };
  });
  return {
    element: create("fieldset", { className: "choices" }, create("legend", {}, "label for cvae and the flow"), ...rows.map(({ element }) => element)),
    show(probabilities, asked) {
      for (const { digit, input, bar } of rows) {
        input.checked = digit === asked;
        if (digit === null) continue;
        bar.style.width = `${100 * probabilities[digit]}%`;
        input.ariaLabel = `${digit}, probability ${probabilities[digit].toFixed(2)}`;
      }
    },
  };
}

/** The map of the first model with a code of two numbers, with the posterior as an ellipse. */
function createMap(state, models, edit) {
  const model = models.find(({ map }) => map);
  if (!model) return null;
  const margin = model.low.map((low, i) => 0.15 * (model.high[i] - low));
  const ranges = { low: model.low.map((low, i) => low - margin[i]), high: model.high.map((high, i) => high + margin[i]) };
  const code = { z: [0, 0], std: null };
  const move = (z) => (z.every((number, i) => number === code.z[i]) ? pad.show() : edit(model)(z)); // the legend moves nothing
  const looks = { colours: state.colours, markers: state.markers, names: state.colours.map((_, digit) => String(digit)), choices: [] };
  const pad = createPad({ ...ranges, ...model.map, ...looks }, code, move);
  return {
    name: model.name,
    element: pad.element,
    show(chosen, edited) {
      if (!model.seen) return;
      const moved = chosen === model && edited;
      Object.assign(code, { z: [...(moved || model.seen.z)], std: moved ? null : model.seen.std });
      pad.show();
    },
  };
}

/** The flow's version of the drawing: part of the way back to noise, and from there to a digit of the label. */
function createRedraw(id, state, models, newest, schedule) {
  const model = models.find(({ name }) => name === state.flow?.["codes of"]);
  if (!model) return null;
  const flow = createDecoder({ ...model.decoder, flow: state.flow.graph }), encode = createDecoder(model.encoder);
  const picture = createPicture([IMAGE, IMAGE], "the drawing, redrawn by latent-flow");
  let noise = Float32Array.from(state.flow.noise), taken = 6, round = 0;
  const again = () => {
    round++;
    schedule();
  };
  const slider = createSlider(`${id}-freedom`, "freedom", { min: 1, max: FLOW_STEPS, step: 1 }, {
    read: () => taken,
    write(value) {
      taken = value;
      slider.show();
      again();
    },
    text: (value) => `${(100 * value) / FLOW_STEPS} %`,
  });
  slider.show();
  const draw = create("button", { type: "button" }, "New noise");
  draw.addEventListener("click", () => {
    noise = noise.map(normal);
    again();
  });
  return {
    elements: [create("h2", {}, "Redrawn by latent-flow"), create("div", { className: "redrawn" }, picture.element, draw), slider.element],
    job: {
      newest: () => `${newest()[2]} ${round}`,
      begin() {
        const [x, label] = newest();
        return flow.redraw(encode(x, null), noise, label, { taken, steps: FLOW_STEPS });
      },
      finish: (pixels) => picture.show(pixels, 255),
    },
  };
}

/** A sentence for the line above the cards, which screen readers hear once the drawing rests. */
function describe(probabilities, { name, seen, rank }) {
  const best = Math.max(...probabilities), digit = probabilities.indexOf(best);
  return `The classifier reads a ${digit} (${Math.round(100 * best)} %). ${name}: error ${seen.error.toFixed(4)}, ${rankText(rank(seen.error))}.`;
}

export default { render };
