"""Learning-rate schedules: functions of progress, which runs from 0 to 1 over the whole training, to a factor."""

import math


def constant(progress: float) -> float:
    """The learning rate stays as it is."""
    return 1.0


def one_cycle(progress: float, *, warmup: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> float:
    """Rises along a cosine from ``start`` to 1 until progress ``warmup``, then falls to ``end`` (Smith 2018)."""
    if progress < warmup:
        return _cosine(start, 1.0, progress / warmup)
    return _cosine(1.0, end, (progress - warmup) / (1 - warmup))


def cosine(progress: float) -> float:
    """Falls along a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return _cosine(1.0, 0.0, progress)


def linear_decay(progress: float, *, begin: float = 0.5) -> float:
    """1 until progress ``begin``, then linearly down to 0."""
    return min(1.0, (1 - progress) / (1 - begin))


def _cosine(first: float, last: float, fraction: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * fraction)) / 2
