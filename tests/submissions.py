"""Notebooks as students hand them in: solved, and spoiled in many ways."""

import ast
import copy
import re
from pathlib import Path

from ae_utils.course.teaching.lessons import CHECKOUT, Exercise, Lesson, code_cells, defined, read_notebook, statements

SOLUTIONS = CHECKOUT / "notebooks" / "solutions"
FENCED = re.compile(r"```python\n(.*?)```", re.DOTALL)


def right_answers(lesson: Lesson) -> dict[str, str]:
    """A right answer to each exercise: the course's own way to write it, or the solution."""
    ways = [
        code
        for cell in lesson.notebook["cells"]
        if cell["cell_type"] == "markdown" and cell["id"].endswith("-way")
        for code in FENCED.findall(cell["source"])
    ]
    solutions = code_cells(read_notebook(SOLUTIONS / f"{lesson.name}.ipynb"))
    lines = [line for cell in solutions for line in statements(cell["source"])]
    imports = [ast.unparse(line) for line in lines if isinstance(line, ast.Import | ast.ImportFrom)]
    sources = [*ways, *(cell["source"] for cell in solutions)]
    found = {}
    for exercise in lesson.exercises:
        together = [other for other in lesson.exercises if other.stub == exercise.stub]
        cells = [right_answer(other, sources) for other in together]
        found[exercise.name] = "\n".join(["from torch import Tensor", *imports, *dict.fromkeys(cells)])
    return found


def right_answer(exercise: Exercise, sources: list[str]) -> str:
    """The first cell that defines the answer, or hands the check one of another name."""
    (name,) = exercise.answers
    for source in sources:
        if name in made(source):
            return source
        called = re.search(rf"\.{exercise.function}\((\w+)\)", source)
        if called:
            return f"{source}\n{name} = {called[1]}"
    raise LookupError(f"nothing defines {name}")


def made(source: str) -> set[str]:
    """The names that a cell defines."""
    return defined(*statements(source))


def answered(notebook: dict, lesson: Lesson, answers: dict[str, str]) -> dict:
    """A copy of a student's notebook with these answers, by the exercises' names, in place of the stubs."""
    filled = copy.deepcopy(notebook)
    for exercise in lesson.exercises:
        if exercise.name in answers:
            cell_of(filled, exercise.stub)["source"] = answers[exercise.name]
    return filled


def cell_of(notebook: dict, name: str) -> dict:
    """The cell with this id."""
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


def write(notebook: dict, path: Path) -> Path:
    """Write a notebook."""
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path
