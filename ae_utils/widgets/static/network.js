// Evaluates a network in the page. A graph (made by graph.py) is a list of layers with their weights;
// createDecoder turns it into a function from a code, and a label for a conditional decoder, to an image. Everything is a flat Float32Array, channel by
// channel, row by row, and every layer writes into a buffer of its own, so that nothing is allocated while dragging.

/** A function from a code (Float32Array) and a label (a digit, or null) to pixels in [0, 1]; or from pixels to a code. */
export function createDecoder(graph) {
  const decode = chain(graph.ops, reader(graph.dtype));
  return graph.flow ? createSampler(graph.flow, decode) : decode;
}

const reader = (dtype) => (dtype === "float16" ? readHalves : (view) => copyOf(view, Float32Array));

/**
 * A function from noise and a label to pixels: the velocity integrated by Heun's method, then decoded. Other numbers
 * of steps, which divide `flow.times`, and another guidance can be asked for; `coarse` takes a fifth of the steps, for
 * while something is dragged. `redraw` starts from an image's code instead, of which so many steps are made noise again.
 */
function createSampler(flow, decode) {
  const read = reader(flow.dtype), velocity = chain(flow.ops, read), mean = read(flow.mean), std = read(flow.std);
  const guided = (z, label, time, guidance) => {
    const conditioned = Float32Array.from(velocity(z, label ?? flow.unknown, time));
    if (label === null || guidance === 1) return conditioned;
    const free = velocity(z, flow.unknown, time); // overwritten by the next evaluation
    return conditioned.map((v, i) => free[i] + guidance * (v - free[i]));
  };
  /** The last of the equal `steps`, as many as `taken`, from z to a code; yields after each. */
  function* integrate(z, label, { steps = flow.steps, guidance = flow.guidance, taken = steps }) {
    const stride = flow.times / steps;
    for (let time = (steps - taken) * stride; time < flow.times; time += stride) {
      const first = guided(z, label, time, guidance);
      const second = guided(z.map((v, i) => v + first[i] / steps), label, time + stride, guidance);
      z = z.map((v, i) => v + (first[i] + second[i]) / (2 * steps));
      yield;
    }
    return decode(z.map((v, i) => v * std[i] + mean[i]), label);
  }
  const sample = (noise, label, options = {}) => {
    const steps = integrate(noise, label, options);
    for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
  };
  function redraw(code, noise, label, options) { // a generator, because it takes long
    const t = 1 - options.taken / options.steps;
    return integrate(noise.map((v, i) => (1 - t) * v + (t * (code[i] - mean[i])) / std[i]), label, options);
  }
  const few = flow.steps % 5 ? flow.steps : flow.steps / 5;
  return Object.assign(sample, { redraw, coarse: (noise, label) => sample(noise, label, { steps: few }) });
}

function chain(ops, read) {
  const layers = ops.map((op) => LAYERS[op.op](op, read));
  return (input, label, step) => layers.reduce((x, layer) => layer(x, label, step), input);
}

