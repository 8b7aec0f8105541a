"""What students get: ``python -m ae_utils handout DIR [--lessons 01 --lessons 04] [--nbgrader]``.

A student's notebook is the lesson without outputs, folded answers, fact check and solutions. With nbgrader's metadata,
checks are locked tests that return their points: no cell raises on account of a wrong answer, so Run All still works.
"""

import ast
import copy
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ae_utils.course.lab import CHECKOUT
from ae_utils.course.teaching.lessons import Cell, Exercise, Lesson, epoch_settings, lessons, python
from ae_utils.files import atomic_write

SCHEMA = 3  # of nbgrader 0.9
SOLUTIONS = re.compile(r" ?[^.\n]*\bsolutions/\w+\.ipynb(?:[`)\]]|\(.*?\))*\.?")
LINKED = re.compile(r"\]\(([^)#:]+)[)#]")
PACKAGE = ("ae_utils", "data", "results/experiments", "results/scoreboard.md", "results/scoreboard.csv")
PROJECT = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
STAMP = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive
CONFIG = '''"""nbgrader's settings for this course: stubs stay as they are, and missing checks are put back."""

from nbgrader.preprocessors import NbGraderPreprocessor


class ForgetCopies(NbGraderPreprocessor):
    """Make ordinary cells of copied ones, at which nbgrader 0.9.6 stops while it puts missing cells back."""

    def preprocess(self, nb, resources):
        for cell in nb.cells:
            if not cell.metadata.get("nbgrader", True):
                del cell.metadata["nbgrader"]
        return nb, resources


c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "autoencoders"
c.GenerateAssignment.preprocessors = [  # without ClearSolutions, which would replace the stubs
    f"nbgrader.preprocessors.{name}"
    for name in ("LockCells", "ClearOutput", "CheckCellMetadata", "ComputeChecksums", "SaveCells")
]
before, after = ("ClearOutput", "DeduplicateIds"), ("OverwriteKernelspec", "OverwriteCells", "CheckCellMetadata")
c.Autograde.sanitize_preprocessors = [
    *(f"nbgrader.preprocessors.{name}" for name in before),
    ForgetCopies,
    *(f"nbgrader.preprocessors.{name}" for name in after),
]
c.OverwriteCells.add_missing_cells = True
c.ExecutePreprocessor.timeout = 300
'''
START = """# The course's package and data

Unpack this and the lessons' archives into one folder. Then, in that folder:

    python -m venv .venv
    .venv/bin/pip install -r requirements.txt -e .
    .venv/bin/python -m ae_utils.course.lab

(On Windows it is `.venv\\Scripts\\` instead of `.venv/bin/`.) Hand in the notebook from `work/`.
"""


def write_handout(folder: Path, numbers: tuple[str, ...], nbgrader: bool, checkout: Path = CHECKOUT) -> Iterator[str]:
    """Write an archive for each lesson and one with package and data into ``folder``; yields a line on each.

    With ``nbgrader`` the notebooks carry its metadata, and ``folder``/nbgrader is a course directory of its own.
    Raises ``InvalidInput`` for a lesson that there is not.
    """
    chosen = lessons(numbers, checkout / "notebooks")
    with atomic_write(folder / "course.zip") as beside:
        _archive(beside, {"START.md": START.encode()} | dict(_package(checkout)))
    yield f"{folder / 'course.zip'}: package and data, for everybody once"
    for lesson in chosen:
        notebook = student_notebook(lesson, nbgrader)
        text = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
        beside_it = dict(_linked(notebook, checkout / "notebooks"))
        with atomic_write(folder / f"{lesson.name}.zip") as beside:
            files = {f"{lesson.name}.ipynb": text, **beside_it}
            _archive(beside, {f"notebooks/{name}": content for name, content in files.items()})
        points = sum(exercise.points for exercise in lesson.exercises)
        yield f"{folder / lesson.name}.zip: {len(lesson.exercises)} checks, {points} points"
        if nbgrader:
            for name, content in {f"{lesson.name}.ipynb": text, **beside_it}.items():
                _write(folder / "nbgrader" / "source" / lesson.name / name, content)
    if nbgrader:
        _write(folder / "nbgrader" / "nbgrader_config.py", CONFIG.encode())
        yield f"{folder / 'nbgrader'}: `cd` there, then `nbgrader generate_assignment {chosen[0].name}`"


def student_notebook(lesson: Lesson, nbgrader: bool = False) -> dict[str, Any]:
    """The lesson as a student gets it; with nbgrader's metadata where it is asked for."""
    notebook = copy.deepcopy(lesson.notebook)
    notebook["cells"] = [_emptied(cell) for cell in notebook["cells"] if not _is_an_answer(cell)]
    if nbgrader:
        notebook["cells"] = [made for cell in notebook["cells"] for made in _graded(cell, lesson.exercises)]
    return notebook


