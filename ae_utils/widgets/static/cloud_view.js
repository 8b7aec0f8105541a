// The cloud as it is seen: codes in a box, projected, and drawn on a canvas from the farthest to the nearest.

const EYE = 6; // distance of the eye from the middle of the box, which reaches from -1 to 1
const LAYERS = 16; // of depth: nearer points are drawn later, larger and less transparent
const MUTED = "#bbb", PAPER = "#fff", INK = "#333", LINE = "#ccc";

/** Codes as numbers within the box, three for each (the third is 0 in a flat cloud), and their classes. */
function readPoints({ z, label, low, high }) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const codes = new Float32Array(bytes(z).buffer), labels = bytes(label), dimensions = low.length;
  const inBox = (value, axis) => (2 * (value - low[axis])) / (high[axis] - low[axis]) - 1;
  const places = new Float32Array(3 * labels.length);
  codes.forEach((value, i) => { places[3 * Math.floor(i / dimensions) + (i % dimensions)] = inBox(value, i % dimensions); });
  const codeOf = (i) => [...codes.subarray(i * dimensions, (i + 1) * dimensions)];
  return { places, labels, count: labels.length, dimensions, codeOf, toBox: (code) => code.map(inBox) };
}

/** From the box to the canvas: [x, y, nearness], nearness from -1 to 1; x and y in CSS pixels. */
function createProjection({ azimuth, elevation, zoom, shift }, side, flat) {
  const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
  const right = [-Math.sin(a), Math.cos(a), 0];
  const up = [-Math.sin(e) * Math.cos(a), -Math.sin(e) * Math.sin(a), Math.cos(e)];
  const eye = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
  const scale = (zoom * (side / 2 - (flat ? 44 : 34))) / (flat ? 1 : 1.55); // leaves room for the axes' numbers
  function project(x, y, z, out = []) {
    const depth = eye[0] * x + eye[1] * y + eye[2] * z;
    const factor = (scale * EYE) / (EYE - Math.min(Math.max(depth, -2), 2)); // far outside the box all is parallel
    out[0] = side / 2 + shift[0] + factor * (right[0] * x + right[1] * y);
    out[1] = side / 2 + shift[1] - factor * (up[0] * x + up[1] * y + up[2] * z);
    out[2] = depth / Math.sqrt(3);
    return out;
  }
  const faces = (axis, sign) => sign * EYE * eye[axis] > 1; // whether a side of the box is turned to the eye
  return { project, faces };
}

/** Markers of every class and layer of depth on one canvas, from which points are copied; the last column is muted. */
function drawAtlas(markers, colours, radius, ratio) {
  const growth = (layer) => 0.7 + (0.6 * (layer + 0.5)) / LAYERS;
  // The widest marker, the star, reaches 1.4 of the radius; half a cell, in whole pixels, and one for its edge.
  const halves = Array.from({ length: LAYERS }, (_, layer) => Math.ceil(1.4 * radius * ratio * growth(layer)) + 1);
  const cell = 2 * halves.at(-1);
  const atlas = create("canvas", { width: cell * (markers.length + 1), height: cell * LAYERS });
  const context = atlas.getContext("2d"), paths = [...markers, markers[0]].map((data) => new Path2D(data));
  for (let layer = 0; layer < LAYERS; layer++) {
    paths.forEach((path, column) => {
      const muted = column === markers.length, size = 2 * radius * ratio * (muted ? 0.5 : growth(layer));
      context.setTransform(size, 0, 0, size, column * cell + halves[layer], layer * cell + halves[layer]);
      context.globalAlpha = muted ? 0.3 : growth(layer) - 0.35;
      context.fillStyle = muted ? MUTED : colours[column];
      context.fill(path);
      context.strokeStyle = PAPER;
      context.lineWidth = 0.07;
      if (!muted) context.stroke(path);
    });
  }
  return { atlas, cell, halves };
}