const LAYERS = {
  linear({ size, weight, bias }, read) {
    const w = read(weight), b = read(bias), y = new Float32Array(size);
    return (x) => {
      y.set(b);
      addProduct(y, x, w, 1, w.length / size, size);
      return y;
    };
  },

  // A convolution gathers, for every position of the grid, the numbers under the kernel, then multiplies.
  convolution({ size, image, grid, kernel, stride, padding, weight, bias }, read) {
    const w = read(weight), b = read(bias), y = new Float32Array(size);
    const under = placesUnderKernel(image, grid, kernel, stride, padding);
    const places = grid[0] * grid[1], patches = new Float32Array(under.length);
    const padded = new Float32Array(image[0] * image[1] * image[2] + 1); // the last number stays 0: the padding
    return (x) => {
      padded.set(x);
      for (let i = 0; i < under.length; i++) patches[i] = padded[under[i]];
      for (let c = 0; c < b.length; c++) y.fill(b[c], c * places, (c + 1) * places);
      addProduct(y, w, patches, b.length, under.length / places, places);
      return y;
    };
  },

  // A transposed convolution is the same backwards: it multiplies, then adds to what lies under the kernel.
  transposed_convolution({ size, image, grid, kernel, stride, padding, weight, bias }, read) {
    const w = read(weight), b = read(bias), y = new Float32Array(size + 1); // the last number: what falls outside
    const under = placesUnderKernel(image, grid, kernel, stride, padding);
    const places = grid[0] * grid[1], patches = new Float32Array(under.length);
    const rows = under.length / places, pixels = image[1] * image[2], picture = y.subarray(0, size);
    return (x) => {
      patches.fill(0);
      addProduct(patches, w, x, rows, w.length / rows, places);
      for (let c = 0; c < b.length; c++) y.fill(b[c], c * pixels, (c + 1) * pixels);
      for (let i = 0; i < under.length; i++) y[under[i]] += patches[i];
      return picture;
    };
  },

  max_pool({ size, image, grid, kernel, stride, padding }) {
    const under = placesUnderKernel(image, grid, kernel, stride, padding), y = new Float32Array(size);
    const places = grid[0] * grid[1], cells = kernel[0] * kernel[1];
    const padded = new Float32Array(image[0] * image[1] * image[2] + 1).fill(-Infinity); // the last: the padding
    return (x) => {
      padded.set(x);
      y.fill(-Infinity);
      for (let c = 0, i = 0; c < image[0]; c++)
        for (let cell = 0; cell < cells; cell++)
          for (let out = c * places; out < (c + 1) * places; out++, i++) y[out] = Math.max(y[out], padded[under[i]]);
      return y;
    };
  },

  scale_shift({ size, scale, shift }, read) {
    const a = read(scale), b = read(shift), y = new Float32Array(size), length = size / a.length;
    return (x) => {
      for (let c = 0, i = 0; c < a.length; c++)
        for (const end = i + length; i < end; i++) y[i] = a[c] * x[i] + b[c];
      return y;
    };
  },

  // The sum of two branches: a residual block.
  sum({ size, main, shortcut }, read) {
    const [first, second] = [chain(main, read), chain(shortcut, read)], y = new Float32Array(size);
    return (x, label, step) => {
      const a = first(x, label, step), b = second(x, label, step);
      for (let i = 0; i < size; i++) y[i] = a[i] + b[i];
      return y;
    };
  },

  // BatchNorm of a conditional layer: the label chooses the row of scales and shifts.
  label_scale_shift({ size, scale, shift }, read) {
    const a = read(scale), b = read(shift), y = new Float32Array(size);
    return (x, label) => {
      for (let i = 0, at = label * size; i < size; i++, at++) y[i] = a[at] * x[i] + b[at];
      return y;
    };
  },

  // A flow's velocity depends on the step and on the label.
  add_time_label({ size, times, labels }, read) {
    const a = read(times), b = read(labels), y = new Float32Array(size);
    return (x, label, step) => {
      for (let i = 0; i < size; i++) y[i] = x[i] + a[step * size + i] + b[label * size + i];
      return y;
    };
  },

  layer_norm({ size, weight, bias, eps }, read) {
    const a = read(weight), b = read(bias), y = new Float32Array(size);
    return (x) => {
      let mean = 0, variance = 0;
      for (let i = 0; i < size; i++) mean += x[i] / size;
      for (let i = 0; i < size; i++) variance += (x[i] - mean) ** 2 / size;
      const scale = 1 / Math.sqrt(variance + eps);
      for (let i = 0; i < size; i++) y[i] = a[i] * (x[i] - mean) * scale + b[i];
      return y;
    };
  },

  append_label({ size }) {
    const y = new Float32Array(size);
    return (x, label) => {
      y.fill(0);
      y.set(x);
      y[x.length + label] = 1;
      return y;
    };
  },

  mixture_component({ size, count, scale }) {
    const y = new Float32Array(size);
    return (x) => {
      let largest = 0;
      for (let i = 1; i < count; i++) if (x[i] > x[largest]) largest = i;
      y.fill(0);
      y.set(x);
      y[x.length + largest] = scale;
      return y;
    };
  },

  // Pixel shuffle and upsampling only move numbers.
  gather({ size, source }) {
    const from = copyOf(source, Uint32Array), y = new Float32Array(size);
    return (x) => {
      for (let i = 0; i < size; i++) y[i] = x[from[i]];
      return y;
    };
  },

  relu: ({ size }) => each(size, (v) => (v > 0 ? v : 0)),
  leaky_relu: ({ size, negative_slope }) => each(size, (v) => (v > 0 ? v : negative_slope * v)),
  silu: ({ size }) => each(size, (v) => v / (1 + Math.exp(-v))),
  sigmoid: ({ size }) => each(size, (v) => 1 / (1 + Math.exp(-v))),
  tanh: ({ size }) => each(size, Math.tanh),
  hardtanh: ({ size, min_val, max_val }) => each(size, (v) => Math.min(Math.max(v, min_val), max_val)),
};

