"""Mutants of right answers to a "your turn": mistakes that people make, and those of mutation testing's operators."""

import ast
import linecache
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.course.checks.check import RIGHT, Verdict
from ae_utils.course.checks.your_turn import UNNAMED, USED, Turn

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Pow: ast.Mult}
SWAPS = {"mean": "sum", "sum": "mean", "square": "abs", "log10": "log", "zeros": "ones", "encoder": "decoder"}


class Mistake(NamedTuple):
    """The first place where ``before`` stands (an expression, or statements) becomes ``after``."""

    what: str
    before: str
    after: str
    named: str  # a part of the sentence that names it


class Item(NamedTuple):
    """A turn, a right answer, mistakes in it, right answers in other styles, operators' changes that change nothing."""

    turn: Turn
    stub: str  # as the lesson has it
    source: str
    mistakes: list[Mistake]
    variants: list[str]
    equivalent: dict[str, str]  # by the change, with the reason
    names: dict[str, Any] | None = None  # what the lesson has defined or imported before, and the answer needs

    @property
    def made(self) -> str:
        """The name of the function or the class."""
        return str(self.turn.own.__name__)

    @property
    def is_class(self) -> bool:
        """Whether the learner writes a class."""
        return isinstance(self.turn.own, type)

    def answer(self, source: str) -> Any:
        """What ``source`` defines; its text can be found, as that of a notebook's cell can."""
        file = f"<{self.turn.__name__} {hash(source)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "pairwise": pairwise, "__name__": "lesson"}
        names |= self.names or {}
        exec(compile(source, file, "exec"), names)
        return names[self.turn.own.__name__]

    def verdict(self, source: str) -> Verdict:
        """The turn's verdict on what ``source`` defines."""
        return self.turn.verdict(self.answer(source))


def mistakes(*rows: tuple[str, str, str, str]) -> list[Mistake]:
    """Rows of a catalogue as mistakes."""
    return [Mistake(*row) for row in rows]


def by_name(verdict: Verdict) -> bool:
    """Whether a verdict names a mistake."""
    return verdict.state != RIGHT and verdict.sentence != USED and not verdict.sentence.startswith(UNNAMED)


def mutated(source: str, mistake: Mistake) -> str:
    """``source`` with the mistake in it."""
    replace = _Replace(mistake.before, mistake.after)
    tree = ast.fix_missing_locations(replace.visit(ast.parse(source)))
    assert replace.done, f"{mistake.what}: {mistake.before!r} does not stand in the answer"
    return ast.unparse(tree)


class _Replace(ast.NodeTransformer):
    def __init__(self, before: str, after: str):
        self.before, self.after, self.done = ast.parse(before).body, ast.parse(after).body, False

    def visit(self, node: ast.AST) -> ast.AST:
        body, length = getattr(node, "body", None), len(self.before)
        for start in range(len(body) if isinstance(body, list) else 0):
            if not self.done and _dumps(body[start : start + length]) == _dumps(self.before):
                body[start : start + length] = self.after or [ast.Pass()]
                self.done = True
        if not self.done and isinstance(self.before[0], ast.Expr) and _dumps([node]) == _dumps([self.before[0].value]):
            self.done = True
            return self.after[0].value
        return node if self.done else self.generic_visit(node)


def _dumps(nodes: list) -> list[str]:
    return [ast.dump(node) for node in nodes]


def operator_mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every change that an operator can make, as "kind: line → line", with the mutant."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    for node in ast.walk(tree):
        for kind, field, value in _changes(node):
            kept = getattr(node, field)
            setattr(node, field, value)
            mutant = ast.unparse(tree)
            setattr(node, field, kept)
            lines = zip_longest(original.splitlines(), mutant.splitlines(), fillvalue="")
            differing = [f"{kind}: {before.strip()} → {after.strip()}" for before, after in lines if before != after]
            if differing:
                yield differing[0], mutant


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Any]]:
    match node:
        case ast.BinOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            yield "operator", "op", OPERATORS[type(node.op)]()
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", "op", ast.UAdd()
        case ast.Constant(value=int()):
            yield from (("number", "value", node.value + step) for step in (1, -1))
        case ast.Attribute() if node.attr in SWAPS:
            yield "name", "attr", SWAPS[node.attr]
        case ast.Call(args=[first, second, *rest]):
            yield "arguments", "args", [second, first, *rest]
        case ast.Tuple(elts=[first, second]):
            yield "order", "elts", [second, first]
        case ast.FunctionDef(body=body) | ast.For(body=body) | ast.ClassDef(body=body) if len(body) > 1:
            yield from (("dropped", "body", body[:i] + body[i + 1 :]) for i in range(len(body)))
            swapped = [[*body[:i], body[i + 1], body[i], *body[i + 2 :]] for i in range(len(body) - 1)]
            yield from (("reordered", "body", order) for order in swapped)
