// Parts of the explorer, the flow explorer and the studio: a picture, a slider with its number, normal numbers.

/** A grey image; `show` is given its pixels, and the number that makes 255 of white. */
function createPicture([height, width], ariaLabel) {
  const element = create("canvas", { className: "picture", width, height, role: "img", ariaLabel });
  const context = element.getContext("2d"), image = context.createImageData(width, height);
  image.data.fill(255);
  return {
    element,
    show(pixels, scale) {
      for (let i = 0; i < pixels.length; i++)
        image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = Math.round(pixels[i] * scale);
      context.putImageData(image, 0, 0);
    },
  };
}

/** A slider with its name and its number, between `read` and `write`. */
function createSlider(id, name, range, { read, write, text }) {
  const input = create("input", { type: "range", id, ...range });
  const value = create("span", { className: "value", ariaHidden: "true" }); // screen readers are told by the slider
  input.addEventListener("input", () => write(input.valueAsNumber));
  return {
    element: create("div", { className: "slider" }, create("label", { htmlFor: id }, name), input, value),
    show() {
      input.value = read();
      value.textContent = input.ariaValueText = text(read());
    },
  };
}

/** A number of the standard normal distribution. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}
