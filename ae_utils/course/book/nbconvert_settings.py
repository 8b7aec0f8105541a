"""Has nbconvert use the course's templates, for the book and for ``jupyter nbconvert --to html`` or ``--to slides``.

nbconvert's own templates load scripts and formulas from content networks. ``SETTINGS`` replaces them by ours, which
hold all they need; ``set_up`` writes them where the nbconvert of an environment reads them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ae_utils.files import atomic_write

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"
OURS = f"{__package__}.converting"
FILTERS = {
    "markdown2html": f"{__package__}.markdown.markdown2html",
    "asset": f"{OURS}.asset",
    "reveal": f"{OURS}.reveal",
}
SHARED = {"extra_template_basedirs": [str(TEMPLATES)], "filters": FILTERS}
SETTINGS: dict[str, dict[str, Any]] = {
    "NbConvertBase": {  # no view of a widget that only a kernel could fill
        "display_data_priority": ["text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"],
    },
    "HTMLExporter": {**SHARED, "template_name": "course", "preprocessors": [f"{OURS}.Placed"]},
    "SlidesExporter": {**SHARED, "template_name": "slides", "preprocessors": [f"{OURS}.Divided", f"{OURS}.Placed"]},
}


def set_up(environment: str | Path = sys.prefix) -> None:
    """Have the ``jupyter nbconvert`` of a Python environment use ``SETTINGS``.

    Nobody's own choice is changed: what the environment's file already says of an exporter stays, unless an earlier
    version of the course wrote it. An environment that cannot be written to stays as it is.
    """
    path = Path(environment, "etc", "jupyter", "jupyter_nbconvert_config.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        chosen = {name: part for name, part in found.items() if f"{__package__}." not in json.dumps(part)}
        with atomic_write(path) as beside:
            beside.write_text(json.dumps({**SETTINGS, **chosen}, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError, TypeError, AttributeError):  # read-only, or no settings: left alone
        return
