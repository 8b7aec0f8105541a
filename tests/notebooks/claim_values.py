"""What the comparisons of a notebook's claims cells compare: the values on both sides, kept to be judged again.

``instrumented`` rewrites a copy of a notebook so that each assert of a claims cell is noted instead of raised, with the
values of its *atoms*: the parts of a comparison that are computed (``scores["conv"]``), as opposed to the numbers and
the arithmetic between them. So a changed limit can be judged from kept values, without running the notebook again.
"""

import ast
import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np

MOST = 500  # values kept of a comparison that is made again and again
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
ARITHMETIC = {"abs": abs, "max": max, "min": min}


class Recorder:
    """Lives in the notebook's kernel and notes what claims find."""

    def __init__(self, file: str):
        self.file, self.claims, self.compared = file, [], {}

    def claim(self, cell: str, text: str, quality: bool, holds) -> None:
        """Note whether one assert holds."""
        self.claims.append((cell, text, quality, bool(holds)))

    def compare(self, cell: str, atoms: tuple[str, ...], values: tuple, outcome):
        """Note the atoms' values of one comparison and return what it gives."""
        rows = self.compared.setdefault((cell, atoms), [])
        if len(rows) < MOST:
            rows.append([_plain(value) for value in values])
        return outcome(*values)

    def save(self) -> None:
        """Write everything noted so far."""
        compared = [[cell, list(atoms), rows] for (cell, atoms), rows in self.compared.items()]
        Path(self.file).write_text(json.dumps({"claims": self.claims, "compared": compared}), encoding="utf-8")


