// From ink to 28×28 numbers: placed as MNIST's digits are (data/photo.py does the same). Images are Float32Arrays, row by
// row, white being 1.

const IMAGE = 28, DIGIT = 20; // pixels: MNIST's digits fill 20×20, with their mass in the middle of 28×28

/** Crop to the ink, scale its longer side to 20 pixels, put its centre of mass into the middle; black without ink. */
function placeDigit(ink, width, height) {
  const placed = new Float32Array(IMAGE * IMAGE), box = boundsOf(ink, width, height);
  if (!box) return placed;
  const longer = Math.max(box.width, box.height);
  const [columns, rows] = [box.width, box.height].map((length) => Math.max(1, roundHalfEven((length * DIGIT) / longer)));
  const small = resize(crop(ink, width, box), box.width, box.height, columns, rows);
  const [left, top] = cornerOf(small, columns, rows);
  const white = upperQuartile(small); // strokes white inside, grey at their edges
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      placed[(top + y) * IMAGE + left + x] = Math.min(small[y * columns + x] / white, 1);
  return placed;
}

function boundsOf(ink, width, height) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++)
      if (ink[i]) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = y;
      }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function crop(image, width, { left, top, width: columns, height: rows }) {
  const part = new Float32Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    const start = (top + y) * width + left;
    part.set(image.subarray(start, start + columns), y * columns);
  }
  return part;
}

/** Bilinear resizing that averages when it shrinks: first across, then down. */
function resize(image, width, height, columns, rows) {
  const across = new Float32Array(columns * height), result = new Float32Array(columns * rows);
  triangles(width, columns).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++)
      weights.forEach((weight, k) => { across[y * columns + x] += weight * image[y * width + first + k]; });
  });
  triangles(height, rows).forEach(({ first, weights }, y) => {
    weights.forEach((weight, k) => {
      for (let x = 0; x < columns; x++) result[y * columns + x] += weight * across[(first + k) * columns + x];
    });
  });
  return result;
}

/** For each of `count` pixels made of `length`: the first that it averages, and the weights of that and of the next ones. */
function triangles(length, count) {
  const scale = length / count, reach = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5)), end = Math.min(length, Math.floor(centre + reach + 0.5));
    const weights = [];
    for (let k = first; k < end; k++) weights.push(Math.max(0, 1 - Math.abs((k + 0.5 - centre) / reach)));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Where the upper left corner goes, so that the centre of mass lies in the middle, as far as there is room. */
function cornerOf(image, columns, rows) {
  let total = 0, across = 0, down = 0;
  for (let y = 0, i = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, i++) {
      total += image[i];
      across += image[i] * (x + 0.5);
      down += image[i] * (y + 0.5);
    }
  const corner = (moment, length) => Math.min(Math.max(Math.ceil(IMAGE / 2 - moment / total), 0), IMAGE - length);
  return [corner(across, columns), corner(down, rows)];
}

/** The value that three quarters of the numbers above 0 do not exceed. */
function upperQuartile(image) {
  const positive = image.filter((value) => value > 0).sort(), place = 0.75 * (positive.length - 1);
  const below = Math.floor(place), above = Math.min(below + 1, positive.length - 1);
  return positive[below] + (place - below) * (positive[above] - positive[below]);
}

function roundHalfEven(number) {
  const below = Math.floor(number);
  return number - below === 0.5 ? below + (below % 2) : Math.round(number);
}
