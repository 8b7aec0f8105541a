"""Arguments that make no sense are refused in one sentence, which says what was expected and what came.

The checks are decorators, so that the lessons show a function's body and nothing else. They see arguments by name,
however they were passed.
"""

import functools
import inspect
from collections.abc import Callable
from math import inf
from operator import index
from typing import Any, ParamSpec, Protocol, TypeVar

from torch import Tensor

from ae_utils.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")
SIZE, POSITIVE, WEIGHT, SHARE = (1, inf), (1e-6, 1e6), (0.0, inf), (0.0, 1.0)


class Decorator(Protocol):
    """Takes a function and gives one of the same type."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


def checked_by(check: Callable[[Callable[..., object], dict[str, Any]], None]) -> Decorator:
    """A decorator that calls ``check(function, arguments)`` first, ``arguments`` by name, in the function's order."""

    def decorate(function: Callable[P, R], /) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            check(function, signature.bind(*args, **kwargs).arguments)
            return function(*args, **kwargs)

        return checked

    return decorate


def expects(**bounds: tuple[float, float]) -> Decorator:
    """Refuse what is no number or outside ``name=(low, high)``; where ``low`` is an int, fractions too."""

    def check(function: Callable[..., object], arguments: dict[str, Any]) -> None:
        title = function.__qualname__.removesuffix(".__init__")
        for name in bounds.keys() & arguments.keys():
            (low, high), value = bounds[name], arguments[name]
            if not _inside(value, low, high):
                wanted = f"of at least {low:g}" if high == inf else f"in [{low:g}, {high:g}]"
                whole = "a whole " if isinstance(low, int) else ""
                raise InvalidInput(f"{title} expects {whole}{name} {wanted}, but got {value!r}.")

    return checked_by(check)


@checked_by
def same_shape(function: Callable[..., object], arguments: dict[str, Any]) -> None:
    """Refuse a first and a second tensor of different shapes, which arithmetic would quietly repeat."""
    one, other = list(arguments.values())[:2]
    if one.shape != other.shape:
        raise InvalidInput(
            f"{function.__name__} expects two tensors of the same shape, "
            f"but got {tuple(one.shape)} and {tuple(other.shape)}."
        )


def cheap_to_read(tensor: Tensor) -> bool:
    """Whether a look at the tensor's values costs nothing: on a GPU it would wait for all work that is queued there."""
    return tensor.device.type == "cpu"


def _inside(value: Any, low: float, high: float) -> bool:
    try:
        return bool(low <= (value if isinstance(low, float) else index(value)) <= high)
    except (TypeError, ValueError, RuntimeError):
        return False
