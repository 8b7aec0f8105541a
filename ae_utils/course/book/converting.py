"""What the templates and settings of nbconvert name: preprocessors, and the files that a page holds in itself."""

import base64
import importlib.resources
import re
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from ae_utils.course.book.figures import place_outputs
from ae_utils.course.book.formulas import math_font
from ae_utils.course.book.nbconvert_settings import STATIC
from ae_utils.course.book.slides import as_slides


class Placed(Preprocessor):
    """Pictures in the page itself, with an alternative text; scripts of widgets in ``resources["scripts"]``."""

    def preprocess(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """What nbconvert calls."""
        scripts = resources.setdefault("scripts", {})

        def write(name: str, data: bytes) -> str:
            if name.startswith("widgets/"):
                scripts[name] = data.decode().replace("</", "<\\/")
                return name
            return "data:image/png;base64," + base64.b64encode(data).decode("ascii")

        folder = Path(resources.get("metadata", {}).get("path") or ".")
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = re.sub(r"(!\[[^\]]*\]\()([^):]+)\)", lambda found: _embedded(found, folder), cell.source)
        return place_outputs(notebook, write), resources


class Divided(Preprocessor):
    """Cells that are slides."""

    def preprocess(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """What nbconvert calls."""
        return as_slides(notebook), resources


def _embedded(image: re.Match[str], folder: Path) -> str:
    """A Markdown image with the picture's file in it, if there is one."""
    path = folder / image[2]
    if not path.is_file():
        return image[0]
    kind = "svg+xml" if path.suffix == ".svg" else path.suffix[1:]
    return f"{image[1]}data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')})"


def asset(name: str) -> str:
    """A file of the book's, for a page that holds all it needs; the style brings the font of formulas with it."""
    text = (STATIC / name).read_text(encoding="utf-8")
    return text.replace("math.woff", "data:font/woff;base64," + base64.b64encode(math_font()).decode("ascii"))


def reveal(name: str) -> str:
    """A file of reveal.js, which ``sphinx_revealjs`` brings."""
    files = importlib.resources.files("sphinx_revealjs") / "_static" / "revealjs" / "dist"
    return (files / name).read_text(encoding="utf-8")
