"""Notebooks as students hand them in: solved, and spoiled in many ways."""

import ast
import copy
import json
import re
from pathlib import Path

from mutation import Mistake, mutated
from turn_mutants import ITEMS

from ae_utils.course.teaching.lessons import (
    CHECKOUT,
    Exercise,
    Lesson,
    code_cells,
    defined,
    read,
    read_notebook,
    statements,
)

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
    lessons_own = set().union(*(made(cell["source"]) for cell in code_cells(lesson.notebook)))
    found = {}
    for exercise in lesson.exercises:
        together = [other for other in lesson.exercises if other.stub == exercise.stub]
        cells = [right_answer(other, sources) for other in together]
        needed = set().union(*map(read, cells)) - lessons_own - set().union(*map(made, cells))
        helpers = [ast.unparse(line) for line in lines if isinstance(line, ast.Assign) and defined(line) & needed]
        found[exercise.name] = "\n".join(["from torch import Tensor", *imports, *helpers, *dict.fromkeys(cells)])
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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def mutated_answers(lesson: Lesson) -> list[dict[str, Mistake]]:
    """Mistakes from the catalogue, one for each "your turn" of a lesson at a time, until each was made once."""
    items = {item.turn.__name__: item for name, item in ITEMS.items() if name[:2] == lesson.name[:2]}
    rounds: list[dict[str, Mistake]] = []
    for exercise in lesson.exercises:
        for number, mistake in enumerate(items[exercise.function].mistakes if exercise.is_turn else ()):
            rounds += [{} for _ in range(number + 1 - len(rounds))]
            rounds[number][exercise.name] = mistake
    return rounds


def with_mistakes(notebook: dict, lesson: Lesson, mistakes: dict[str, Mistake]) -> dict:
    """A solved notebook, these mistakes excepted."""
    items = {item.turn.__name__: item for name, item in ITEMS.items() if name[:2] == lesson.name[:2]}
    functions = {exercise.name: exercise.function for exercise in lesson.exercises}
    wrong = {name: mutated(items[functions[name]].source, mistake) for name, mistake in mistakes.items()}
    return answered(notebook, lesson, right_answers(lesson) | wrong)


def hostile_answers(outside: Path) -> dict[str, str]:
    """Answers to lesson 01's exercise "scale" that do harm; ``outside`` is a folder with a file, neither theirs."""
    bodies = {
        "hangs": "while True: pass",
        "leaves a thread": "import threading, time; threading.Thread(target=time.sleep, args=(9999,)).start(); exit()",
        "eats memory": "eaten = [bytearray(2**28) for _ in range(100)]",
        "eats memory in torch": "torch.ones(2**34).mean()",
        "exits": "exit()",
        "ends the process": "import os; os._exit(0)",
        "ends its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
        "crashes": "import ctypes; ctypes.string_at(0)",
        "deletes": f"import shutil; shutil.rmtree({str(outside)!r})",
        "writes": f"open({str(outside / 'mark')!r}, 'w').write('x')",
        "changes rights": f"import os; os.chmod({str(outside / 'file')!r}, 0)",
        "prints megabytes": "print('x' * 50_000_000)",
        "fills the disk": "open('big', 'wb').write(bytes(2**28))",
        "calls out": "import socket; socket.create_connection(('127.0.0.1', 53), 3)",
        "reads the input": "input()",
    }
    answers = {what: f"def unit_scale(mse):\n    {body}\n    return mse / 4" for what, body in bodies.items()}
    answers["hangs in its cell"] = "import time\n\ntime.sleep(10_000)"
    answers["accepts itself"] = (
        "from ae_utils.course.checks import lesson01\n\n"
        "lesson01.unit_scale.verdict = lambda *answer: ('right', 'fine')\nunit_scale = 3"
    )
    return answers
