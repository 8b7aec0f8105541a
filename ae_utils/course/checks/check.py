"""What the checks of all lessons share: an answer is missing, wrong with a reason, or right."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

OPEN, WRONG, RIGHT = "not answered yet", "not yet", "right"


class NotAnswered(Exception):
    """The stub is still there."""


class Wrong(Exception):
    """The answer is wrong; the sentence helps, without giving the answer away."""


class Verdict(NamedTuple):
    """How an answer stands (``OPEN``, ``WRONG`` or ``RIGHT``) and a sentence about it."""

    state: str
    sentence: str


class Check(Protocol):
    """Prints the verdict on an answer; ``verdict`` returns it instead."""

    verdict: Callable[..., Verdict]

    def __call__(self, *answer: Any) -> None: ...


def check(confirm: Callable[..., str]) -> Check:
    """Make a check of ``confirm(answer, …)``, which returns a sentence, or raises ``NotAnswered`` or ``Wrong``.

    The check prints the verdict; ``check.verdict(answer, …)`` returns it instead. An answer that raises is wrong.
    """

    @functools.wraps(confirm)
    def verdict(*answer: Any) -> Verdict:
        try:
            return Verdict(RIGHT, confirm(*(given(part) for part in answer)))
        except NotAnswered:
            return Verdict(OPEN, "replace the ... above, run that cell and then this one")
        except Wrong as wrong:
            return Verdict(WRONG, str(wrong))
        except Exception as error:
            return Verdict(WRONG, f"the answer raised {type(error).__name__}: {error}")

    @functools.wraps(confirm)
    def printed(*answer: Any) -> None:
        print(": ".join(verdict(*answer)))

    made = cast(Check, printed)
    made.verdict = verdict
    return made


def given(value: Any) -> Any:
    """``value``, unless it is what a stub leaves behind: then ``NotAnswered``."""
    if value is None or value is ...:
        raise NotAnswered
    return value


def images(value: Any, count: int) -> Tensor:
    """``value`` as ``count`` images without gradient; ``Wrong`` when it has another type or shape."""
    value = given(value)
    if not isinstance(value, Tensor):
        raise Wrong(f"a tensor is expected, but a {type(value).__name__} came back")
    if tuple(value.shape) != (count, 1, 28, 28):
        raise Wrong(f"images of shape ({count}, 1, 28, 28) are expected, but {tuple(value.shape)} came back")
    return value.detach()


def same(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors agree in shape and, but for rounding, in every entry."""
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=0, atol=tolerance)
