"""What the book does with a notebook's outputs: pictures in files with an alternative text, widgets that run."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from ae_utils.course.book.capture import MIME
from ae_utils.course.book.markdown import markdown2html, plain
from ae_utils.widgets.png import png_size

SHARED = 10_000  # characters from which a widget's bytes get a file of their own, which others may share
SEE = re.compile(r"\*\*What (?:to|you) see\.?\*\*\.?\s*(.+?)(?:\n\n|$)", re.DOTALL)
Write = Callable[[str, bytes], str]  # takes a name and contents, returns the address that a page reaches the file by


def place_outputs(notebook: NotebookNode, write: Write) -> NotebookNode:
    """Give each picture and each widget of the notebook its file, and its output the HTML that shows it."""
    for place, cell in enumerate(notebook.cells):
        for number, output in enumerate(cell.get("outputs", ())):
            data = output.get("data", {})
            still = ""
            if "image/png" in data:
                picture = base64.b64decode(data.pop("image/png"))
                kept = html.unescape(re.sub(r"<[^>]+>", "", "".join(data.get("text/plain", ""))))
                alt = alternative_text(notebook, place, kept)
                still = image(write(f"{cell.id}-{number}.png", picture), png_size(picture), alt)
            elif "text/html" in data:
                still = data["text/html"]
            if MIME in data:
                still = mount(data.pop(MIME), still, write)
            if still:
                data["text/html"] = still
    return notebook


def image(address: str, size: tuple[int, int], alt: str) -> str:
    """An ``<img>`` of a picture whose size is known before it is there, so that nothing jumps."""
    width, height = size
    return (
        f'<img class="paper" src="{address}" width="{width}" height="{height}" alt="{html.escape(alt)}" loading="lazy">'
    )


def alternative_text(notebook: NotebookNode, place: int, shown: str) -> str:
    """What a figure shows, for who cannot see it: its title in the code, and what the text below says of it."""
    titles = re.findall(r"title=f?\"([^\"{]+)", notebook.cells[place].source)
    title = shown.split(";")[0] if shown and not shown.startswith("<") and "Figure(" not in shown else ""
    after = notebook.cells[place + 1] if place + 1 < len(notebook.cells) else None
    see = SEE.match(after.source) if after is not None and after.cell_type == "markdown" else None
    parts = [*titles, *([title] if title else []), *([first_sentences(see[1])] if see else [])]
    return (
        ". ".join(part.strip(" .") for part in parts) + "." if parts else f"Figure under “{heading(notebook, place)}”."
    )


def first_sentences(text: str, limit: int = 250) -> str:
    """As many whole sentences of a Markdown text as fit into ``limit`` characters; the first in any case."""
    sentences = re.split(r"(?<=[.!?])\s+", plain(markdown2html(text)).strip())
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + 1 + len(sentence) > limit:
            break
        kept += " " + sentence
    return kept


def heading(notebook: NotebookNode, place: int) -> str:
    """The newest heading above a cell."""
    above = (cell.source for cell in notebook.cells[: place + 1] if cell.cell_type == "markdown")
    found = [line for source in above for line in re.findall(r"^#+ (.+)$", source, re.MULTILINE)]
    return found[-1] if found else "the top"


def mount(widget: dict[str, Any], still: str, write: Write) -> str:
    """Where a widget will run; ``still`` stands there until it does.

    Its script, its state and long arrays in the state are one file each, named by their contents: a page that shows
    the same weights twice loads them once.
    """
    script = _file(write, "script", "(() => {\n" + classic(widget["script"]) + "\nreturn { render };\n})()")
    style = _file(write, "style", json.dumps(widget["style"]))
    needed = [script, style]
    state = _file(write, "state", json.dumps(_with_shared(widget["traits"], write, needed)))
    files = " ".join(dict.fromkeys((*needed, state)))
    attributes = f'data-widget="{widget["widget"]}" data-files="{files}"'
    return f'<div class="mount" {attributes}>{still}</div>'


def classic(module: str) -> str:
    """A widget's module as a script, since a page from the file system may load scripts but no modules."""
    return re.sub(r"^export default .*$|^export ", "", module, flags=re.MULTILINE)


def _with_shared(value: Any, write: Write, needed: list[str]) -> Any:
    if isinstance(value, dict):
        if len(value.get("base64", "")) >= SHARED:
            needed.append(_file(write, "data", json.dumps(value["base64"])))
            return {"data": needed[-1]}
        return {name: _with_shared(inner, write, needed) for name, inner in value.items()}
    return [_with_shared(inner, write, needed) for inner in value] if isinstance(value, list) else value


def _file(write: Write, kind: str, content: str) -> str:
    """Write a script that puts ``content`` (JavaScript) where the page looks for it; returns its name."""
    name = f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    content = content if kind == "script" else content.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    write(f"widgets/{name}.js", f'book["{name}"] = {content};\n'.encode())
    return name
