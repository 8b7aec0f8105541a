"""Arguments that make no sense are refused in one sentence, which says what was expected and what came."""

import functools
import inspect
from math import inf
from operator import index

SIZE, POSITIVE, WEIGHT, SHARE = (1, inf), (1e-6, 1e6), (0.0, inf), (0.0, 1.0)


def expects(**bounds: tuple[float, float]):
    """Refuse what is no number or outside ``name=(low, high)``; where ``low`` is an int, fractions too."""

    def decorate(function):
        names, title = list(inspect.signature(function).parameters), function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def checked(*args, **kwargs):
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                if name in bounds and not _inside(value, *bounds[name]):
                    low, high = bounds[name]
                    wanted = f"of at least {low:g}" if high == float("inf") else f"in [{low:g}, {high:g}]"
                    whole = "a whole " if isinstance(low, int) else ""
                    raise ValueError(f"{title} expects {whole}{name} {wanted}, but got {value!r}.")
            return function(*args, **kwargs)

        return checked

    return decorate


def same_shape(function):
    """Refuse a first and a second tensor of different shapes, which arithmetic would quietly repeat."""

    @functools.wraps(function)
    def checked(one, other, *args, **kwargs):
        if one.shape != other.shape:
            raise ValueError(
                f"{function.__name__} expects two tensors of the same shape, "
                f"but got {tuple(one.shape)} and {tuple(other.shape)}."
            )
        return function(one, other, *args, **kwargs)

    return checked


def _inside(value, low: float, high: float) -> bool:
    try:
        return bool(low <= (value if isinstance(low, float) else index(value)) <= high)
    except (TypeError, ValueError, RuntimeError):
        return False
