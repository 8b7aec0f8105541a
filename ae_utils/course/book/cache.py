"""Lessons with what their widgets need: executed once for each version of their code, then read from a cache."""

import hashlib
import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ae_utils.course.book.capture import MIME, STARTUP
from ae_utils.course.book.execution import execute, without_outputs
from ae_utils.files import atomic_write


def read(path: Path) -> NotebookNode:
    """The notebook of a file."""
    return nbformat.read(path, as_version=4)


def has_widgets(notebook: NotebookNode) -> bool:
    """Whether a cell may show a widget; a notebook without any is shown with the outputs that it has."""
    return any("ae_utils.widgets" in cell.source for cell in notebook.cells if cell.cell_type == "code")


def digest(notebook: NotebookNode) -> str:
    """A name for the code of a notebook: what is only text may change without another execution."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps([STARTUP, MIME, code]).encode()).hexdigest()[:16]


def executed(path: Path, cache: Path, *, fresh: bool = False, execute_missing: bool = True) -> NotebookNode | None:
    """The notebook with outputs that hold its widgets; None if it would have to be executed and may not be.

    Raises ``Refused`` for a notebook that does not run.
    """
    notebook = read(path)
    kept = cache / f"{path.parent.name}-{path.stem}-{digest(notebook)}.ipynb"
    if fresh or not kept.is_file():
        if not execute_missing:
            return None
        done = execute(without_outputs(read(path)), path.parent, path.name, STARTUP)
        with atomic_write(kept) as beside:
            nbformat.write(done, beside)
    outputs = {cell.id: cell for cell in read(kept).cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs[cell.id].outputs, outputs[cell.id].execution_count
    return notebook
