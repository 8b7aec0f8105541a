"""Checks of lesson 07: which models nobody beats, whether a gap is more than luck, a metric that is fooled."""

import math

import torch
from torch import Tensor

from ae_utils.course.checks.check import Wrong, check, given
from ae_utils.metrics.classifier import class_probabilities
from ae_utils.metrics.samples import confident_fraction, label_entropy

COST = {"a": 1.0, "b": 2.0, "c": 2.5, "d": 4.0, "e": 8.0, "f": 9.0}
ERROR = {"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.2, "e": 0.2, "f": 0.1}
UNBEATEN = {"a", "b", "d", "f"}
RUNS = (  # mean and standard deviation of two recipes over n seeds, and how many standard errors lie between them
    ((10.0, 1.0), (10.9, 1.0), 3, "0.9 / 0.82 = 1.1"),
    ((10.0, 1.0), (12.0, 1.0), 3, "2 / 0.82 = 2.4"),
    ((10.0, 1.0), (13.2, 1.0), 3, "3.2 / 0.82 = 3.9"),
    ((10.9, 1.0), (10.0, 0.1), 30, "0.9 / 0.18 = 4.9"),
    ((5.0, 0.3), (5.7, 0.4), 4, "0.7 / 0.25 = 2.8"),
    ((10.0, 2.0), (12.1, 0.0), 3, "2.1 / 1.15 = 1.8"),
)


@check
def unbeaten(answer) -> str:
    """``answer(cost, error)``: the names that no other beats in one of the two without losing in the other."""
    result = given(answer(dict(COST), dict(ERROR)))
    if not isinstance(result, list | tuple | set) or not set(result) <= set(COST):
        raise Wrong("names are expected, a list or a set of some keys of `cost`")
    found = set(result)
    if found == {"a", "f"}:
        raise Wrong("these are the cheapest and the best; between them lie some that are a good bargain, too")
    if "e" in found:
        raise Wrong("e costs more than d and is no better: as good is good enough to beat it")
    if found != UNBEATEN:
        name = min(found ^ UNBEATEN)
        what = "is beaten by one that is cheaper *and* better" if name in found else "is beaten by nobody"
        raise Wrong(f"{name} {what}")
    if set(answer({"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0})) != {"x", "y"}:
        raise Wrong("right here, but of two that are equal in both neither beats the other")
    return "what is left is the only place where one has to choose"


@check
def more_than_luck(answer) -> str:
    """``answer(one, other, n)``: whether means differ by over two standard errors; both are (mean, std) of n runs."""
    verdicts = [given(answer(one, other, n)) for one, other, n, _ in RUNS]
    if any(not isinstance(verdict, bool) and verdict not in (0, 1) for verdict in verdicts):
        raise Wrong("True or False is expected")
    for guess, sentence in (
        (
            _verdicts(lambda s, t, n: s + t),
            "you add standard deviations: variances add, and a mean of n runs is calmer",
        ),
        (_verdicts(lambda s, t, n: math.hypot(s, t)), "that is the spread of single runs: a mean of n runs is calmer"),
        (_verdicts(lambda s, t, n: math.hypot(s, t) / n), "divided by n: the *variance* of a mean is the n-th part"),
        (_verdicts(lambda s, t, n: math.sqrt((s + t) / n)), "a standard deviation wants to be squared"),
        (_verdicts(lambda s, t, n: math.hypot(s, t) / math.sqrt(n) / 2), "that is one standard error, not two"),
        (_verdicts(lambda s, t, n: math.hypot(s, t) / math.sqrt(n), signed=True), "a gap may go either way: take abs"),
    ):
        if [bool(verdict) for verdict in verdicts] == guess != _verdicts(_standard_error):
            raise Wrong(sentence)
    for verdict, right, (one, other, n, size) in zip(verdicts, _verdicts(_standard_error), RUNS, strict=True):
        if bool(verdict) != right:
            raise Wrong(f"for {one} and {other} of {n} runs the gap is {size} standard errors")
    return "two standard errors: about one false alarm in twenty with many runs, more with three"


def _standard_error(s: float, t: float, n: int) -> float:
    return math.hypot(s, t) / math.sqrt(n)


def _verdicts(error, *, signed: bool = False) -> list[bool]:
    gaps = [(one[0] - other[0], error(one[1], other[1], n)) for one, other, n, _ in RUNS]
    return [(gap if signed else abs(gap)) > 2 * size for gap, size in gaps]


@check
def fooled(answer, classifier) -> str:
    """``answer``: 1,000 images that the ``classifier`` is certain of, nearly all of one and the same digit."""
    if not isinstance(answer, Tensor) or tuple(answer.shape) != (1000, 1, 28, 28):
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise Wrong(f"a tensor of shape (1000, 1, 28, 28) is expected, but {shape} came")
    if not (answer.min() >= 0 and answer.max() <= 1):
        raise Wrong("pixels must lie in [0, 1]")
    with torch.no_grad():
        seen = class_probabilities(classifier, answer.float())
    sure, entropy = confident_fraction(seen), label_entropy(seen)
    if sure < 0.99:
        raise Wrong(f"the classifier is certain of {sure:.1%} only: choose a clearer digit")
    if entropy > 0.1:
        raise Wrong(f"too many kinds of digits: the entropy of the labels is {entropy:.2f}, 0.1 at most is asked for")
    return (
        f"certain of {sure:.1%}, more than of real digits; and the entropy of the labels, {entropy:.2f}, gives it away"
    )