function each(size, activation) {
  const y = new Float32Array(size);
  return (x) => {
    for (let i = 0; i < size; i++) y[i] = activation(x[i]);
    return y;
  };
}

/**
 * y (rows × columns) += a (rows × inner) · b (inner × columns): where nearly all the time goes, so eight rows of b
 * are taken at once, which reads and writes y an eighth as often.
 */
function addProduct(y, a, b, rows, inner, columns) {
  for (let row = 0; row < rows; row++) {
    const out = row * columns;
    let k = 0, weight = row * inner;
    for (; k + 8 <= inner; k += 8, weight += 8) {
      const a0 = a[weight], a1 = a[weight + 1], a2 = a[weight + 2], a3 = a[weight + 3];
      const a4 = a[weight + 4], a5 = a[weight + 5], a6 = a[weight + 6], a7 = a[weight + 7];
      const b0 = k * columns, b1 = b0 + columns, b2 = b1 + columns, b3 = b2 + columns;
      const b4 = b3 + columns, b5 = b4 + columns, b6 = b5 + columns, b7 = b6 + columns;
      for (let i = 0; i < columns; i++)
        y[out + i] += a0 * b[b0 + i] + a1 * b[b1 + i] + a2 * b[b2 + i] + a3 * b[b3 + i]
          + a4 * b[b4 + i] + a5 * b[b5 + i] + a6 * b[b6 + i] + a7 * b[b7 + i];
    }
    for (; k < inner; k++, weight++)
      for (let i = 0; i < columns; i++) y[out + i] += a[weight] * b[k * columns + i];
  }
}

/**
 * For each channel and kernel cell (a row) and each place of the grid (a column): which number of the image lies
 * there; where the kernel hangs over the edge, the one after the last.
 */
function placesUnderKernel([channels, height, width], [rows, columns], kernel, stride, padding) {
  const under = new Uint32Array(channels * kernel[0] * kernel[1] * rows * columns);
  let i = 0;
  for (let channel = 0; channel < channels; channel++)
    for (let ky = 0; ky < kernel[0]; ky++)
      for (let kx = 0; kx < kernel[1]; kx++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const y = row * stride[0] + ky - padding[0], x = column * stride[1] + kx - padding[1];
            const inside = y >= 0 && y < height && x >= 0 && x < width;
            under[i++] = inside ? (channel * height + y) * width + x : channels * height * width;
          }
  return under;
}

/** Numbers from bytes; copied, because bytes may start where a typed array must not. */
export function copyOf(view, Numbers) {
  return new Numbers(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Half-precision numbers: a sign, five bits of exponent, ten of fraction. */
function readHalves(view) {
  return Float32Array.from(copyOf(view, Uint16Array), (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = (bits & 1023) / 1024;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
  });
}
