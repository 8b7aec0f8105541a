// The cloud: codes that are turned by dragging, with the image under the pointer; a click sends an explorer's sliders
// there. This file stands behind widget.js and cloud_view.js in one module.

const STILL = 5, REACH = 10, FINGER = 20; // pixels: a press that moves less is a click; how far from a point it may be
const TURNS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 5, JUMP = 30; // degrees that an arrow key turns; pixels that it shifts
const ZOOMS = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }, CLOSEST = 12, FARTHEST = 0.05;

function render({ model, el }) {
  const state = model.get("_state"), points = readPoints(state), flat = points.dimensions === 2;
  const canvas = create("canvas", { className: "cloud-canvas", tabIndex: 0, role: "application" });
  const context = canvas.getContext("2d"), drawing = createPoints(points, state);
  const tip = createTip(state, points), status = create("p", { className: "chosen", role: "status" });
  const start = () => ({ azimuth: state.view[0], elevation: state.view[1], zoom: 1, shift: [0, 0] });
  const view = start();
  let hovered = null, mark = null; // the point under the pointer; the code to mark, in the box

  let frame = 0; // however many events arrive, a frame of the screen is drawn once
  const schedule = () => { frame ||= requestAnimationFrame(draw); };
  const legend = createLegend(state, points, () => {
    hovered = null;
    schedule();
  });
  let projection = null, arrangedFor = "";
  /** The projection of the view as it stands, with the points arranged by it: also between a turn and its frame. */
  function arrange() {
    const side = canvas.clientWidth, now = [side, view.azimuth, view.elevation, view.zoom, ...view.shift].join();
    if (now === arrangedFor) return projection;
    projection = createProjection(view, side, flat);
    drawing.arrange(projection);
    arrangedFor = now;
    return projection;
  }
  function draw() {
    frame = 0;
    const side = canvas.clientWidth, ratio = Math.max(1, globalThis.devicePixelRatio), pixels = Math.round(side * ratio);
    if (!side) return; // not on the screen
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = PAPER;
    context.fillRect(0, 0, side, side);
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    arrange();
    drawBox(context, projection, state, side);
    drawing.draw(context, legend.shown, ratio);
    if (mark) drawMark(context, projection.project(mark[0], mark[1], mark[2] ?? 0), 7);
    tip.show(hovered, hovered === null ? null : drawing.placeOf(hovered), side);
  }

  const actions = {
    turn(across, down) {
      view.azimuth -= across;
      view.elevation = Math.min(Math.max(view.elevation + down, -90), 90);
    },
    shift(across, down) { view.shift = [view.shift[0] + across, view.shift[1] + down]; },
    zoom(factor) {
      const next = Math.min(Math.max(view.zoom * factor, FARTHEST), CLOSEST);
      view.shift = view.shift.map((pixels) => (pixels * next) / view.zoom); // the middle stays in the middle
      view.zoom = next;
    },
    reset() { Object.assign(view, start()); },
    hover(x, y, reach) {
      if (x !== null) arrange();
      hovered = x === null ? null : drawing.find(x, y, legend.shown, reach);
    },
    step(by) {
      const next = nextShown(points, legend.shown, hovered ?? model.get("point"), by);
      hovered = next;
      status.textContent = next === null ? "" : describe(state, points, next);
    },
    choose() {
      if (hovered === null) return;
      setTraits(model, { point: hovered });
      if (state.explorer !== null && !sendCode(state.explorer, points, hovered)) {
        status.textContent += ". Show the explorer in a cell, and its sliders will move to this code.";
      }
    },
  };
  for (const [name, act] of Object.entries(actions)) actions[name] = (...values) => { act(...values); schedule(); };
  function showPoint() {
    const point = model.get("point");
    mark = point === null ? null : points.toBox(points.codeOf(point));
    status.textContent = point === null ? "" : describe(state, points, point);
    schedule();
  }

  canvas.ariaLabel = keysOf(state, points);
  listen(canvas, actions, flat);
  const buttons = createButtons(actions);
  const picture = create("div", { className: "view" }, canvas, tip.element);
  const note = state.note ? [create("p", { className: "note" }, `${state.note}.`)] : [];
  const side = create("div", { className: "side" }, legend.element, buttons, create("p", { className: "hint" }, hintOf(state, flat)), ...note, status);
  el.append(create("div", { className: "ae-widget cloud" }, picture, side));
  keepKeys(canvas, ...side.querySelectorAll("button"));
  const observer = new ResizeObserver(schedule);
  observer.observe(canvas);
  showPoint();
  const leave = follow(model, ["point"], showPoint);
  const shown = ({ detail }) => {
    if (detail.explorer !== state.explorer) return;
    mark = points.toBox(detail.z);
    schedule();
  };
  document.addEventListener("latent-explorer:shown", shown);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
    document.removeEventListener("latent-explorer:shown", shown);
    leave();
  };
}

/** Ask the explorer of that name to show a point's code; whether there is one on this page. */
function sendCode(explorer, points, i) {
  const detail = { explorer, z: points.codeOf(i), label: points.labels[i] };
  return !document.dispatchEvent(new CustomEvent("latent-explorer:send", { detail, cancelable: true }));
}

