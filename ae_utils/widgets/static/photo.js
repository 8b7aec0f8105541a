// A photo, scan or drawing of a digit as the models expect it, by the rules of data/photo.py: a planar image is
// { values, width, height }, its values row by row in [0, 1].

const LARGEST = 512, FAINT = 0.25;
const BROADEST = 3, GAP = 20; // fractions of the shorter side: no stroke is broader than a third; parts of a digit are nearer

/** The 28×28 numbers in a PNG or JPEG file, and what was done to it; rejects with a sentence that names the file. */
async function readPhoto(file) {
  const grey = await greyOf(file), { width, height } = grey, photographed = width !== IMAGE || height !== IMAGE;
  const background = median(borderOf(grey)), [darkest, brightest] = extremes(grey.values);
  const bright = background > (darkest + brightest) / 2;
  const contrast = (value) => Math.max(bright ? background - value : value - background, 0);
  const ink = photographed && bright ? onPaper(grey) : grey.values.map(contrast), [, most] = extremes(ink);
  if (most < 0.1) throw new Error(`${file.name} is blank: nothing differs from its border; expected an image of one digit.`);
  ink.forEach((value, i) => { ink[i] = value / most; });
  const done = bright ? ["inverted"] : [];
  if (!photographed) return { pixels: Float32Array.from(ink), done: done.join(", ") || "as it is" };
  const shape = largestShape({ values: ink, width, height });
  done.push("scaled to 20 pixels and centred");
  if (shape.touches) done.push("touches the border of the picture, so a part may be missing");
  const kept = ink.map((value, i) => (shape.holds(i) && value >= FAINT ? value : 0));
  return { pixels: placeDigit(kept, width, height), done: done.join(", ") };
}

