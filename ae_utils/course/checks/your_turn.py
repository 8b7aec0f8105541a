"""Your turn: a check that returns the learner's function when it is right, and the course's own when it is not."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ae_utils.course.checks.check import RIGHT, WRONG, NotAnswered, Verdict, Wrong, given

NOT_WRITTEN = "not written yet"
USED = "the course's own is used from here"
UNNAMED = ("the numbers differ", "it raised")  # how a sentence begins that does not name the mistake


class Turn:
    """Called with a candidate, it prints the verdict and returns the candidate if that is right, ``own`` otherwise.

    ``verdict(candidate)`` returns the verdict and prints nothing; neither touches the caller's random numbers.
    """

    def __init__(self, own: Any, confirm: Callable[[Any], str]):
        functools.update_wrapper(self, confirm)
        if own.__name__.startswith("own_"):
            own.__name__ = own.__qualname__ = own.__name__.removeprefix("own_")
        self.own, self.confirm = own, confirm

    def __call__(self, candidate: Any) -> Any:
        verdict = self.verdict(candidate)
        print(": ".join(verdict))
        return candidate if verdict.state == RIGHT else self.own

    def verdict(self, candidate: Any) -> Verdict:
        if candidate is self.own:  # the cell was run again without an answer
            return Verdict(NOT_WRITTEN, USED)
        try:
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                torch.default_generator.manual_seed(0)
                return Verdict(RIGHT, self.confirm(given(candidate)))
        except NotAnswered:
            return Verdict(NOT_WRITTEN, f"nothing is returned; {USED}" if _unfinished(candidate) is False else USED)
        except Exception as error:
            unfinished = _unfinished(candidate) or _on_dots(error)
            return Verdict(NOT_WRITTEN, USED) if unfinished else Verdict(WRONG, f"{_sentence(error)}; {USED}")


def your_turn(own: Any) -> Callable[[Callable[[Any], str]], Turn]:
    """Make a ``Turn`` of ``confirm(candidate)``, which returns a sentence, or raises ``NotAnswered`` or ``Wrong``.

    ``own`` is the course's function or class. A prefix ``own_``, which tells it from the check beside it, is taken off
    its name.
    """
    return functools.partial(Turn, own)


def called(candidate: Any, *inputs: Any) -> Any:
    """``candidate(*inputs)`` on copies; ``NotAnswered`` for None or ``...``, ``Wrong`` when it changed its inputs."""
    copies = [value.clone() if isinstance(value, Tensor) else value for value in inputs]
    result = given(candidate(*copies))
    for value, copy in zip(inputs, copies, strict=True):
        if isinstance(value, Tensor) and not torch.equal(value, copy):
            raise Wrong("the input itself is changed: make new tensors, without += or a method that ends in _")
    return result


def close(one: Tensor | float, other: Tensor | float) -> bool:
    """Whether two tensors or numbers agree in shape and, but for rounding in 32 bits, in every entry."""
    one, other = (torch.as_tensor(value).detach().double() for value in (one, other))
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def compare(result: Tensor | float, wanted: Tensor | float, mistakes: Mapping[str, Tensor | float], hint: str) -> None:
    """``Wrong`` unless ``result`` is as ``wanted``: with the sentence of the mistake that gives it, else the hint."""
    if close(result, wanted):
        return
    for sentence, value in mistakes.items():
        if close(result, value):
            raise Wrong(sentence)
    raise Wrong(f"the numbers differ: {hint}")


def _sentence(error: Exception) -> str:
    if isinstance(error, Wrong):
        return str(error)
    return f"it raised {type(error).__name__}: {str(error).strip().split(chr(10))[0].rstrip('.')}"


def _on_dots(error: Exception) -> bool:
    return isinstance(error, TypeError | AttributeError) and "ellipsis" in str(error).lower()


def _unfinished(candidate: Any) -> bool | None:
    """Whether the source of a function, or of a class's methods, still has a ``...`` to replace; None: no source."""
    functions = [candidate]
    if inspect.isclass(candidate):
        functions = [part for part in vars(candidate).values() if inspect.isfunction(part)]
    try:
        return not functions or any(_has_dots(textwrap.dedent(inspect.getsource(function))) for function in functions)
    except (OSError, TypeError, SyntaxError):
        return None


def _has_dots(source: str) -> bool:
    """Whether ``...`` stands somewhere but in an index such as ``x[..., 0]``."""
    nodes = list(ast.walk(ast.parse(source)))
    indices = [node for node in nodes if isinstance(node, ast.Subscript | ast.Tuple)]
    allowed = {part for index in indices for part in ast.iter_child_nodes(index)}
    return any(isinstance(node, ast.Constant) and node.value is ... and node not in allowed for node in nodes)
