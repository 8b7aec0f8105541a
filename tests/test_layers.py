"""The house keeps its floors: no import goes up, none goes sideways, functions stay short."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ae_utils"
FLOORS = (
    {"errors"},
    {"files", "arguments", "seeds", "protocols"},
    {"data", "networks", "losses", "training", "checkpoint", "embedding", "plots"},
    {"models", "metrics", "widgets", "adversarial", "helped", "parallel"},
    {"checks"},
    {"recipes"},
    {"scoreboard"},
    {"__main__", "lab"},
)
# A room that stands on a neighbour of its own floor, and why.
NEIGHBOURS = {
    ("training", "data"): "fit reads Batches",
    ("losses", "data"): "an objective reads a Batch",
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ae_utils":
            inside = node.module.split(".")[1:]
            rooms |= {inside[0]} if inside else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ae_utils.")}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)
    for imported in imported_rooms(path) - {room}:
        below = floor_of(imported) < floor_of(room)
        assert below or (room, imported) in NEIGHBOURS, f"{room} must not import {imported}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_stay_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 40, f"{node.name} is too long"


def test_no_star_imports_and_no_re_exports():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert path.name != "__init__.py", f"{path} re-exports"
                assert all(alias.name != "*" for alias in node.names), f"{path} imports a star"