/** Draws the points of the classes in `shown` over those of the others, and finds the one under the pointer. */
function createPoints(points, { markers, colours }) {
  const { places, labels, count } = points;
  const radius = Math.min(Math.max(4.2 * (2000 / count) ** 0.25, 2.5), 6);
  const seen = new Float32Array(2 * count), layers = new Uint8Array(count), order = new Uint32Array(count), spot = [];
  let sprites = null, drawnRatio = 0;

  /** Where each point is, and the order from the farthest layer to the nearest (a counting sort). */
  function arrange(projection) {
    const ends = new Uint32Array(LAYERS + 1);
    for (let i = 0; i < count; i++) {
      projection.project(places[3 * i], places[3 * i + 1], places[3 * i + 2], spot);
      seen[2 * i] = spot[0];
      seen[2 * i + 1] = spot[1];
      layers[i] = Math.min(Math.max(((spot[2] + 1) / 2) * LAYERS, 0), LAYERS - 1);
      ends[layers[i] + 1]++;
    }
    for (let layer = 0; layer < LAYERS; layer++) ends[layer + 1] += ends[layer];
    for (let i = 0; i < count; i++) order[ends[layers[i]]++] = i;
  }
  function draw(context, shown, ratio) {
    if (ratio !== drawnRatio) sprites = drawAtlas(markers, colours, radius, ratio);
    drawnRatio = ratio;
    const { atlas, cell, halves } = sprites, muted = markers.length;
    for (const turn of [false, true])
      for (const i of order) {
        if (shown(labels[i]) !== turn) continue;
        const column = turn ? labels[i] : muted, half = halves[layers[i]], size = (2 * half) / ratio;
        const left = seen[2 * i] - size / 2, top = seen[2 * i + 1] - size / 2;
        context.drawImage(atlas, column * cell, layers[i] * cell, 2 * half, 2 * half, left, top, size, size);
      }
  }
  /** The nearest to the eye of the points whose marker is under (x, y), else the closest within `reach`; or null. */
  function find(x, y, shown, reach) {
    let found = null, closest = reach;
    for (const i of order) {
      if (!shown(labels[i])) continue;
      const distance = Math.max(Math.hypot(seen[2 * i] - x, seen[2 * i + 1] - y), radius);
      if (distance <= closest) [found, closest] = [i, distance];
    }
    return found;
  }
  return { arrange, draw, find, placeOf: (i) => [seen[2 * i], seen[2 * i + 1]] };
}

/** The edges of the box but those in front of the points, and along one edge for each axis its name and numbers. */
function drawBox(context, { project, faces }, { low, high, ticks }, side) {
  const flat = low.length === 2, middle = project(0, 0, 0);
  const place = (axis, along, signs) => {
    const spot = [...signs];
    spot[axis] = along;
    return project(spot[0], spot[1], flat ? 0 : spot[2]);
  };
  low.forEach((_, axis) => {
    const outline = [];
    for (const signs of edgesAlong(axis, flat)) {
      const front = signs.filter((sign, other) => other !== axis && !(flat && other === 2) && faces(other, sign)).length;
      if (front === 2) continue;
      const from = place(axis, -1, signs), to = place(axis, 1, signs);
      drawLine(context, from, to, LINE);
      if (front === 1 || flat) outline.push({ signs, from, to, centre: place(axis, 0, signs) });
    }
    // The last axis has its numbers at the left, the others below.
    const by = axis === low.length - 1 ? ({ centre }) => centre[0] : ({ centre }) => -centre[1];
    const [edge] = outline.sort((first, second) => by(first) - by(second));
    if (!edge || Math.hypot(edge.to[0] - edge.from[0], edge.to[1] - edge.from[1]) < side / 6) return;
    const away = [edge.centre[0] - middle[0], edge.centre[1] - middle[1]], length = Math.hypot(...away) || 1;
    const write = (text, [x, y], distance, font) => {
      context.font = font;
      context.fillText(text, x + (distance * away[0]) / length, y + (distance * away[1]) / length);
    };
    context.fillStyle = INK;
    drawLine(context, edge.from, edge.to, INK);
    for (const [value, text] of ticks[axis]) {
      const along = (2 * (value - low[axis])) / (high[axis] - low[axis]) - 1, spot = place(axis, along, edge.signs);
      drawLine(context, spot, [spot[0] + (4 * away[0]) / length, spot[1] + (4 * away[1]) / length], INK);
      write(text, spot, 14, "11px system-ui, sans-serif");
    }
    write(nameOf(axis), edge.centre, 32, "bold 13px system-ui, sans-serif");
  });
}

/** The box's four edges along an axis (a flat one's two), as the signs of the other coordinates. */
function edgesAlong(axis, flat) {
  const signs = [-1, 1], others = [0, 1, 2].filter((other) => other !== axis);
  const edges = signs.flatMap((first) => (flat ? [0] : signs).map((second) => [first, second]));
  return edges.map((pair) => [0, 1, 2].map((other) => (other === axis ? 0 : pair[others.indexOf(other)])));
}

function drawLine(context, from, to, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
}

/** A ring with four arms, white under black, to be seen on every colour. */
function drawMark(context, [x, y], radius) {
  for (const [colour, width] of [["#fff", 5], ["#000", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    for (const [across, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + radius * across, y + radius * down);
      context.lineTo(x + 2 * radius * across, y + 2 * radius * down);
    }
    context.stroke();
  }
}
