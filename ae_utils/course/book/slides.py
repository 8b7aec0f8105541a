"""A lesson as slides: its sections, in pieces that fit on a screen of 1280 × 720."""

import base64
import copy
import re
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from ae_utils.course.book.capture import MIME
from ae_utils.course.book.markdown import plain
from ae_utils.widgets.png import png_size

LEFT_OUT = ("Fact check", "Exercises", "References")  # sections for readers
ROOM = 600  # pixels that a slide has for its cells
LINE, LETTERS, CODE_LINE = 36, 88, 24  # pixels of a line of text, letters in it, pixels of a line of code
WIDGET = 480  # pixels of sliders with a map
TALLEST, DIAGRAM = 500, 520  # pixels of a figure at most, as in slides.css, and of a diagram


def as_slides(notebook: NotebookNode) -> NotebookNode:
    """The notebook cut into slides: a column for each section, going down where a section needs several."""
    cells: list[NotebookNode] = []
    filled = 0
    for cell in pieces(notebook):
        needed = height(cell)
        heading = re.match(r"(#+) ", cell.source) if cell.cell_type == "markdown" else None
        if heading and len(heading[1]) <= 2:
            kind, filled = "slide", 0
        elif heading or filled + needed > ROOM:
            kind, filled = "subslide", 0
        else:
            kind = "-"
        filled += needed
        cell.metadata["slideshow"] = {"slide_type": kind}
        cells.append(cell)
    return new_notebook(cells=cells, metadata=notebook.metadata)


def pieces(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Each paragraph, each input and all outputs of a cell as a cell of its own; sections for readers are left out."""
    left_out = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for block in paragraphs(cell.source):
                heading = re.match(r"##? (.+)", block)
                left_out = heading[1].startswith(LEFT_OUT) if heading else left_out
                if not left_out:
                    yield new_markdown_cell(block)
        elif cell.cell_type == "code" and not left_out and "claims" not in cell.metadata.get("tags", ()):
            yield from _input_and_outputs(cell)


def paragraphs(source: str) -> list[str]:
    """The blocks of a Markdown text; what is folded, a list or a formula stays whole, a heading with what follows."""
    blocks: list[str] = []
    for block in re.split(r"\n\n+", source.strip()):
        last = blocks[-1] if blocks else ""
        folded = last.count("<details") > last.count("</details")
        if folded or last.count("```") % 2 or re.fullmatch(r"#+ .+", last):
            blocks[-1] += "\n\n" + block
        else:
            blocks.append(block)
    return blocks


def height(cell: NotebookNode) -> int:
    """About how many pixels a piece takes on a slide."""
    if cell.cell_type == "markdown":
        return _text_height(cell.source)
    if not cell.metadata.get("transient"):
        if "Predict(" in cell.source:
            return 2 * LINE  # folded: it holds the answer
        return 30 + CODE_LINE * (1 + cell.source.count("\n"))
    total = 0
    for output in cell.outputs:
        data = output.get("data", {})
        if MIME in data and "image/png" in data:
            total += WIDGET  # not its picture's
        elif "image/png" in data:
            _, pixels = png_size(base64.b64decode(data["image/png"]))
            total += min(pixels, TALLEST) + 20
        elif "text/html" in data:
            total += min(DIAGRAM, 40 + 30 * data["text/html"].count("<tr") + 40 * data["text/html"].count("<li"))
        else:
            text = output.get("text") or "".join(data.get("text/plain", ""))
            total += 20 + CODE_LINE * (1 + text.count("\n"))
    return total


def _text_height(source: str) -> int:
    if "![" in source:
        return DIAGRAM
    if source.startswith("<details"):
        return 2 * LINE
    lines = [plain(line) for line in source.split("\n") if line]
    return 20 + sum(LINE * (1 + len(line) // LETTERS) for line in lines) + (30 if "$$" in source else 0)


def _input_and_outputs(cell: NotebookNode) -> Iterator[NotebookNode]:
    first, second = copy.deepcopy(cell), copy.deepcopy(cell)
    first.outputs = []
    yield first
    if cell.outputs:
        second.id, second.metadata["transient"] = f"{cell.id}-shown", {"remove_source": True}
        yield second
