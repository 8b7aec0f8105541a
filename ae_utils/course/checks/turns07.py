"""Your turn in lesson 07: a paired difference with its standard error, precision, and the area under a ROC curve."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ae_utils.course.checks.check import Wrong
from ae_utils.course.checks.your_turn import called, close, compare, your_turn

# --- a paired difference -------------------------------------------------------------------------------------------


def own_paired_difference(one, other):
    """Mean of ``one - other`` and its standard error; both (n,), a number for each seed, the same seeds in both."""
    difference = one - other
    return difference.mean(), difference.std() / len(difference) ** 0.5


@your_turn(own_paired_difference)
def paired(answer) -> str:
    """``answer(one, other)``: the mean difference of two recipes over the seeds they share, and its standard error."""
    for count in (5, 3):
        seeds = 4 * torch.randn(count, dtype=torch.float64)  # what a seed does to both
        one, other = (seeds + torch.randn(count, dtype=torch.float64) + shift for shift in (3.0, 1.0))
        mean, error = _two_numbers(called(answer, one, other))
        difference = one - other
        compare(mean, difference.mean(), _wrong_means(difference), "the mean of one - other")
        hint = "the standard deviation of the differences, divided by the root of their number"
        compare(error, own_paired_difference(one, other)[1], _wrong_errors(one, other), hint)
    return "whatever a seed does to both recipes alike has dropped out of the differences"


def _two_numbers(found: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("two numbers are expected: the mean difference and its standard error")
    mean, error = (torch.as_tensor(number) for number in found)
    if mean.shape or error.shape:
        raise Wrong(f"two numbers are expected, but their shapes are {tuple(mean.shape)} and {tuple(error.shape)}")
    return mean, error


def _wrong_means(difference: Tensor) -> dict[str, Tensor]:
    count = len(difference)
    return {
        "the order is wrong: the difference is one - other": -difference.mean(),
        "this is the sum of the differences: take the mean": difference.sum(),
        "this is the mean of absolute differences: a gap may go either way": difference.abs().mean(),
        "this is the median difference: take the mean": difference.median(),
        "this is divided by n - 1: only a standard deviation is": difference.sum() / (count - 1),
        "the two are swapped: the mean comes first": difference.std() / count**0.5,
    }


def _wrong_errors(one: Tensor, other: Tensor) -> dict[str, Tensor]:
    difference, count = one - other, len(one)
    std = difference.std()
    return {
        "this is the standard deviation of a single difference: divide it by the root of n for that of a mean": std,
        "divided by n: the *variance* of a mean is the n-th part, so divide by the root of n": std / count,
        "this is the variance of the mean difference: take its root": std**2 / count,
        "this is the variance of the differences: take its root, and divide by the root of n": std**2,
        "the root of n multiplies: a mean of many is less uncertain, divide": std * count**0.5,
        "this is divided by the root of n - 1; std() has the n - 1 in it already": std / (count - 1) ** 0.5,
        "std(correction=0) divides by n; estimated from n values, a variance is divided by n - 1":
            difference.std(correction=0) / count**0.5,
        "this is the unpaired standard error: take the differences of each seed first, then their spread":
            ((one.var() + other.var()) / count) ** 0.5,
        "these are the spreads of each recipe: take the differences of each seed first, then their spread":
            (one.var() + other.var()) ** 0.5,
        "the standard deviations of the two are subtracted: take that of the differences":
            (one.std() - other.std()) / count**0.5,
        "the standard deviations of the two are added: take that of the differences":
            (one.std() + other.std()) / count**0.5,
        "this is the mean absolute difference: a standard error comes from a standard deviation":
            difference.abs().mean() / count**0.5,
    }  # fmt: skip


# --- precision -----------------------------------------------------------------------------------------------------


def own_precision(samples, real, k):
    """Fraction of ``samples`` (n, d) in a ball around one of ``real`` (m, d) that reaches to its k-th neighbour."""
    radius = torch.cdist(real, real).kthvalue(k + 1).values
    inside = (torch.cdist(samples, real) <= radius).any(1)
    return inside.double().mean()


@your_turn(own_precision)
def precision(answer) -> str:
    """``answer(samples, real, k)``: the fraction of samples in a ball around a real point."""
    for samples, real, k in _clouds():
        found = called(answer, samples, real, k)
        if not isinstance(found, Tensor | float | int) or torch.as_tensor(found).shape:
            raise Wrong("one number is expected, the fraction of samples inside some ball")
        wanted = own_precision(samples, real, k)
        compare(found, wanted, _wrong_precisions(samples, real, k), "which samples lie in at least one ball?")
    return "a sample counts where it is no farther from some real point than that point's k-th neighbour"


def _clouds() -> Iterator[tuple[Tensor, Tensor, int]]:
    """Real points, dense on the left and sparse on the right, and another number of samples over both."""
    for count, k in ((50, 3), (30, 5), (45, 1)):
        dense, sparse = 0.1 * torch.randn(80, 2), torch.tensor([3.0, 0.0]) + torch.randn(40, 2)
        samples = torch.cat([0.3 * torch.randn(count, 2), torch.tensor([3.5, 0.5]) + torch.randn(count + 1, 2)])
        yield samples, torch.cat([dense, sparse]), k


def _wrong_precisions(samples: Tensor, real: Tensor, k: int) -> dict[str, Tensor]:
    between, among = torch.cdist(samples, real), torch.cdist(real, real)
    radius = among.kthvalue(k + 1).values
    inside = between <= radius
    own_radius = torch.cdist(samples, samples).kthvalue(k + 1).values[:, None]
    return {
        "this is recall: the balls are around real points, and samples are counted":
            own_precision(real, samples, k),
        "the point nearest to a real point is itself, at distance 0: its k-th neighbour has the (k + 1)-th smallest":
            (between <= among.kthvalue(max(k, 1)).values).any(1).double().mean(),
        "the balls reach one neighbour too far: the point itself is the only one to skip":
            (between <= among.kthvalue(k + 2).values).any(1).double().mean(),
        "the balls are around the samples: they belong around real points": (between <= own_radius).any(1).double()
            .mean(),
        "real points in the balls are counted: count the samples": inside.any(0).double().mean(),
        "a sample must lie in one of the balls (any), not in all of them": inside.all(1).double().mean(),
        "these are pairs of a sample and a ball: ask for each sample whether any ball holds it": inside.double().mean(),
        "this counts the samples, or the balls they lie in: take the fraction": inside.any(1).double().sum(),
        "samples in several balls are counted several times: any, not sum": inside.double().sum(1).mean(),
        "these are the samples outside all balls": 1 - inside.any(1).double().mean(),
        "all balls have one radius, a mean: each reaches to its own center's k-th neighbour":
            (between <= radius.mean()).any(1).double().mean(),
        "all balls have the largest radius: each reaches to its own center's k-th neighbour":
            (between <= radius.max()).any(1).double().mean(),
        "only the nearest real point's ball is looked at: another, wider ball may hold the sample":
            inside.gather(1, between.argmin(1, keepdim=True)).double().mean(),
        "the radius is taken from the samples: it is the distance between real points":
            (between <= torch.cdist(real, samples).kthvalue(k + 1).values).any(1).double().mean(),
    }  # fmt: skip


# --- the area under a ROC curve ------------------------------------------------------------------------------------


def own_auroc(normal, anomalous):
    """Probability that an anomalous score (m,) exceeds a normal one (n,), over all pairs; a tie counts one half."""
    higher = anomalous[:, None] > normal
    equal = anomalous[:, None] == normal
    return (higher + 0.5 * equal).mean()


@your_turn(own_auroc)
def auroc(answer) -> str:
    """``answer(normal, anomalous)``: the fraction of pairs in which the anomaly has the higher score."""
    for count, others in ((40, 25), (30, 30)):
        normal, anomalous = torch.randn(count), torch.randn(others) + 0.7
        _check_auroc(answer, normal, anomalous)
        _check_auroc(answer, normal.mul(2).round(), anomalous.mul(2).round())  # with many ties
    return "one half is guessing, 1 a score that never errs, and 0 one that is always wrong"


def _check_auroc(answer: Any, normal: Tensor, anomalous: Tensor) -> None:
    found = called(answer, normal, anomalous)
    if not isinstance(found, Tensor | float | int) or torch.as_tensor(found).shape:
        raise Wrong("one number is expected, a fraction of all pairs of a normal and an anomalous score")
    wanted, pairs = own_auroc(normal, anomalous), anomalous[:, None] - normal
    if close(found, wanted):
        return
    at_least, above = (pairs >= 0).double().mean(), (pairs > 0).double().mean()
    if not close(at_least, above):  # there are ties
        compare(
            found,
            wanted,
            {
                "ties count as wins: equal scores are worth one half": at_least,
                "ties count as losses: equal scores are worth one half": above,
                "ties count twice: equal scores are worth one half": above + 2 * (at_least - above),
                "ties are subtracted: equal scores are worth one half": above - 0.5 * (at_least - above),
                "the ties are left out of the pairs: divide by all of them": above / (1 - (at_least - above)),
            },
            "right without ties; equal scores are worth one half",
        )
    compare(found, wanted, _wrong_areas(normal, anomalous), "in which fraction of the pairs is the anomaly higher?")


def _wrong_areas(normal: Tensor, anomalous: Tensor) -> dict[str, Tensor]:
    higher = (anomalous[:, None] > normal).double()
    count = min(len(normal), len(anomalous))
    median = torch.cat([normal, anomalous]).median()
    return {
        "this is the fraction of pairs in which the *normal* score is higher": 1 - higher.mean(),
        "this is the number of pairs: divide by all of them, take the mean": higher.sum(),
        "this is divided by the anomalies only: the mean is over all pairs": higher.sum() / len(anomalous),
        "this is divided by the normal images only: the mean is over all pairs": higher.sum() / len(normal),
        "each score is compared with one partner only: compare every anomaly with every normal score":
            (anomalous[:count] > normal[:count]).double().mean(),
        "anomalies are compared with the mean of the normal scores: compare them with each":
            (anomalous > normal.mean()).double().mean(),
        "anomalies are compared with the median of the normal scores: compare them with each":
            (anomalous > normal.median()).double().mean(),
        "anomalies are compared with the largest normal score: compare them with each":
            (anomalous > normal.max()).double().mean(),
        "this is the accuracy at one threshold: the area needs no threshold":
            torch.cat([anomalous > median, normal <= median]).double().mean(),
        "this is the mean difference of the scores: count the pairs": (anomalous[:, None] - normal).mean(),
        "all pairs of a column must count: any and all lose them": higher.max(1).values.mean(),
    }  # fmt: skip
