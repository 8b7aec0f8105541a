// The book's pages: colours, contents, search and copy buttons. mount.js runs the widgets.

function copyButtons() {
  for (const code of document.querySelectorAll(".code")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      const text = code.querySelector("pre").textContent.trimEnd();
      try {
        await navigator.clipboard.writeText(text);
      } catch { // no permission: the old way
        const area = Object.assign(document.createElement("textarea"), { value: text });
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
        button.focus();
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    code.append(button);
  }
}

/** What is wider than its place can be scrolled, and so must be reached by keys. */
function reachWide() {
  const wide = document.querySelectorAll(".wide, .formula, .code pre, .output > pre");
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  wide.forEach((element) => watch.observe(element));
}

function themeButton() {
  document.getElementById("theme").addEventListener("click", () => {
    const { dataset } = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    dataset.theme = (dataset.theme || system) === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", dataset.theme); } catch { /* for this page, then */ }
  });
}

function contentsButton() {
  const button = document.getElementById("contents-button"), contents = document.getElementById("contents");
  const show = (open) => {
    button.setAttribute("aria-expanded", open);
    contents.classList.toggle("open", open);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) show(false); });
  contents.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Sections that hold every word that was typed, those first whose heading does. */
function search(index, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const scored = index.map((entry) => {
    const [, , page, heading, body] = entry, title = `${page} ${heading}`.toLowerCase(), all = `${title} ${body.toLowerCase()}`;
    if (!words.every((word) => all.includes(word))) return null;
    return { entry, score: words.filter((word) => title.includes(word)).length };
  });
  return scored.filter(Boolean).sort((a, b) => b.score - a.score).slice(0, 20).map(({ entry }) => entry);
}

function excerpt(body, word) {
  const at = Math.max(0, body.toLowerCase().indexOf(word) - 40);
  return (at ? "… " : "") + body.slice(at, at + 120) + " …";
}

function searchField() {
  const field = document.getElementById("search"), found = document.getElementById("found");
  const show = async () => {
    const text = field.value.trim();
    found.hidden = !text;
    if (!text) return;
    await load("assets/search.js");
    const links = search(book.index, text).map(([path, name, page, heading, body]) => {
      const link = Object.assign(document.createElement("a"), { href: `${book.root}${path}${name ? `#${name}` : ""}` });
      const title = Object.assign(document.createElement("strong"), { textContent: heading === page ? page : `${page}: ${heading}` });
      link.append(title, Object.assign(document.createElement("span"), { textContent: excerpt(body, text.toLowerCase().split(/\s+/)[0]) }));
      return link;
    });
    found.replaceChildren(...(links.length ? links : ["Nothing found: the search looks for whole text, word by word."]));
  };
  field.addEventListener("input", show);
  field.addEventListener("focus", () => load("assets/search.js"), { once: true });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") found.hidden = true;
    if (event.key === "/" && !event.target.closest("input, textarea, select, [tabindex='0']")) {
      event.preventDefault();
      field.focus();
    }
  });
  addEventListener("click", (event) => { if (!event.target.closest(".search")) found.hidden = true; });
}

themeButton();
contentsButton();
searchField();
copyButtons();
reachWide();
mountAll({ all: true });
