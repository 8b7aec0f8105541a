"""Checks of lesson 07: which models nobody beats, how many seeds, metrics that are fooled, a score for anomalies."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ae_utils.course.checks.check import RIGHT, NotAnswered, Verdict, Wrong, check, given, images
from ae_utils.course.checks.turns07 import own_auroc
from ae_utils.course.checks.your_turn import NOT_WRITTEN, USED

COST = {"a": 1.0, "b": 2.0, "c": 2.5, "d": 4.0, "e": 8.0, "f": 9.0}
ERROR = {"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.2, "e": 0.2, "f": 0.1}
UNBEATEN = {"a", "b", "d", "f"}
GAPS = ((1.0, 1.0), (1.0, 2.0), (1.0, 0.5), (3.0, 1.0), (0.1, 0.1), (1.0, 5.0), (1.0, 10.0))  # std, difference
ENTRY, BAD, COPY = 2000, 0.1, 1.0  # images; precision or recall of a bad model; distance of a copy
ANY = {"precision": BAD, "recall": BAD, "nearest": COPY}
GIVEN_AWAY = {"recall": {"precision": BAD}, "confident": {"precision": BAD}}  # where most images must be worthless
NARROWEST = 1e-300  # a narrower spike is higher than a float can be
NATS, BLACK, EMPTY = 10_000.0, 0.81, 634  # to win by; fraction of black pixels; black pixels in an image
SEEN = 0.8  # AUROC


@check
def unbeaten(answer) -> str:
    """``answer(cost, error)``: the names that no other beats in one of the two without losing in the other."""
    result = given(answer(dict(COST), dict(ERROR)))
    if not isinstance(result, list | tuple | set) or not set(result) <= set(COST):
        raise Wrong("names are expected, a list or a set of some keys of `cost`")
    found = set(result)
    if found == {"a", "f"}:
        raise Wrong("these are the cheapest and the best; between them lie others that no other beats")
    if "e" in found:
        raise Wrong("e costs more than d and its error is no smaller: d beats it, since an equal error is good enough")
    if found != UNBEATEN:
        name = min(found ^ UNBEATEN)
        what = "is beaten by one that is cheaper *and* better" if name in found else "is beaten by nobody"
        raise Wrong(f"{name} {what}")
    if set(answer({"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0})) != {"x", "y"}:
        raise Wrong("right, but for two names that are equal in both: neither beats the other, so both stay")
    return "what is left is the only place where one has to choose"


@check
def seeds_needed(answer) -> str:
    """``answer(std, difference)``: the fewest pairs whose 95 % t interval is narrower than ±``difference``."""
    found = [given(answer(std, difference)) for std, difference in GAPS]
    if any(isinstance(count, bool) or count != int(count) for count in found):
        raise Wrong("a whole number of seeds is expected")
    wanted = [_fewest(std, difference) for std, difference in GAPS]
    for sentence, width in {
        "this takes 2 or 1.96 for any number of seeds: few seeds need the wider quantile of Student's t":
            lambda n: 1.96 / math.sqrt(n),
        "this takes 2 for any number of seeds: few seeds need the wider quantile of Student's t":
            lambda n: 2 / math.sqrt(n),
        "the standard deviation of a mean of n is divided by the root of n": lambda n: _quantile(0.975, n - 1) / n,
        "t has n - 1 degrees of freedom: one is spent on the mean": lambda n: _quantile(0.975, n) / math.sqrt(n),
        "5 % are left outside, 2.5 % on either side: the quantile is that of 0.975":
            lambda n: _quantile(0.95, n - 1) / math.sqrt(n),
        "this compares the whole width of the interval: half of it, on either side of the mean, is asked for":
            lambda n: 2 * _half_width(n),
    }.items():  # fmt: skip
        if found != wanted and found == [_fewest(std, difference, width) for std, difference in GAPS]:
            raise Wrong(sentence)
    for (std, difference), count, right in zip(GAPS, found, wanted, strict=True):
        if count != right:
            more = "fewer are enough" if count > right else "more are needed"
            raise Wrong(
                f"for a standard deviation of {std:g} and a difference of {difference:g} it returns {count}: {more}"
            )
    return "half the difference costs about four times the seeds"


def _quantile(level: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(level, freedom))


def _half_width(n: int) -> float:
    return _quantile(0.975, n - 1) / math.sqrt(n)


def _fewest(std: float, difference: float, width: Callable[[int], float] = _half_width) -> int:
    return next(n for n in range(2, 10_000) if std * width(n) < difference)


# --- a contest of bad models ---------------------------------------------------------------------------------------


class Contest:
    """Bad models that beat real test digits by one metric; ``measured(images)`` returns all metrics by name.

    ``enter(name, images)`` prints the verdict and returns the images if they win by that metric and another one tells
    that they are bad, otherwise the course's own entry.
    """

    def __init__(self, measured: Callable[[Tensor], Mapping[str, float]], train: Tensor, test: Tensor):
        self.measured, self.copies, self.test = measured, train[ENTRY : 2 * ENTRY], test[:ENTRY]
        self.real = measured(self.test)

    def enter(self, name: str, entry: Tensor) -> Tensor:
        """The verdict on ``entry`` (2000, 1, 28, 28), printed, and what goes into the table."""
        verdict = self.verdict(name, entry)
        print(": ".join(verdict))
        return entry if verdict.state == RIGHT else self.own(name)

    def verdict(self, name: str, entry: Tensor) -> Verdict:
        """How an entry stands."""
        try:
            return Verdict(RIGHT, self._confirm(name, entry))
        except NotAnswered:
            return Verdict(NOT_WRITTEN, USED)
        except Wrong as wrong:
            return Verdict("not yet", f"{wrong}; {USED}")

    def own(self, name: str) -> Tensor:
        """The course's own entry."""
        if name == "precision":
            return self.test[:1].repeat(ENTRY, 1, 1, 1)  # one perfect seven
        if name == "recall":
            entry = torch.rand(self.test.shape, generator=torch.Generator().manual_seed(0))
            entry[::40] = self.copies[::40]
            return entry
        return self.copies if name == "frechet" else torch.full_like(self.test, 0.5)

    def _confirm(self, name: str, entry: Tensor) -> str:
        entry = images(entry, ENTRY).float()
        if not (entry.min() >= 0 and entry.max() <= 1):
            raise Wrong("pixels must lie in [0, 1]")
        found, real = self.measured(entry), self.real
        better = found[name] < real[name] if name == "frechet" else found[name] >= real[name]
        numbers = f"{name} {found[name]:.3f}, real test digits {real[name]:.3f}"
        if not better:
            raise Wrong(f"that does not win: {numbers}")
        for other, bad in GIVEN_AWAY.get(name, ANY).items():
            if found[other] < bad:
                return (
                    f"{numbers}; but {other} {found[other]:.3f} gives it away, where real digits have {real[other]:.3f}"
                )
        if name in GIVEN_AWAY:
            raise Wrong(
                f"it wins ({numbers}), but too many of its images look like digits: "
                f"precision {found['precision']:.3f}, where less than {BAD} is asked for"
            )
        raise Wrong(
            f"it wins ({numbers}), but it is not bad: precision {found['precision']:.3f}, "
            f"recall {found['recall']:.3f}, distance to the nearest training image {found['nearest']:.3f}"
        )


