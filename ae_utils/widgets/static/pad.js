// The pad: two numbers of the code moved at once, by pointer or arrow keys, over the map of the test images' codes.

const POINT = 2.2, CROSS = 7, SIDE = 280; // radius of a point, arm of the cross, side of the pad, in CSS pixels
const MARGIN = 16, NEAR = 8; // around the map, so that the cross is never cut; how far from a point it is pointed at
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

/** `change(z, label, source)` hears, after a click on a point whose image is known, which point it was. */
function createPad(state, code, change) {
  const axes = (state.order ?? [0, 1]).slice(0, 2); // the dimensions across and up
  const ratio = Math.max(1, globalThis.devicePixelRatio), side = SIDE * ratio;
  const canvas = create("canvas", { className: "pad", width: side, height: side, tabIndex: 0, role: "application" });
  const context = canvas.getContext("2d");
  const range = (axis) => state.high[axis] - state.low[axis], inner = 1 - (2 * MARGIN) / SIDE;
  let map = null, drawnFor = "", ready = false; // the map is drawn once for a pair of axes, some classes, and codes
  function redraw() {
    map = null;
    if (ready) change([...code.z]);
  }
  let codes = state.codes, points = codes ? readMap(state) : null; // a training moves the codes; their labels stay
  const tip = createMapTip(state, points);
  const legend = points?.labels && state.markers && !state.choices.length ? createLegend(state, points, () => redraw()) : null;
  const shown = (label) => (legend ? legend.shown(label) : (code.label ?? null) === null || label === code.label);

  /** Move to fractions of the pad's width and height; null leaves a number as it is. */
  function moveTo(fractions) {
    const z = [...code.z];
    axes.forEach((axis, i) => {
      if (fractions[i] !== null) z[axis] = state.low[axis] + Math.min(Math.max(fractions[i], 0), 1) * range(axis);
    });
    change(z);
  }
  function fractionsAt(event) {
    const box = canvas.getBoundingClientRect();
    const places = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height];
    return places.map((place) => 0.5 + (place - 0.5) / inner);
  }
  const fractionsOf = (z) => axes.map((axis) => (z[axis] - state.low[axis]) / range(axis));
  const fractions = () => fractionsOf(code.z);
  /** The point under the pointer whose image can be shown, or null. */
  function pointAt(event) {
    if (!state.thumbnails) return null;
    const here = fractionsAt(event), unit = canvas.getBoundingClientRect().width * inner;
    let found = null, closest = NEAR;
    for (let i = 0; i < points.count; i++) {
      if (points.labels && !shown(points.labels[i])) continue;
      const [x, y] = fractionsOf(points.codeOf(i)), distance = unit * Math.hypot(x - here[0], y - here[1]);
      if (distance < closest) [found, closest] = [i, distance];
    }
    return found;
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    tip.show(null);
    const point = pointAt(event);
    if (point === null) moveTo(fractionsAt(event));
    else change(points.codeOf(point), labelOf(state, points, point) ?? code.label, point);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) moveTo(fractionsAt(event));
    else tip.show(pointAt(event), event.offsetX, event.offsetY, canvas.clientWidth);
  });
  canvas.addEventListener("pointerleave", () => tip.show(null));
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault(); // the page must not scroll
    const step = event.shiftKey ? 0.1 : 0.01;
    moveTo(fractions().map((fraction, i) => (arrow[i] ? fraction + step * arrow[i] : null)));
  });

  function choose(i, axis) {
    if (axes[1 - i] === axis) axes[1 - i] = axes[i]; // the same twice would be a line: swap
    axes[i] = axis;
    redraw();
  }
  ready = true;
  const caption = createCaption(state, choose);
  return {
    element: create("div", { className: "map" }, create("div", { className: "view" }, canvas, tip.element), caption.element, ...(legend ? [legend.element] : mapNote(state))),
    show() {
      const [across, up] = axes.map(nameOf);
      canvas.ariaLabel = `pad: ${across} across, ${up} up; arrow keys move, with shift faster`;
      caption.show(axes);
      const margin = MARGIN * ratio, width = side - 2 * margin, now = String(code.label);
      if (codes !== state.codes) [codes, points, map] = [state.codes, readMap(state), null];
      if (!map || drawnFor !== now) map = drawMap(state, axes, side, margin, POINT * ratio, shown);
      drawnFor = now;
      context.clearRect(0, 0, side, side);
      context.drawImage(map, 0, 0);
      const [x, y] = fractions();
      const place = [margin + x * width, margin + (1 - y) * width];
      if (code.std) drawPosterior(context, ...place, axes.map((axis) => (2 * code.std[axis] * width) / range(axis)), ratio);
      else drawCross(context, ...place, CROSS * ratio, ratio);
    },
  };
}

/** The codes and labels of the map, as numbers. */
function readMap({ low, codes, labels }) {
  const z = copyOf(codes, Float32Array), length = low.length;
  return {
    labels: labels && copyOf(labels, Uint8Array),
    count: z.length / length,
    codeOf: (i) => [...z.subarray(i * length, (i + 1) * length)],
  };
}

