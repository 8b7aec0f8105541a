// The studio's models: from what is seen to code, reconstruction, error and bound, in slices that fit into a frame.

/** `run` is a generator of slices that returns what the model makes of an image; `decode` gives the picture of a code. */
function createStudioModel(entry) {
  const { latent_dim: size, variational, conditional } = entry;
  const encode = createDecoder(entry.encoder), given = (label) => (conditional ? label : null);
  const decode = variational ? createBernoulli(entry.decoder) : { picture: createDecoder(entry.decoder) };
  function* run(x, label) {
    const code = Float32Array.from(encode(x, given(label))), z = code.slice(0, size);
    yield;
    const picture = Float32Array.from(decode.picture(z, given(label)));
    const seen = { z, picture, label, error: squaredError(picture, x) };
    if (!variational) return seen;
    const std = code.slice(size).map((logvar) => Math.exp(0.5 * logvar));
    yield;
    const drawn = z.map((mean, i) => mean + std[i] * entry.eps[i]);
    return { ...seen, std, negativeElbo: decode.surprise(drawn, given(label), x) + divergence(z, std) };
  }
  return {
    ...entry,
    run,
    decode: (z, label) => Float32Array.from(decode.picture(Float32Array.from(z), given(label))),
    rank: (error) => rankOf(error, entry.errors),
  };
}

/** A decoder of log-odds, whose pictures are probabilities and whose surprise is -log p(x|z) in nats. */
function createBernoulli(graph) {
  const logits = createDecoder({ ...graph, ops: graph.ops.slice(0, -1) }); // without the sigmoid
  return {
    picture: (z, label) => logits(z, label).map((logit) => 1 / (1 + Math.exp(-logit))),
    surprise(z, label, x) {
      const odds = logits(z, label);
      let nats = 0;
      for (let i = 0; i < x.length; i++)
        nats += Math.max(odds[i], 0) - odds[i] * x[i] + Math.log1p(Math.exp(-Math.abs(odds[i])));
      return nats;
    },
  };
}

function squaredError(picture, x) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (picture[i] - x[i]) ** 2;
  return sum / x.length;
}

/** KL(N(mean, std²) ‖ N(0, I)) in nats. */
function divergence(mean, std) {
  let nats = 0;
  for (let i = 0; i < mean.length; i++) nats += 0.5 * (mean[i] ** 2 + std[i] ** 2 - 1) - Math.log(std[i]);
  return nats;
}

/** The fraction of test digits with a smaller error, from evenly spaced quantiles of their errors. */
function rankOf(error, quantiles) {
  const above = quantiles.findIndex((quantile) => quantile > error);
  if (above <= 0) return above ? 1 : 0;
  const below = quantiles[above - 1];
  return (above - 1 + (error - below) / (quantiles[above] - below)) / (quantiles.length - 1);
}

/** The classifier: class probabilities of an image. */
function createClassifier(graph) {
  const logits = createDecoder(graph);
  return (x) => {
    const odds = logits(x, null), largest = Math.max(...odds), weights = odds.map((logit) => Math.exp(logit - largest));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  };
}

/**
 * Runs the slices of many jobs: the first at once, the others in turn for `budget` milliseconds of a frame (one slice at
 * least, so that all get on), the `last` one when nothing else waits. A job begins again when there is something newer.
 */
function createQueue(jobs, last, budget) {
  let turn = 0;
  const wants = (job) => job.slices || job.version !== job.newest();
  function advance(job) {
    if (!job.slices) {
      job.version = job.newest();
      job.slices = job.begin();
    }
    const slice = job.slices.next();
    if (!slice.done) return;
    job.slices = null;
    job.finish(slice.value);
  }
  /** The job whose turn it is: one goes on until it is done. */
  function next() {
    for (let i = 0; i < jobs.length; i++, turn = (turn + 1) % jobs.length) if (wants(jobs[turn])) return jobs[turn];
    return last && wants(last) ? last : null;
  }
  return {
    /** Returns whether something is left to do. */
    work(first) {
      while (wants(first)) advance(first);
      const end = performance.now() + budget;
      for (let job = next(); job; job = next()) {
        advance(job);
        if (!job.slices && job !== last) turn = (turn + 1) % jobs.length;
        if (performance.now() > end) return next() !== null;
      }
      return false;
    },
  };
}
