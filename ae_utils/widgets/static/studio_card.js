// What the studio shows of a model: a card with its reconstruction, code and error, and a panel for the chosen one.

const BARS = { width: 128, height: 72, colour: "#4a90d9" }; // in CSS pixels; the colour is seen on black and on white

/** A model's card; all of it chooses the model. */
function createCard(model, name, choose) {
  const id = `${name}-${model.name}`, picture = createPicture([IMAGE, IMAGE], `reconstruction by ${model.name}`);
  const bars = createBars(model), numbers = create("div", { className: "numbers", id: `${id}-numbers` });
  const error = create("span", {}), bound = create("span", { className: "bound" });
  const rank = createRank();
  numbers.append(error, rank.element, ...(model.variational ? [bound] : []));
  const input = create("input", { type: "radio", name, id, onchange: () => choose(model) });
  input.setAttribute("aria-describedby", numbers.id);
  const title = create("label", { htmlFor: id, className: "name" }, model.name);
  return {
    element: create("div", { className: "card" }, input, title, picture.element, bars.element, numbers),
    choose(chosen) { input.checked = chosen; },
    show(seen) {
      picture.show(seen.picture, 255);
      bars.show(seen.z);
      error.textContent = `error ${seen.error.toFixed(4)}`;
      if (seen.std) {
        bound.textContent = `−ELBO ${seen.negativeElbo.toFixed(0)} nats (median ${model.negative_elbo.toFixed(0)})`;
      }
      rank.show(model.rank(seen.error));
    },
  };
}

/** How unusual the error is among those of the test digits: a bar and a line. */
function createRank() {
  const bar = create("i", {}), line = create("span", {});
  return {
    element: create("div", { className: "rank" }, create("div", { className: "scale", ariaHidden: "true" }, bar), line),
    show(rank) {
      bar.style.width = `${100 * rank}%`;
      bar.classList.toggle("unusual", rank > 0.99);
      line.textContent = rankText(rank);
    },
  };
}

function rankText(rank) {
  if (rank === 1) return "above all test digits";
  if (rank === 0) return "below all test digits";
  const percent = rank > 0.99 ? (Math.floor(1000 * rank) / 10).toFixed(1) : (100 * rank).toFixed(0); // never 100.0
  return `above ${percent} % of test digits`;
}

/** The code as bars around 0: the dimensions that have sliders. */
function createBars({ name, dimensions, low, high, latent_dim: size }) {
  const ratio = Math.max(1, globalThis.devicePixelRatio), width = BARS.width * ratio, height = BARS.height * ratio;
  const canvas = create("canvas", { className: "bars", width, height, role: "img" });
  canvas.ariaLabel = dimensions.length < size ? `${dimensions.length} of ${size} numbers of the code of ${name}` : `code of ${name}`;
  const context = canvas.getContext("2d"), step = width / dimensions.length, gap = Math.min(step / 4, 3 * ratio);
  const largest = Math.max(...low.map(Math.abs), ...high.map(Math.abs));
  return {
    element: canvas,
    show(z) {
      context.clearRect(0, 0, width, height);
      context.fillStyle = BARS.colour;
      context.fillRect(0, height / 2 - ratio / 2, width, ratio);
      dimensions.forEach((dimension, i) => {
        const part = Math.min(Math.max(z[dimension] / largest, -1), 1);
        context.fillRect(i * step + gap / 2, height / 2, step - gap, (-part * height) / 2);
      });
    },
  };
}

/** The chosen model: what it is, its picture, and a slider for each dimension; `edit` is given a moved code. */
function createPanel(id, edit, restore) {
  const title = create("h2", {}), summary = create("p", { className: "summary" });
  const picture = createPicture([IMAGE, IMAGE], "picture of the chosen model's code");
  const back = create("button", { type: "button", onclick: restore }, "Back to the drawing");
  const list = create("div", { className: "list" });
  let sliders = [], code = null;
  return {
    element: create("section", { className: "latent-explorer chosen", ariaLabel: "chosen model" },
      create("div", {}, picture.element, create("div", { className: "buttons" }, back)),
      create("div", { className: "sliders" }, title, summary, list)),
    choose({ name, summary: text, dimensions, low, high, latent_dim: size }) {
      title.textContent = name;
      const few = dimensions.length < size ? ` Sliders for the ${dimensions.length} of its ${size.toLocaleString("en")} numbers that vary most.` : "";
      summary.textContent = `${text}.${few}`;
      sliders = dimensions.map((dimension, i) => createSlider(`${id}-z${dimension}`, nameOf(dimension), { min: low[i], max: high[i], step: (high[i] - low[i]) / 200 }, {
        read: () => code[dimension],
        write: (value) => edit(code.with(dimension, value)),
        text: numberText,
      }));
      list.replaceChildren(...sliders.map(({ element }) => element));
      keepKeys(...list.querySelectorAll("input"));
    },
    show(z, pixels, edited) {
      code = z;
      picture.show(pixels, 255);
      back.disabled = !edited;
      for (const slider of sliders) slider.show();
    },
  };
}
