// A question with choices; after "Commit" the right one, and why. The texts are html, escaped by Python.

function render({ model, el }) {
  const { question, choices, answer, why } = model.get("_state");
  const name = `predict-${Math.random().toString(36).slice(2)}`; // another question's radio buttons are another group
  const options = choices.map((text) => createOption(name, text));
  const inputs = options.map(({ input }) => input);
  const commit = create("button", { type: "button" }, "Commit");
  const reset = create("button", { type: "button" }, "Reset");
  const result = create("div", { className: "result", role: "status" }); // screen readers read it when it is filled

  function show() {
    const choice = model.get("choice"), committed = choice !== null;
    options.forEach(({ input, element, mark }, i) => {
      input.checked = i === choice;
      input.disabled = committed;
      element.classList.toggle("right", committed && i === answer);
      mark.textContent = committed ? markOf(i === answer, i === choice) : "";
    });
    commit.hidden = committed;
    commit.disabled = true; // until there is a choice
    reset.hidden = !committed;
    result.replaceChildren(...(committed ? explain(choice === answer, choices[answer], why) : []));
  }

  for (const input of inputs) input.addEventListener("input", () => { commit.disabled = false; });
  commit.addEventListener("click", () => {
    setTraits(model, { choice: inputs.findIndex((input) => input.checked) });
    reset.focus(); // the button that had the focus is hidden
  });
  reset.addEventListener("click", () => {
    setTraits(model, { choice: null });
    inputs[0].focus();
  });
  keepKeys(commit, reset, ...inputs);
  show();
  const rows = options.map(({ element }) => element);
  const asked = create("fieldset", {}, create("legend", { innerHTML: question }), ...rows);
  el.append(create("div", { className: "ae-widget predict" }, asked, commit, result, reset));
  return follow(model, ["choice"], show);
}

function createOption(name, text) {
  const input = create("input", { type: "radio", name });
  const mark = create("span", { className: "mark" });
  return { input, mark, element: create("label", {}, input, create("span", { innerHTML: text }), mark) };
}

/** What stands behind a choice once it is known which was right. */
function markOf(right, chosen) {
  return [right && "✓ right", chosen && "your choice"].filter(Boolean).join(", ");
}

function explain(right, answer, why) {
  const verdict = right ? "You predicted it: " : "Not this time, and surprises are what one remembers. The answer is: ";
  const said = create("p", {}, create("strong", {}, verdict), create("span", { innerHTML: answer }));
  return [said, create("p", { innerHTML: why })];
}

export default { render };
