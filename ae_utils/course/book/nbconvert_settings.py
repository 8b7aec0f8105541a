"""nbconvert with the course's templates: for the book, and for ``jupyter nbconvert --to html`` or ``--to slides``.

nbconvert's own templates load scripts and formulas from content networks. ``SETTINGS`` replaces them by ours, which
hold all they need; ``set_up`` writes them where the nbconvert of an environment reads them.
"""

import base64
import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from ae_utils.course.book.figures import place_outputs
from ae_utils.course.book.formulas import math_font
from ae_utils.course.book.slides import as_slides
from ae_utils.files import atomic_write

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"
FILTERS = {
    "markdown2html": "ae_utils.course.book.markdown.markdown2html",
    "asset": f"{__name__}.asset",
    "reveal": f"{__name__}.reveal",
}
SHARED = {"extra_template_basedirs": [str(TEMPLATES)], "filters": FILTERS}
PLACED, DIVIDED = f"{__name__}.Placed", f"{__name__}.Divided"
SETTINGS: dict[str, dict[str, Any]] = {
    "NbConvertBase": {  # no view of a widget that only a kernel could fill
        "display_data_priority": ["text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"],
    },
    "HTMLExporter": {**SHARED, "template_name": "course", "preprocessors": [PLACED]},
    "SlidesExporter": {**SHARED, "template_name": "slides", "preprocessors": [DIVIDED, PLACED]},
}


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


def set_up(environment: str | Path = sys.prefix) -> None:
    """Have the ``jupyter nbconvert`` of a Python environment use ``SETTINGS``.

    Nobody's own choice is changed: what the environment's file already says of an exporter stays. An environment that
    cannot be written to stays as it is.
    """
    path = Path(environment, "etc", "jupyter", "jupyter_nbconvert_config.json")
    try:
        chosen = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        with atomic_write(path) as beside:
            beside.write_text(json.dumps({**SETTINGS, **chosen}, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError, TypeError):  # read-only, or no settings: left alone
        return