/** What pointers, wheel and keys do on the canvas. */
function listen(canvas, actions, flat) {
  const pressed = new Map(); // pointers that are down: where they are, and how far they have moved
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const degrees = (pixels) => (180 * pixels) / canvas.clientWidth;
  const move = (across, down, shift) => {
    if (flat || shift) actions.shift(across, down);
    else actions.turn(degrees(across), degrees(down));
  };
  const reachOf = (event) => (event.pointerType === "touch" ? FINGER : REACH);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, { place: placeOf(event), moved: 0 });
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = placeOf(event), finger = pressed.get(event.pointerId);
    if (!finger) return actions.hover(...place, reachOf(event));
    const [across, down] = place.map((value, i) => value - finger.place[i]);
    finger.moved += Math.hypot(across, down);
    if (pressed.size === 2) pinch([...pressed.values()].find((other) => other !== finger), finger, place);
    else if (finger.moved >= STILL) move(across, down, event.shiftKey);
    else return undefined; // its place stays, so that nothing of the movement is lost
    finger.place = place;
    return actions.hover(null);
  });
  function pinch(other, finger, place) {
    const apart = ([x, y]) => Math.hypot(x - other.place[0], y - other.place[1]);
    actions.zoom(apart(place) / Math.max(apart(finger.place), 1));
    other.moved = finger.moved = STILL; // neither is a click
    actions.shift((place[0] - finger.place[0]) / 2, (place[1] - finger.place[1]) / 2);
  }
  canvas.addEventListener("pointerup", (event) => {
    const finger = pressed.get(event.pointerId);
    pressed.delete(event.pointerId);
    if (!finger || finger.moved >= STILL) return;
    actions.hover(...placeOf(event), reachOf(event));
    actions.choose();
  });
  canvas.addEventListener("pointercancel", (event) => pressed.delete(event.pointerId));
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") actions.hover(null); });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey && canvas.getRootNode().activeElement !== canvas) return; // the page scrolls
    event.preventDefault();
    actions.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const arrow = TURNS[event.key], key = event.key.toLowerCase();
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (arrow) {
      const length = flat || event.shiftKey ? JUMP : STEP;
      if (flat || event.shiftKey) actions.shift(...arrow.map((way) => way * length));
      else actions.turn(...arrow.map((way) => way * length));
    } else if (ZOOMS[key]) actions.zoom(ZOOMS[key]);
    else if (key === "n" || key === "p") actions.step(key === "n" ? 1 : -1);
    else if (key === "enter") actions.choose();
    else if (key === "escape") actions.hover(null);
    else if (key === "0" || key === "home") actions.reset();
    else return;
    event.preventDefault(); // the page must not scroll
  });
}

function createButtons(actions) {
  const button = (text, ariaLabel, onclick) => create("button", { type: "button", ariaLabel, title: ariaLabel, onclick }, text);
  const all = [
    button("−", "zoom out", () => actions.zoom(ZOOMS["-"])),
    button("+", "zoom in", () => actions.zoom(ZOOMS["+"])),
    button("Reset view", "reset the view", () => actions.reset()),
  ];
  return create("div", { className: "buttons" }, ...all);
}

/** What is beside the pointer: the image and the name of the point's class, and its code. */
function createTip(state, points) {
  const text = create("p", {}), thumbnail = createThumbnail(state.thumbnails);
  const element = create("div", { className: "tip", hidden: true, ariaHidden: "true" }, thumbnail.element, text);
  return {
    element,
    show(i, place, side) {
      element.hidden = i === null;
      if (i === null) return;
      thumbnail.show(i);
      text.textContent = describe(state, points, i);
      // On the other side of the point than the nearer edges, so that all of it is inside.
      const ends = [["left", "right"], ["top", "bottom"]];
      place.map((pixels) => Math.min(Math.max(pixels, 0), side)).forEach((pixels, i) => {
        const [near, far] = pixels < side / 2 ? ends[i] : [...ends[i]].reverse();
        element.style[near] = `${Math.min(pixels, side - pixels) + 14}px`;
        element.style[far] = "auto";
      });
    },
  };
}

function describe({ names }, points, i) {
  const numbers = points.codeOf(i).map((number, axis) => `${nameOf(axis)}\u00a0=\u00a0${numberText(number)}`);
  return `${names[points.labels[i]]}, code ${i}: ${numbers.join(", ")}`;
}

/** The next point of the classes shown, from `from` on in the order given, round and round. */
function nextShown({ labels, count }, shown, from, by) {
  const first = from ?? (by > 0 ? -1 : count);
  for (let steps = 1; steps <= count; steps++) {
    const i = (first + by * steps + 2 * count) % count;
    if (shown(labels[i])) return i;
  }
  return null;
}

function hintOf({ explorer }, flat) {
  const click = explorer === null ? "Click a point to mark it" : "Click a point to send the sliders to its code";
  const keys = `Keys: arrows, + and −, N and P for the next and previous code, Enter to ${explorer === null ? "mark" : "send"} it.`;
  return `Drag to ${flat ? "move" : "turn"}; wheel (after a click) or pinch to zoom. ${click}. ${keys}`;
}

function keysOf({ explorer }, { count, dimensions }) {
  const enter = explorer === null ? "marks it" : "sends the sliders to its code";
  const arrows = dimensions === 2 ? "arrow keys move" : "arrow keys turn, with shift they move";
  return `${count.toLocaleString("en")} codes; ${arrows}; plus and minus zoom; N and P go to the next and previous code, Enter ${enter}`;
}

export default { render };
