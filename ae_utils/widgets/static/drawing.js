// The pad to draw on, by mouse, pen or finger: white strokes on black, over a digit that was chosen or dropped. Lengths
// are in 28ths of its side, MNIST's pixels.

const FINE = 5, STEPS_BACK = 200; // pixels of the hidden drawing per unit, for resizing; how far one can undo
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** `tools` hold the thickness; `changed` is called for a new drawing, `shift` with pixels, by arrow keys. */
function createDrawing(tools, changed, shift) {
  const ratio = Math.max(1, globalThis.devicePixelRatio), side = Math.round(280 * ratio);
  const canvas = create("canvas", { className: "paper", width: side, height: side, tabIndex: 0, role: "application" });
  canvas.ariaLabel = "drawing pad: draw with a pointer; arrow keys shift, Delete clears, Control and Z undo";
  const context = canvas.getContext("2d"), ink = createInk();
  let history = [{ base: null, strokes: [] }], pointer = null;
  const current = () => history.at(-1);

  function become(drawing) {
    history = [...history.slice(-STEPS_BACK), drawing];
    show();
  }
  function show() {
    paint(context, side, current());
    changed();
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * IMAGE, ((event.clientY - box.top) / box.height) * IMAGE];
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // one stroke at a time; a palm is no second pen
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    const { base, strokes } = current();
    become({ base, strokes: [...strokes, { points: [place(event)], width: tools.thickness }] });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const { points } = current().strokes.at(-1), between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) points.push(place(each));
    show();
  });
  const lift = (event) => { if (event.pointerId === pointer) pointer = null; };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const arrow = KEYS[event.key], undoes = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (arrow) shift(...arrow);
    else if (undoes) drawing.undo();
    else if (event.key === "Delete" || event.key === "Backspace") drawing.clear();
    else return;
    event.preventDefault();
  });

  const drawing = {
    element: canvas,
    clear() { if (current().base || current().strokes.length) become({ base: null, strokes: [] }); },
    undo() {
      if (history.length === 1 || pointer !== null) return;
      history.pop();
      show();
    },
    /** A 28×28 image to start from, which keeps its size and place. */
    load(base) { become({ base, strokes: [] }); },
    draw(strokes) { become({ base: null, strokes }); },
    /** The 28×28 numbers of what is drawn: strokes alone are scaled and centred, strokes over a digit stay in place. */
    pixels() {
      const { base, strokes } = current();
      if (!strokes.length) return base ?? new Float32Array(IMAGE * IMAGE);
      const drawn = ink(strokes), side = IMAGE * FINE;
      if (!base) return placeDigit(drawn, side, side);
      return resize(drawn, side, side, IMAGE, IMAGE).map((value, i) => Math.max(value, base[i]));
    },
  };
  paint(context, side, current());
  return drawing;
}

/** A function from strokes to their ink, drawn where nobody sees it. */
function createInk() {
  const side = IMAGE * FINE, canvas = create("canvas", { width: side, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true }), drawn = new Float32Array(side * side);
  return (strokes) => {
    paint(context, side, { base: null, strokes });
    const { data } = context.getImageData(0, 0, side, side);
    for (let i = 0; i < drawn.length; i++) drawn[i] = data[4 * i] / 255;
    return drawn;
  };
}

function paint(context, side, { base, strokes }) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.scale(side / IMAGE, side / IMAGE);
  if (base) paintPixels(context, base);
  context.strokeStyle = "#fff";
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) paintStroke(context, stroke);
}

function paintPixels(context, pixels) {
  const picture = createPicture([IMAGE, IMAGE], "");
  picture.show(pixels, 255);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture.element, 0, 0);
}

/** A smooth line: through the middles between neighbouring points, bent towards the points. */
function paintStroke(context, { points, width }) {
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i], [nextX, nextY] = points[i + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  const [x, y] = points.at(-1);
  context.lineTo(x + 1e-3, y); // a line of no length would not be drawn; this is a dot, because its ends are round
  context.stroke();
}