/** The label of an image, if a label can be chosen. */
const labelOf = ({ choices }, { labels }, i) => (labels && choices?.includes(labels[i]) ? labels[i] : null);

/** The codes as points, in the colours and shapes of their labels; those of classes not `shown` grey, below. */
function drawMap(state, [across, up], side, margin, radius, shown) {
  const { low, high, colours, markers } = state;
  const map = create("canvas", { width: side, height: side }), context = map.getContext("2d");
  if (!state.codes) return map;
  const { labels, count, codeOf } = readMap(state);
  const place = (z, axis) => margin + ((z[axis] - low[axis]) / (high[axis] - low[axis])) * (side - 2 * margin);
  const circle = new Path2D();
  circle.arc(0, 0, 0.5, 0, 2 * Math.PI);
  const paths = colours.map((_, label) => (markers ? new Path2D(markers[label]) : circle));
  for (const turn of labels ? [false, true] : [true]) {
    for (let i = 0; i < count; i++) {
      if (labels && shown(labels[i]) !== turn) continue;
      const z = codeOf(i), size = 2 * radius * (turn ? 1 : 0.6);
      context.setTransform(size, 0, 0, size, place(z, across), side - place(z, up));
      context.globalAlpha = turn ? 0.6 : 0.35;
      context.fillStyle = !turn ? "#bbb" : labels ? colours[labels[i]] : "#777";
      context.fill(labels && turn ? paths[labels[i]] : circle);
    }
  }
  return map;
}

/** Beside the pointer: the image of the point under it. */
function createMapTip({ thumbnails, names }, points) {
  if (!thumbnails) return { element: "", show() {} };
  const thumbnail = createThumbnail(thumbnails), text = create("p", {});
  const element = create("div", { className: "tip", hidden: true, ariaHidden: "true" }, thumbnail.element, text);
  return {
    element,
    show(i, x, y, side) {
      element.hidden = i === null;
      if (i === null) return;
      thumbnail.show(i);
      text.textContent = points.labels ? names[points.labels[i]] : `code ${i}`;
      Object.assign(element.style, x < side / 2 ? { left: `${x + 14}px`, right: "auto" } : { right: `${side - x + 14}px`, left: "auto" });
      Object.assign(element.style, y < side / 2 ? { top: `${y + 14}px`, bottom: "auto" } : { bottom: `${side - y + 14}px`, top: "auto" });
    },
  };
}

/** What the points are, where the legend's buttons would not do. */
function mapNote({ labels, choices, colours }) {
  if (!labels) return [];
  if (choices?.length) return [create("p", { className: "shown" }, "Codes of images; those of the chosen label in colour.")];
  return [createColours({ labels, colours })];
}

/** Where the code is: white under black, to be seen on every colour. */
function drawCross(context, x, y, arm, ratio) {
  for (const [colour, width] of [["#fff", 5], ["#000", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.beginPath();
    context.arc(x, y, arm, 0, 2 * Math.PI);
    context.moveTo(x - 2 * arm, y);
    context.lineTo(x + 2 * arm, y);
    context.moveTo(x, y - 2 * arm);
    context.lineTo(x, y + 2 * arm);
    context.stroke();
  }
}

/** Two standard deviations of a posterior around its mean, and four arms that help to find it. */
function drawPosterior(context, x, y, [across, up], ratio) {
  const arm = CROSS * ratio;
  for (const [colour, width] of [["#fff", 5], ["#000", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.beginPath();
    context.ellipse(x, y, across, up, 0, 0, 2 * Math.PI);
    for (const sign of [-1, 1]) {
      context.moveTo(x + sign * across, y);
      context.lineTo(x + sign * (across + arm), y);
      context.moveTo(x, y + sign * up);
      context.lineTo(x, y + sign * (up + arm));
    }
    context.stroke();
  }
}

/** Which dimensions the pad shows; with more than two, a choice. */
function createCaption({ low }, choose) {
  const words = ["across", "up"];
  if (low.length === 2) {
    return { element: create("p", { className: "caption" }, `${nameOf(0)} across, ${nameOf(1)} up`), show() {} };
  }
  const selects = words.map((word, i) => {
    const options = low.map((_, axis) => create("option", { value: axis }, nameOf(axis)));
    const onchange = (event) => choose(i, Number(event.target.value));
    return create("select", { ariaLabel: `dimension ${word}`, onchange }, ...options);
  });
  const labels = selects.map((select, i) => create("label", {}, select, ` ${words[i]}`));
  return {
    element: create("p", { className: "caption" }, ...labels),
    show(axes) { selects.forEach((select, i) => { select.value = axes[i]; }); },
  };
}

/** The colours of the labels that occur. */
function createColours({ labels, colours }) {
  const digits = [...new Set(copyOf(labels, Uint8Array))].sort((a, b) => a - b).map((digit) => {
    const swatch = create("i", {});
    swatch.style.background = colours[digit];
    return create("li", {}, swatch, String(digit));
  });
  return create("ul", { className: "colours", ariaLabel: "colours of the labels" }, ...digits);
}
