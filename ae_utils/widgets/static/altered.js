// The eleven alterations of data/altered.py, each as far as a slider says. Images are Float32Arrays of 28×28 numbers, row
// by row, white being 1.

const UNALTERED = {
  turn: 0, across: 0, down: 0, size: 1, slant: 0, elastic: 0, stroke: 0, blur: 0, noise: 0, specks: 0, occlusion: 0,
};
const SMOOTHNESS = 4; // pixels: the blur of the field that moves pixels in an elastic deformation

/** What is random in alterations, a number for each pixel: drawn once, so that a slider changes only what it says. */
function createFields() {
  const field = (draw) => Float32Array.from({ length: IMAGE * IMAGE }, draw);
  return { noise: field(normal), specks: field(Math.random), right: smooth(field(normal)), low: smooth(field(normal)) };
}

/** A field without jumps, of standard deviation 1. */
function smooth(field) {
  const blurred = blurImage(field, SMOOTHNESS), mean = blurred.reduce((sum, value) => sum + value) / blurred.length;
  const std = Math.sqrt(blurred.reduce((sum, value) => sum + (value - mean) ** 2, 0) / blurred.length);
  return blurred.map((value) => value / std);
}

function alterDigit(image, changes, fields) {
  const moved = moveDigit(image, changes, fields);
  return damageDigit(blurImage(widenStrokes(moved, changes.stroke), changes.blur), changes, fields);
}

/** Slanted, enlarged by `size`, turned clockwise by degrees around the middle, shifted by pixels, pulled by `elastic` ones. */
function moveDigit(image, { turn, across, down, size, slant, elastic }, fields) {
  if (!turn && !across && !down && size === 1 && !slant && !elastic) return image;
  const middle = (IMAGE - 1) / 2, cos = Math.cos((turn * Math.PI) / 180), sin = Math.sin((turn * Math.PI) / 180);
  return image.map((_, i) => { // where the pixel comes from
    const dx = (i % IMAGE) - across - middle, dy = Math.floor(i / IMAGE) - down - middle;
    const x = (cos * dx + sin * dy) / size, y = (cos * dy - sin * dx) / size;
    return between(image, middle + x + slant * y + elastic * fields.right[i], middle + y + elastic * fields.low[i]);
  });
}

/** The image between its pixels; black outside. */
function between(image, x, y) {
  const left = Math.floor(x), top = Math.floor(y), right = x - left, low = y - top;
  return (1 - low) * ((1 - right) * pixelAt(image, left, top) + right * pixelAt(image, left + 1, top))
    + low * ((1 - right) * pixelAt(image, left, top + 1) + right * pixelAt(image, left + 1, top + 1));
}

function pixelAt(image, x, y) {
  return x < 0 || x >= IMAGE || y < 0 || y >= IMAGE ? 0 : image[y * IMAGE + x];
}

/** Thicker, towards the brightest of 3×3 pixels, for a `stroke` up to 1; thinner, towards the darkest of 2×2, down to −1. */
function widenStrokes(image, stroke) {
  if (!stroke) return image;
  const [last, choose] = stroke > 0 ? [1, Math.max] : [0, Math.min];
  return image.map((value, i) => {
    let chosen = value;
    for (let dy = -1; dy <= last; dy++)
      for (let dx = -1; dx <= last; dx++)
        chosen = choose(chosen, pixelAt(image, (i % IMAGE) + dx, Math.floor(i / IMAGE) + dy));
    return value + Math.abs(stroke) * (chosen - value);
  });
}

/** A Gaussian blur of standard deviation `std` pixels; the border reflects. */
function blurImage(image, std) {
  if (!std) return image;
  const reach = Math.ceil(2 * std), last = IMAGE - 1;
  const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-(((k - reach) / std) ** 2) / 2));
  const total = weights.reduce((sum, weight) => sum + weight);
  const inside = (place) => last - Math.abs(last - Math.abs(place));
  const along = (from, place) => from.map((_, i) =>
    weights.reduce((sum, weight, k) => sum + weight * from[place(i % IMAGE, Math.floor(i / IMAGE), k - reach)], 0) / total);
  const across = along(image, (x, y, step) => y * IMAGE + inside(x + step));
  return along(across, (x, y, step) => inside(y + step) * IMAGE + x);
}

/** With normal noise, a fraction of `specks` in black or white, and a black square of `occlusion` pixels in the middle. */
function damageDigit(image, { noise, specks, occlusion }, fields) {
  const first = Math.floor((IMAGE - occlusion) / 2), hidden = (i) => i >= first && i < first + occlusion;
  return image.map((value, i) => {
    if (hidden(i % IMAGE) && hidden(Math.floor(i / IMAGE))) return 0;
    if (fields.specks[i] < specks / 2) return 0;
    if (fields.specks[i] >= 1 - specks / 2) return 1;
    return noise ? Math.min(Math.max(value + noise * fields.noise[i], 0), 1) : value;
  });
}