def _plain(value):
    """A number, or an array of numbers as lists; None for anything else."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # text, say, or a tensor with gradients
        return None
    return array.tolist() if array.size <= MOST else None


def instrumented(notebook, file: Path, tagged: str = "claims"):
    """A copy of ``notebook`` that notes its claims and saves them as JSON in ``file``."""
    changed = copy.deepcopy(notebook)
    for cell in changed.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and tagged in tags:
            tree = _Noted(cell.id, "quality" in tags).visit(ast.parse(cell.source))
            cell.source = ast.unparse(ast.fix_missing_locations(tree))
    start = "\n".join((
        "import sys",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})",
        "from claim_values import Recorder",
        "del sys.path[0]",
        f"claim_recorder = Recorder({str(file)!r})",
    ))  # fmt: skip
    first = nbformat.v4.new_code_cell(start, id="recorder")
    last = nbformat.v4.new_code_cell("claim_recorder.save()", id="recorded")
    changed.cells = [first, *changed.cells, last]
    return changed


class Comparison(NamedTuple):
    """A comparison of a claims cell: its text, the texts of its atoms, and the same with atoms as ``_0``, ``_1`` …"""

    text: str
    atoms: tuple[str, ...]
    bare: ast.Compare


class _Atoms(ast.NodeTransformer):
    """Replaces each computed part of a comparison by a name and keeps the parts."""

    def __init__(self):
        self.found = []

    def visit(self, node):
        if isinstance(node, ast.Compare | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.cmpop):
            return super().generic_visit(node)
        if isinstance(node, ast.Constant):
            return node
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        plain = name in ARITHMETIC and not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
        if plain and len(node.args) >= (1 if name == "abs" else 2):
            node.args = [self.visit(arg) for arg in node.args]
            return node
        if ast.unparse(node) not in [ast.unparse(one) for one in self.found]:
            self.found.append(node)
        number = [ast.unparse(one) for one in self.found].index(ast.unparse(node))
        return ast.Name(f"_{number}", ast.Load())


def _taken_apart(node: ast.Compare) -> tuple[Comparison, list]:
    atoms = _Atoms()
    bare = ast.fix_missing_locations(atoms.visit(copy.deepcopy(node)))
    return Comparison(ast.unparse(node), tuple(ast.unparse(one) for one in atoms.found), bare), atoms.found


class _Noted(ast.NodeTransformer):
    """Turns each assert into a note of what it found, and each comparison in it into a note of what it compared."""

    def __init__(self, cell: str, quality: bool):
        self.cell, self.quality, self.inside = cell, quality, False

    def visit_Assert(self, node):
        text, self.inside = ast.unparse(node.test), True
        test, self.inside = self.visit(node.test), False
        note = ast.parse(f"claim_recorder.claim({self.cell!r}, {text!r}, {self.quality})").body[0]
        note.value.args.append(test)
        return note

    def visit_Compare(self, node):
        if not self.inside or not all(type(op) in SIGNS for op in node.ops):
            return node
        comparison, atoms = _taken_apart(node)
        names = ", ".join(f"_{number}" for number in range(len(atoms)))
        call = ast.parse(f"claim_recorder.compare({self.cell!r}, {comparison.atoms!r}, (), lambda {names}: 0)").body[0]
        call.value.args[2].elts = atoms
        call.value.args[3].body = comparison.bare
        return call.value


# --- judging kept values -------------------------------------------------------------------------------------------


class Side(NamedTuple):
    """The thinnest instance of one ``left < right`` in one row: both values, and how far it is from failing."""

    left: float
    right: float
    margin: float
    holds: bool


def comparisons(source: str) -> dict[str, list[Comparison]]:
    """Each assert of a claims cell, by its text, and the comparisons in it."""
    asserts = [node.test for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    return {ast.unparse(test): list(_outermost(test)) for test in asserts}


def _outermost(node) -> Iterator[Comparison]:
    if isinstance(node, ast.Compare) and all(type(op) in SIGNS for op in node.ops):
        yield _taken_apart(node)[0]
    else:
        for child in ast.iter_child_nodes(node):
            yield from _outermost(child)


def sides(comparison: Comparison, rows: list[list]) -> dict[str, Side]:
    """The thinnest side of each pair that a comparison compares, by its text; pairs without numbers are left out.

    ``rows`` are the kept values of its atoms, one row for each time that the comparison was made.
    """
    operands = [comparison.bare.left, *comparison.bare.comparators]
    found = {}
    for (left, right), op in zip(pairwise(operands), comparison.bare.ops, strict=True):
        sign = SIGNS[type(op)]
        values = [side for row in rows if (side := _side(left, right, sign, row))]
        if values:
            text = f"{_named(left, comparison.atoms)} {sign} {_named(right, comparison.atoms)}"
            found[text] = min(values, key=lambda side: side.margin)
    return found


def _side(left, right, sign: str, row: list) -> Side | None:
    names = {f"_{number}": np.asarray(value) for number, value in enumerate(row) if value is not None}
    try:
        a, b = (np.asarray(_evaluated(side, names), dtype=float) for side in (left, right))
        a, b = np.broadcast_arrays(a, b)
    except (NameError, TypeError, ValueError):
        return None
    if not a.size:
        return None
    margins = {"<": b - a, "<=": b - a, ">": a - b, ">=": a - b, "==": -abs(a - b), "!=": abs(a - b)}[sign]
    thinnest = np.unravel_index(np.nanargmin(margins) if not np.isnan(margins).all() else 0, margins.shape)
    holds = bool((margins > 0).all() if sign in ("<", ">", "!=") else (margins >= 0).all())
    return Side(float(a[thinnest]), float(b[thinnest]), float(margins[thinnest]), holds)


def _evaluated(node, names: dict):
    code = compile(ast.fix_missing_locations(ast.Expression(copy.deepcopy(node))), "claim", "eval")
    return eval(code, {"__builtins__": {}, **ARITHMETIC}, names)  # our own notebooks' arithmetic, nothing else


def _named(node, atoms: tuple[str, ...]) -> str:
    """The text of a side with its atoms' texts put back."""

    class Back(ast.NodeTransformer):
        def visit_Name(self, name):
            number = name.id.removeprefix("_")
            return ast.parse(atoms[int(number)], mode="eval").body if number.isdigit() else name

    return ast.unparse(Back().visit(copy.deepcopy(node)))
