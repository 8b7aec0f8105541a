// What the widgets share: elements, keys, the traits of the model, and how a code's numbers are written. This file
// stands before a widget's own in one module.

function create(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Jupyter's own shortcuts (arrow keys choose cells) must leave the keys to whichever control has the focus. */
function keepKeys(...controls) {
  for (const control of controls) control.dataset.lmSuppressShortcuts = "true";
}

/** Call `changed` when the kernel, this view, or another one changes one of the traits; returns how to stop. */
function follow(model, traits, changed) {
  for (const trait of traits) model.on(`change:${trait}`, changed);
  return () => { for (const trait of traits) model.off(`change:${trait}`, changed); };
}

/** Set traits in the page and, if there still is one, in the kernel. */
function setTraits(model, traits) {
  try {
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    model.save_changes();
  } catch {
    // what is shown does not depend on the kernel
  }
}

/** z₁, z₂ …, as in the formulas (Python's z[0], z[1] …). */
function nameOf(i) {
  return "z" + [...String(i + 1)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
}

/** Two decimals and a true minus sign, which 0.00 never has. */
function numberText(number) {
  return number.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
}
