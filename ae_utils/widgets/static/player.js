// The player: one frame at a time, its caption, and under them a slider and a button that plays all frames in a loop.

const PACE = 200, CALM_PACE = 1000; // ms a frame; the second for those who asked their system for reduced motion

function render({ model, el }) {
  const { frames, captions, title, size: [width, height] } = model.get("_state");
  const picture = create("img", { className: "picture", width, height });
  const texts = captions.map((caption) => create("span", {}, caption));
  const play = create("button", { type: "button" });
  const slider = create("input", { type: "range", min: 0, max: frames.length - 1, step: 1, ariaLabel: "frame" });
  const place = create("span", { className: "place", ariaHidden: "true" }); // screen readers hear it from the slider

  function show() {
    const frame = model.get("frame"), number = `${frame + 1} of ${frames.length}`;
    picture.src = `data:image/png;base64,${frames[frame]}`;
    picture.alt = captions[frame] || `frame ${number}`;
    texts.forEach((text, i) => text.classList.toggle("shown", i === frame));
    if (slider.valueAsNumber !== frame) slider.value = frame;
    slider.ariaValueText = captions[frame] ? `${number}: ${captions[frame]}` : number;
    place.textContent = `${frame + 1} / ${frames.length}`;
  }
  const after = (steps) => (model.get("frame") + steps + frames.length) % frames.length;

  let timer = 0; // 0 while it pauses
  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }
  function toggle() {
    if (timer) {
      setTraits(model, { frame: model.get("frame") }); // what it passed by was no news for the kernel
      return pause();
    }
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    timer = setInterval(() => model.set("frame", after(1)), calm ? CALM_PACE : PACE);
    play.textContent = "Pause";
  }
  function goTo(frame) {
    pause();
    setTraits(model, { frame });
  }

  const controls = create("div", { className: "controls" }, play, slider, place);
  const parts = [picture, create("div", { className: "captions" }, ...texts), controls];
  const root = create("div", { className: "ae-widget player", role: "group", ariaLabel: title || "player" },
    ...(title ? [create("p", { className: "title" }, title)] : []), ...parts);
  root.style.setProperty("--width", `${width}px`);
  play.addEventListener("click", toggle);
  picture.addEventListener("click", () => {
    toggle();
    play.focus(); // so that the keys work
  });
  slider.addEventListener("input", () => goTo(slider.valueAsNumber));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) goTo(after(step));
    else if (event.key === " " && event.target !== play) toggle(); // space presses the button by itself
    else return;
    event.preventDefault(); // neither the slider nor the page moves too
  });
  keepKeys(play, slider);
  pause();
  show();
  el.append(root);
  const leave = follow(model, ["frame"], show);
  return () => {
    pause();
    leave();
  };
}

export default { render };
