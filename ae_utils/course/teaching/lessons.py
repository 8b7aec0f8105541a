"""The exercises of a lesson, read from its notebook: the stub, the check under it, and the points it is worth."""

import ast
import importlib
import json
import re
import symtable
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ae_utils.course.lab import CHECKOUT
from ae_utils.errors import InvalidInput

Cell = dict[str, Any]
CHECKS = "ae_utils.course.checks"
LARGEST = 20_000_000  # bytes of a notebook that is read
LONGEST = 100_000  # characters of a cell that is looked into
BY_HAND = {
    "05 clean": "it trains a network for minutes",
    "06 curves": "it needs the lesson's trainings of minutes",
}


class Exercise(NamedTuple):
    """A stub, and the check that is called with what the learner makes of it."""

    name: str
    stub: str  # id of the cell
    check: str  # id of the cell
    answers: tuple[str, ...]  # what the stub defines
    module: str  # of the check, such as ae_utils.course.checks.turns01
    function: str  # in that module
    arguments: str  # of the call, as in the lesson
    is_turn: bool  # a turn returns what is used from there on
    points: int  # one for a "your turn", one for each star of an exercise
    by_hand: str  # why no program grades it; "" for nearly all


class Lesson(NamedTuple):
    """A lesson's notebook and its exercises, in order."""

    name: str  # 01_linear_autoencoder
    notebook: dict[str, Any]
    exercises: list[Exercise]


def lessons(numbers: tuple[str, ...] = (), folder: Path = CHECKOUT / "notebooks") -> list[Lesson]:
    """The lessons with these numbers ("01", "4"), or all of them; raises ``InvalidInput`` when there is no such."""
    paths = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    wanted = [number.zfill(2) for number in numbers] or list(paths)
    if not wanted:
        raise InvalidInput(f"there are no lessons in {folder}; run this in a checkout of the course.")
    for number in wanted:
        if number not in paths:
            raise InvalidInput(f"there is no lesson {number}; there are {', '.join(paths)}.")
    return [read_lesson(paths[number]) for number in wanted]


def read_lesson(path: Path) -> Lesson:
    """One lesson from its notebook."""
    notebook = read_notebook(path)
    found = list(_exercises(notebook, path.stem[:2]))
    checks = [exercise.check for exercise in found]
    named = [e._replace(name=e.answers[0]) if checks.count(e.check) > 1 else e for e in found]
    return Lesson(path.stem, notebook, named)


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON, with every cell's source as one string; raises ``InvalidInput`` for anything else."""
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidInput(f"{path} is larger than {LARGEST // 1_000_000} MB; clear its outputs.")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [_cell(cell) for cell in notebook["cells"]]
        metadata = notebook.get("metadata")
        return {**notebook, "cells": cells, "metadata": metadata if isinstance(metadata, dict) else {}}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is no readable notebook.") from None


def _cell(cell: Cell) -> Cell:
    metadata = cell.get("metadata")
    return {
        **cell,
        "cell_type": str(cell.get("cell_type")),
        "metadata": metadata if isinstance(metadata, dict) else {},
        "source": "".join(cell["source"]),
    }


def epoch_settings(cell: Cell) -> list[str]:
    """The names of numbers of epochs in a cell of settings: ``epochs``, ``epochs_linear`` …"""
    names = sorted(_made(cell)) if "settings" in tags(cell) else []
    return [name for name in names if "epochs" in name.split("_")]


def code_cells(notebook: dict[str, Any]) -> list[Cell]:
    """Its cells of code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell: Cell) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags") or []


def python(source: str) -> str:
    """A cell without its lines for IPython (``%``, ``!``), where it is no Python with them."""
    if not _parsed(source):
        without = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
        return without if _parsed(without) else source
    return source


def statements(source: str) -> list[ast.stmt]:
    """The statements of a cell; none where it is no Python."""
    return _parsed(python(source))


def _parsed(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body if len(source) <= LONGEST else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def defined(*nodes: ast.AST) -> set[str]:
    """The names that statements bind, in blocks too, but not inside functions."""
    names: set[str] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.Lambda() | ast.comprehension():
                pass
            case _:
                todo += ast.iter_child_nodes(node)
    return names


def changed(*nodes: ast.AST) -> set[str]:
    """The names whose items or attributes statements set: ``losses`` in ``losses["VAE"] = 3``."""
    parts = [part for node in nodes for part in ast.walk(node)]
    targets = [part for part in parts if isinstance(part, ast.Subscript | ast.Attribute) and _is_stored(part)]
    return {name.id for part in targets for name in ast.walk(part.value) if isinstance(name, ast.Name)}


def _is_stored(node: ast.Subscript | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def read(source: str) -> set[str]:
    """The names that source takes from outside, in the bodies of its functions too."""
    try:
        tables = [symtable.symtable(source, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for table in tables:
        tables += table.get_children()
        outer = table.get_type() == "module"
        found = [symbol for symbol in table.get_symbols() if symbol.is_referenced()]
        names |= {symbol.get_name() for symbol in found if outer or symbol.is_global()}
    return names


def _exercises(notebook: dict[str, Any], number: str) -> Iterator[Exercise]:
    modules: dict[str, str] = {}
    before: list[Cell] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "claims" not in tags(cell):
            for statement in statements(cell["source"]):
                if isinstance(statement, ast.ImportFrom) and statement.module == CHECKS:
                    modules |= {alias.asname or alias.name: f"{CHECKS}.{alias.name}" for alias in statement.names}
                call = _call_of_a_check(statement, modules)
                if call:
                    yield _exercise(call, modules, cell, before, number)
        before.append(cell)


def _call_of_a_check(statement: ast.stmt, modules: dict[str, str]) -> ast.Call | None:
    call = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    module = modules.get(call.func.value.id) if isinstance(call.func.value, ast.Name) else None
    check = _check(module, call.func.attr) if module else None
    return call if hasattr(check, "verdict") and not isinstance(check, type) else None


def _check(module: str, function: str) -> Any:
    return getattr(importlib.import_module(module), function, None)


def _exercise(call: ast.Call, modules: dict[str, str], check: Cell, before: list[Cell], number: str) -> Exercise:
    assert isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    module, used = modules[call.func.value.id], read(ast.unparse(call))
    stub = next(cell for cell in reversed(before) if cell["cell_type"] == "code" and used & _made(cell))
    given = (name.id for argument in call.args for name in ast.walk(argument) if isinstance(name, ast.Name))
    answers = tuple(dict.fromkeys(name for name in given if name in _made(stub)))
    name = stub["id"].removeprefix("exercise-").removesuffix("-stub")
    is_turn, stars = hasattr(_check(module, call.func.attr), "own"), 1
    if not is_turn:
        text = "\n".join(cell["source"] for cell in before if cell["cell_type"] == "markdown")
        stars = len((re.findall(r"^#+ .*\((★+)", text, re.MULTILINE) or "★")[-1])
    arguments = ", ".join(map(ast.unparse, call.args))
    by_hand = BY_HAND.get(f"{number} {name}", "")
    function = call.func.attr
    return Exercise(name, stub["id"], check["id"], answers, module, function, arguments, is_turn, stars, by_hand)


def _made(cell: Cell) -> set[str]:
    return defined(*statements(cell["source"]))
