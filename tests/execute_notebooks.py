"""Executes notebooks in place and writes the same bytes when nothing changed. This is what ``make notebooks`` runs.

    python tests/execute_notebooks.py [NOTEBOOK …]     # all of notebooks/ and notebooks/solutions/ without arguments

Times, widget views, software stamps and whatever else differs from run to run are left out. A notebook with a cell
that raises is refused in a sentence and left as it was; then the exit code is 1.
"""

import base64
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from ae_utils.course.book.execution import METADATA, Refused, execute, tidy, without_outputs

__all__ = ["METADATA", "ROOT", "Refused", "execute", "main", "notebooks", "picture", "tidy"]
ROOT = Path(__file__).resolve().parents[1]


def notebooks() -> list[Path]:
    """Every lesson and every solution; hidden files are somebody's copies."""
    return sorted(ROOT.glob("notebooks/[!.]*.ipynb")) + sorted(ROOT.glob("notebooks/solutions/[!.]*.ipynb"))


def _refresh(path: Path) -> str:
    """Execute one notebook and write it if a byte changed; returns what to print."""
    name, start = os.path.relpath(path), time.monotonic()
    notebook = without_outputs(nbformat.read(path, as_version=4))
    text = nbformat.writes(execute(notebook, path.parent, name)).rstrip("\n") + "\n"
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    for cell in notebook.cells:
        if "picture" in cell.metadata.get("tags", ()):  # for the README, which cannot show a cell
            (path.parent / "pictures").mkdir(exist_ok=True)
            (path.parent / "pictures" / f"{cell.id}.png").write_bytes(picture(cell))
    return f"{name}: {time.monotonic() - start:.0f} s, {'written' if changed else 'unchanged'}"


def picture(cell) -> bytes:
    """The last PNG among a cell's outputs."""
    shown = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return base64.b64decode(shown[-1])


def main(arguments: list[str]) -> int:
    """Two notebooks at a time; returns the exit code."""
    paths = [Path(argument).resolve() for argument in arguments] or notebooks()
    missing = [path for path in paths if not path.is_file()]
    if missing:
        print(f"{missing[0]} does not exist.", file=sys.stderr)
        return 1
    refused = False
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(_refresh, path) for path in paths]:
            try:
                print(result.result(), flush=True)
            except Refused as error:
                refused = True
                print(f"{error} (not written)", file=sys.stderr, flush=True)
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
