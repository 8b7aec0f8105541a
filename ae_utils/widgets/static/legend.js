// The legend's buttons, which show some classes alone, and thumbnails from one sheet of images.

/** A button for each class that occurs: the classes pressed are shown alone, and all while none is. */
function createLegend({ names, colours, markers }, { labels }, changed) {
  const chosen = new Set(), count = labels.length, sizes = names.map(() => 0);
  for (const label of labels) sizes[label]++;
  const shown = (label) => !chosen.size || chosen.has(label);
  const said = create("p", { className: "shown" });
  const buttons = names.map((name, label) => {
    const button = create("button", { type: "button", ariaPressed: "false", title: `show ${name} alone` });
    button.innerHTML = `<svg viewBox="-0.8 -0.8 1.6 1.6" aria-hidden="true"><path d="${markers[label]}" fill="${colours[label]}"/></svg>`;
    button.append(create("span", {}, name));
    button.addEventListener("click", () => {
      if (!chosen.delete(label)) chosen.add(label);
      show();
    });
    return button;
  });
  const all = create("button", { type: "button", ariaLabel: "show all classes" }, "all");
  all.addEventListener("click", () => {
    chosen.clear();
    show();
  });
  function show() {
    buttons.forEach((button, label) => { button.ariaPressed = String(chosen.has(label)); });
    all.disabled = !chosen.size;
    const sum = sizes.reduce((total, size, label) => total + (shown(label) ? size : 0), 0);
    said.textContent = chosen.size
      ? `${sum.toLocaleString("en")} of ${count.toLocaleString("en")} codes in colour, the others in grey.`
      : `All ${count.toLocaleString("en")} codes in colour.`;
    changed();
  }
  const present = buttons.filter((_, label) => sizes[label]);
  const group = create("div", { className: "legend", role: "group", ariaLabel: "classes to show" }, ...present, all);
  show();
  return { element: create("div", {}, group, said), shown };
}

/** One image of the sheet at a time. A bitmap from bytes needs no address, so that no page's policy forbids it. */
function createThumbnail(thumbnails) {
  if (!thumbnails) return { element: "", show() {} };
  const { png, size: [height, width], columns } = thumbnails;
  const element = create("canvas", { className: "thumbnail", width, height });
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  let sheet = null, last = 0;
  const show = (i) => {
    last = i;
    const [left, top] = [(i % columns) * width, Math.floor(i / columns) * height];
    if (sheet) element.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height);
  };
  createImageBitmap(new Blob([bytes], { type: "image/png" })).then((bitmap) => {
    sheet = bitmap;
    show(last);
  });
  return { element, show };
}
