"""Widgets in a plain page: each a module of its own, as in a notebook, over what a notebook's model offers them."""

import base64
import json

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:">
<!-- unsafe-eval: Playwright waits that way -->
<title>widgets</title>
<style>:root { color-scheme: light dark; } body { background: Canvas; font-family: sans-serif; }</style>
<script>
// What a widget needs of a notebook's model: set raises an event, save_changes goes to a kernel.
globalThis.models = [];
function modelOf(traits) {
  const handlers = {}, model = {
    saved: [],
    get: (name) => traits[name],
    set(name, value) {
      if (traits[name] === value) return;
      traits[name] = value;
      for (const handler of handlers[`change:${name}`] ?? []) handler();
    },
    on(event, handler) { (handlers[event] ??= new Set()).add(handler); },
    off(event, handler) { handlers[event].delete(handler); },
    save_changes() { model.saved.push({ ...traits, _state: null }); },
    handlers: () => Object.values(handlers).reduce((count, set) => count + set.size, 0),
  };
  models.push(model);
  return model;
}
function bytes(name, value) {
  if (value?.base64 === undefined) return value;
  return new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer);
}
</script>
<body>WIDGETS</body>
</html>"""
WIDGET = """<style>STYLE</style><main></main><script type="application/json">TRAITS</script><script type="module">SCRIPT
const place = models.length, traits = document.querySelectorAll("script[type$=json]")[place].textContent;
const model = modelOf(JSON.parse(traits, bytes));
model.leave = render({ model, el: document.querySelectorAll("main")[place] });
</script>"""
TRAITS = ("_state", "frame", "choice", "point", "z", "label")


def open_page(tab, path, *widgets):
    """A page with the widgets, opened in the tab; ``models`` are their traits."""
    parts = []
    for widget in widgets:
        traits = {name: getattr(widget, name) for name in TRAITS if widget.has_trait(name)}
        content = json.dumps(traits, default=_text).replace("<", "\\u003c")
        parts.append(WIDGET.replace("STYLE", widget._css).replace("SCRIPT", widget._esm).replace("TRAITS", content))
    path.write_text(PAGE.replace("WIDGETS", "".join(parts)), encoding="utf-8")
    tab.goto(path.as_uri())
    return tab


def get(tab, trait, place=0):
    return tab.evaluate(f"models[{place}].get('{trait}')")


def saved(tab, trait, place=0):
    """What the kernel heard, in order."""
    return tab.evaluate(f"models[{place}].saved.map((traits) => traits.{trait})")


def _text(data):
    return {"base64": base64.b64encode(data).decode("ascii")}