def width(answer: float, bound: float) -> float:
    """Prints whether a spike of width ``answer`` beats the log-likelihood ``bound`` by far, and returns the width.

    Otherwise it returns the course's own width.
    """
    own = 1e-8
    try:
        number = _number(given(answer))
        if not NARROWEST <= number < math.inf:
            raise Wrong(f"a finite width of at least {NARROWEST:g} is expected, narrow but not 0")
        spike = EMPTY * math.log(BLACK * 2 / (number * math.sqrt(2 * math.pi)))
        if spike - bound < NATS:
            raise Wrong(f"too wide: the black pixels of an image give {spike:.1f} nats only")
    except NotAnswered:
        print(f"{NOT_WRITTEN}: {USED}")
        return own
    except Wrong as wrong:
        print(f"not yet: {wrong}; {USED}")
        return own
    print(f"{RIGHT}: the black pixels of an image alone give {spike:.1f} nats, and a tenth of the width gives more")
    return number


def _number(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Wrong(f"a number is expected, but a {type(value).__name__} came") from None


# --- an anomaly score ----------------------------------------------------------------------------------------------


@check
def anomaly_score(answer, digits, anomalies) -> str:
    """``answer(x)``: a score for each image, higher for each kind of ``anomalies`` than for most ``digits``."""
    scores = {name: _scores(answer, x) for name, x in {"digits": digits, **anomalies}.items()}
    areas = {name: float(own_auroc(scores["digits"], scores[name])) for name in anomalies}
    worst = min(areas, key=areas.__getitem__)
    if areas[worst] < 1 - SEEN:
        raise Wrong(f"the AUROC for {worst} is {areas[worst]:.3f}: by this score they look more normal than digits")
    if areas[worst] < SEEN:
        raise Wrong(f"the AUROC for {worst} is {areas[worst]:.3f}, but {SEEN} is asked for")
    return f"an AUROC of {areas[worst]:.3f} at least; lowest for {worst}"


def _scores(answer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    score = given(answer(x))
    if not isinstance(score, Tensor) or tuple(score.shape) != (len(x),):
        got = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
        raise Wrong(f"a tensor of {len(x)} scores is expected, one for each image, but {got} came")
    if not score.isfinite().all():
        raise Wrong("every score must be finite")
    return score.detach()
