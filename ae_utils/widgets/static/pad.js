// The pad: two numbers of the code moved at once, by pointer or arrow keys, over the map of the test images' codes.

const POINT = 1.5, CROSS = 7, SIDE = 224; // radius of a point, arm of the cross, side of the pad, in CSS pixels
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

function createPad(state, code, change) {
  const axes = [0, 1]; // the dimensions across and up
  const ratio = Math.max(1, globalThis.devicePixelRatio), side = SIDE * ratio;
  const canvas = create("canvas", { className: "pad", width: side, height: side, tabIndex: 0, role: "application" });
  const context = canvas.getContext("2d");
  const range = (axis) => state.high[axis] - state.low[axis];
  let map = null; // drawn once for a pair of axes

  /** Move to fractions of the pad's width and height; null leaves a number as it is. */
  function moveTo(fractions) {
    const z = [...code.z];
    axes.forEach((axis, i) => {
      if (fractions[i] !== null) z[axis] = state.low[axis] + Math.min(Math.max(fractions[i], 0), 1) * range(axis);
    });
    change(z);
  }
  function moveToPointer(event) {
    const box = canvas.getBoundingClientRect();
    moveTo([(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height]);
  }
  const fractions = () => axes.map((axis) => (code.z[axis] - state.low[axis]) / range(axis));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    moveToPointer(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) moveToPointer(event); });
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
    map = null;
    change([...code.z]);
  }
  const caption = createCaption(state, choose);
  return {
    element: create("div", { className: "map" }, canvas, caption.element, ...createLegend(state)),
    show() {
      const [across, up] = axes.map(nameOf);
      canvas.ariaLabel = `pad: ${across} across, ${up} up; arrow keys move, with shift faster`;
      caption.show(axes);
      map ??= drawMap(state, axes, side, POINT * ratio);
      context.clearRect(0, 0, side, side);
      context.drawImage(map, 0, 0);
      const [x, y] = fractions();
      if (code.std) drawPosterior(context, x * side, (1 - y) * side, axes.map((axis) => (2 * code.std[axis] * side) / range(axis)), ratio);
      else drawCross(context, x * side, (1 - y) * side, CROSS * ratio, ratio);
    },
  };
}

/** The codes as points, in the colours of their labels. */
function drawMap({ low, high, codes, labels, colours }, [across, up], side, radius) {
  const map = create("canvas", { width: side, height: side }), context = map.getContext("2d");
  if (!codes) return map;
  const z = copyOf(codes, Float32Array), label = labels && copyOf(labels, Uint8Array), count = z.length / low.length;
  const place = (i, axis) => ((z[i * low.length + axis] - low[axis]) / (high[axis] - low[axis])) * side;
  context.globalAlpha = 0.6;
  for (let i = 0; i < count; i++) {
    context.fillStyle = label ? colours[label[i]] : "#777";
    context.beginPath();
    context.arc(place(i, across), side - place(i, up), radius, 0, 2 * Math.PI);
    context.fill();
  }
  return map;
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
function createLegend({ labels, colours }) {
  if (!labels) return [];
  const digits = [...new Set(copyOf(labels, Uint8Array))].sort((a, b) => a - b).map((digit) => {
    const swatch = create("i", {});
    swatch.style.background = colours[digit];
    return create("li", {}, swatch, String(digit));
  });
  return [create("ul", { className: "legend", ariaLabel: "colours of the labels" }, ...digits)];
}