def _is_an_answer(cell: Cell) -> bool:
    return cell["id"].endswith("-way") or cell["id"].startswith("claims")


def _emptied(cell: Cell) -> Cell:
    """Without outputs and without a word about where the solutions are."""
    if cell["cell_type"] == "code":
        return {**cell, "outputs": [], "execution_count": None}
    return {**cell, "source": SOLUTIONS.sub("", cell["source"])}


def _graded(cell: Cell, exercises: list[Exercise]) -> Iterator[Cell]:
    """The cell with nbgrader's metadata; behind the settings another one, which spares the autograder the trainings."""
    answered = [exercise for exercise in exercises if exercise.stub == cell["id"]]
    checked = [exercise for exercise in exercises if exercise.check == cell["id"] and not exercise.by_hand]
    by_hand = [exercise for exercise in answered if exercise.by_hand]
    points = sum(exercise.points for exercise in (*by_hand, *checked))
    if answered:
        cell = _with(cell, solution=True, grade=bool(by_hand), **({"points": points} if by_hand else {}))
    if checked:
        cell = {**cell, "source": _with_points(python(cell["source"]), checked)}
        cell = _with(cell, grade=True, locked=True, points=points)
    yield cell
    names = epoch_settings(cell)
    if names:
        zeros = " = ".join([*names, "0"])
        source = (
            f'import os\n\nif os.environ.get("NBGRADER_EXECUTION") == "autograde":\n    {zeros}  # no check needs them'
        )
        new = {"cell_type": "code", "id": "autograde", "metadata": {}, "source": source, "outputs": []}
        yield _with({**new, "execution_count": None}, locked=True)


def _with(cell: Cell, **fields: Any) -> Cell:
    described = {"grade": False, "solution": False, "locked": False, "task": False, **fields}
    described |= {"schema_version": SCHEMA, "grade_id": cell["id"], "cell_type": cell["cell_type"]}
    fixed = {"deletable": False, "editable": False} if described["locked"] else {"deletable": False}
    return {**cell, "metadata": {**cell["metadata"], **fixed, "nbgrader": described}}


def _with_points(source: str, exercises: list[Exercise]) -> str:
    """A check's cell that ends in the points: what nbgrader takes for a partial grade."""
    lines = ["earned = 0"]
    for node in ast.parse(source).body:
        text = ast.get_source_segment(source, node) or ast.unparse(node)
        call = node.value if isinstance(node, ast.Assign | ast.Expr) else None
        exercise = next((e for e in exercises if isinstance(call, ast.Call) and _is_its_check(call, e)), None)
        if exercise is None:
            lines.append(text)
        elif exercise.is_turn:
            (name,) = exercise.answers
            function = ast.unparse(call.func)  # type: ignore[union-attr]
            lines += [text, f"earned += {exercise.points} * ({name} is not {function}.own)"]
        else:
            function = ast.unparse(call.func)  # type: ignore[union-attr]
            lines += [f"verdict = {function}.verdict({exercise.arguments})", 'print(": ".join(verdict))']
            lines.append(f'earned += {exercise.points} * (verdict.state == "right")')
    return "\n".join([*lines, "earned"])


def _is_its_check(call: ast.Call, exercise: Exercise) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == exercise.function


def _linked(notebook: dict[str, Any], folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files beside the lesson that its text links to or shows."""
    texts = (cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    for name in sorted({name for text in texts for name in LINKED.findall(text)}):
        if (folder / name).is_file() and not name.startswith("..") and not name.endswith(".ipynb"):
            yield name, (folder / name).read_bytes()


def _package(checkout: Path) -> Iterator[tuple[str, bytes]]:
    """Package, data and the tables that lessons read; no caches, no tests."""
    paths = [checkout / name for name in PROJECT]
    for name in PACKAGE:
        paths += [checkout / name, *(checkout / name).rglob("*")]
    for path in sorted(path for path in paths if path.is_file()):
        inside = path.relative_to(checkout)
        if not any(part.startswith((".", "__pycache__")) for part in inside.parts) and _is_shared(inside, checkout):
            yield inside.as_posix(), path.read_bytes()


def _is_shared(path: Path, checkout: Path) -> bool:
    """What git keeps in ``data``; everything elsewhere."""
    return path.parts[0] != "data" or path.parts[1] in ("README.md", "trained") or path.suffix == ".gz"


def _archive(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, STAMP), content, zipfile.ZIP_DEFLATED)


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as beside:
        beside.write_bytes(content)
