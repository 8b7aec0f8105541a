"""The reference of the package, from its docstrings and annotations, by pdoc.

pdoc is one small package without a configuration of its own; it reads the docstrings as they are and makes pages that
need no network, with a search of their own.
"""

from pathlib import Path

import pdoc
import pdoc.render

from ae_utils.course.book.nbconvert_settings import TEMPLATES

PACKAGE = "ae_utils"
LEFT_OUT = ("ae_utils.course", "ae_utils.__main__")  # what belongs to the lessons and not to the library …
TAKEN_IN = ("ae_utils.course.probes",)  # … but for the probes, which examine anybody's model


def write_reference(page: Path, *modules: str) -> None:
    """Write a page for each of ``modules`` and what is below it, by default the package's; ``page`` is the first one's.

    A name after ``!`` is left out again.
    """
    modules = modules or (PACKAGE, *(f"!{name}" for name in LEFT_OUT), *TAKEN_IN)
    folder = page.parents[modules[0].count(".")]
    pdoc.render.configure(docformat="markdown", favicon="data:,", template_directory=TEMPLATES / "reference")
    pdoc.pdoc(*modules, output_directory=folder)
    for written in folder.rglob("*.html"):
        text = written.read_text(encoding="utf-8")
        named = text.replace('<a class="headerlink"', '<a class="headerlink" aria-label="link to this entry"')
        written.write_text(named, encoding="utf-8")