/** Grey values: turned as the camera was held, shrunk where large, white where transparent. */
async function greyOf(file) {
  let bitmap;
  try {
    const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    if (!((first === 0x89 && second === 0x50) || (first === 0xff && second === 0xd8))) throw new Error("another format");
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is damaged or neither PNG nor JPEG; save it again as one of them.`);
  }
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.max(1, Math.round(length * scale)));
  const context = create("canvas", { width, height }).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const luma = (_, i) => (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 0x8000) >> 16;
  return { values: Float64Array.from({ length: width * height }, (_, i) => luma(_, i) / 255), width, height };
}

function borderOf({ values, width, height }) {
  const column = (x) => Array.from({ length: height }, (_, y) => values[y * width + x]);
  return [...values.subarray(0, width), ...values.subarray(-width), ...column(0), ...column(width - 1)];
}

function median(numbers) {
  const sorted = Float64Array.from(numbers).sort(), middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

function extremes(values) {
  let least = Infinity, most = -Infinity;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}

/** How much less light than the paper around it a pixel sends back: the paper is a closing, so that strokes vanish. */
function onPaper(grey) {
  const shorter = Math.min(grey.width, grey.height), smooth = alongBoth(grey, blur(shorter / 200));
  const size = Math.max(3, Math.floor(shorter / BROADEST)), half = Math.floor(size / 2);
  const highest = alongBoth(smooth, slide(size, size % 2 ? half : half - 1, Math.max));
  const paper = alongBoth(highest, slide(size, half, Math.min));
  return smooth.values.map((value, i) => 1 - value / Math.max(paper.values[i], 0.02));
}

/** A filter of lines, applied to all rows, then to all columns. */
function alongBoth({ values, width, height }, filter) {
  const across = new Float64Array(values.length), result = new Float64Array(values.length);
  for (let y = 0; y < height; y++) across.set(filter(values.subarray(y * width, (y + 1) * width)), y * width);
  const column = new Float64Array(height);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) column[y] = across[y * width + x];
    filter(column).forEach((value, y) => { result[y * width + x] = value; });
  }
  return { values: result, width, height };
}

/** A Gaussian of `std` pixels; beyond its ends a line is mirrored. */
function blur(std) {
  const reach = Math.floor(4 * std + 0.5);
  const bell = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / std) ** 2));
  const sum = bell.reduce((total, weight) => total + weight, 0);
  const mirrored = (i, length) => {
    const place = ((i % (2 * length)) + 2 * length) % (2 * length);
    return place < length ? place : 2 * length - 1 - place;
  };
  return (line) => line.map((_, i) => bell.reduce((total, weight, k) => total + weight * line[mirrored(i + k - reach, line.length)], 0) / sum);
}

/** The best of a window of `size`, `before` of them before its place; blockwise from both sides (van Herk 1992). */
function slide(size, before, better) {
  return (line) => {
    const length = line.length + size - 1;
    const at = (i) => line[Math.min(Math.max(i - before, 0), line.length - 1)];
    const forward = new Float64Array(length), backward = new Float64Array(length);
    for (let i = 0; i < length; i++) forward[i] = i % size ? better(forward[i - 1], at(i)) : at(i);
    for (let i = length - 1; i >= 0; i--)
      backward[i] = i === length - 1 || (i + 1) % size === 0 ? at(i) : better(backward[i + 1], at(i));
    return line.map((_, i) => better(backward[i], forward[i + size - 1]));
  };
}

/** The shape with the most ink, of parts that are near to each other; one at the border needs five times as much. */
function largestShape({ values, width, height }) {
  const threshold = Math.max(FAINT, otsu(values) / 2), dark = values.map((value) => Number(value >= threshold));
  const reach = Math.floor(Math.max(1, Math.floor(Math.min(width, height) / GAP)) / 2) + 1;
  const near = stepsToDark(dark, width, height).map((steps) => Number(steps <= reach));
  const shape = new Int32Array(values.length).fill(-1), found = [];
  for (let start = 0; start < near.length; start++) {
    if (!near[start] || shape[start] >= 0) continue;
    const members = flood(near, shape, start, found.length, width);
    const border = members.some((i) => i < width || i >= values.length - width || i % width === 0 || i % width === width - 1);
    const amount = members.reduce((total, i) => total + dark[i] * values[i], 0);
    found.push({ amount: border ? amount / 5 : amount, border });
  }
  const best = found.reduce((most, { amount }, i) => (amount > found[most].amount ? i : most), 0);
  return { holds: (i) => shape[i] === best, touches: found[best].border };
}

/** The number of steps, across and down, to the nearest dark pixel. */
function stepsToDark(dark, width, height) {
  const steps = dark.map((value) => (value ? 0 : Infinity));
  for (let i = 0; i < steps.length; i++)
    steps[i] = Math.min(steps[i], (i % width ? steps[i - 1] : Infinity) + 1, (i < width ? Infinity : steps[i - width]) + 1);
  for (let i = steps.length - 1; i >= 0; i--) {
    const right = (i + 1) % width ? steps[i + 1] : Infinity, below = i < width * (height - 1) ? steps[i + width] : Infinity;
    steps[i] = Math.min(steps[i], right + 1, below + 1);
  }
  return steps;
}

/** Mark all that hangs together with the pixel `start`; returns its members. */
function flood(near, shape, start, number, width) {
  const members = [start];
  shape[start] = number;
  for (const i of members) { // it grows meanwhile
    const neighbours = [i % width ? i - 1 : -1, (i + 1) % width ? i + 1 : -1, i - width, i + width];
    for (const next of neighbours)
      if (near[next] && shape[next] < 0) {
        shape[next] = number;
        members.push(next);
      }
  }
  return members;
}

/** Otsu's threshold (1979), from 256 bins: it separates two classes of the greatest variance between them. */
function otsu(values) {
  const [least, most] = extremes(values), counts = new Float64Array(256), width = (most - least) / 256;
  if (!width) return least;
  for (const value of values) counts[Math.min(255, Math.floor((value - least) / width))]++;
  const centre = (bin) => least + (bin + 0.5) * width;
  const total = values.length, whole = counts.reduce((sum, count, bin) => sum + count * centre(bin), 0);
  let best = 0, greatest = -1, below = 0, sum = 0;
  for (let bin = 0; bin < 255; bin++) {
    below += counts[bin];
    sum += counts[bin] * centre(bin);
    const variance = below * (total - below) * (sum / below - (whole - sum) / (total - below)) ** 2;
    if (variance > greatest) [greatest, best] = [variance, bin];
  }
  return centre(best);
}
