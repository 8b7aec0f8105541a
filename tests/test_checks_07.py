"""The checks of lesson 07: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import math

import pytest
import torch
from scipy.stats import t

from ae_utils.course.checks import lesson07
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.course.checks.your_turn import NOT_WRITTEN, USED


def beaten(one, other, cost, error, *, strictly=False):
    no_worse = cost[other] <= cost[one] and error[other] <= error[one]
    if strictly:
        return cost[other] < cost[one] and error[other] < error[one]
    return no_worse and (cost[other], error[other]) != (cost[one], error[one])


def unbeaten(cost, error, **how):
    return [one for one in cost if not any(beaten(one, other, cost, error, **how) for other in cost)]


def fewest(width):
    return lambda std, difference: next(n for n in range(2, 10_000) if std * width(n) < difference)


def half_width(n):
    return t.ppf(0.975, n - 1) / math.sqrt(n)


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("unbeaten", unbeaten),
    ("unbeaten", lambda cost, error: set(unbeaten(cost, error))),
    ("seeds_needed", fewest(half_width)),
    ("seeds_needed", lambda std, difference: float(fewest(half_width)(std, difference))),
]
MISTAKES = [
    (
        "unbeaten",
        lambda cost, error: [min(cost, key=cost.get), min(error, key=error.get)],
        "lie others that no other beats",
    ),
    ("unbeaten", lambda cost, error: unbeaten(cost, error, strictly=True), "an equal error is good enough"),
    ("unbeaten", lambda cost, error: list(cost), "an equal error is good enough"),
    ("unbeaten", lambda cost, error: ["a", "b", "c", "d", "f"], "cheaper"),
    ("unbeaten", lambda cost, error: ["b", "d", "f"], "beaten by nobody"),
    (
        "unbeaten",
        lambda cost, error: [name for name in unbeaten(cost, error) if name != "y"],
        "equal in both: neither beats",
    ),
    ("unbeaten", lambda cost, error: "abdf", "names are expected"),
    ("seeds_needed", fewest(lambda n: 1.96 / math.sqrt(n)), "Student's t"),
    ("seeds_needed", fewest(lambda n: 2 / math.sqrt(n)), "Student's t"),
    ("seeds_needed", fewest(lambda n: t.ppf(0.975, n - 1) / n), "root of n"),
    ("seeds_needed", fewest(lambda n: t.ppf(0.975, n) / math.sqrt(n)), "degrees of freedom"),
    ("seeds_needed", fewest(lambda n: t.ppf(0.95, n - 1) / math.sqrt(n)), "0.975"),
    ("seeds_needed", lambda std, difference: (2 * std / difference) ** 2 + 0.5, "whole number"),
    ("seeds_needed", fewest(lambda n: 2 * half_width(n)), "whole width"),
    ("seeds_needed", lambda std, difference: 3, "it returns 3: more are needed"),
    ("seeds_needed", lambda std, difference: 1000, "it returns 1000: fewer are enough"),
    ("seeds_needed", lambda std, difference: max(3, fewest(half_width)(std, difference)), "difference of 10"),
]


@pytest.mark.parametrize("name", ["unbeaten", "seeds_needed"])
def test_a_stub_is_open(name):
    assert getattr(lesson07, name).verdict(stub).state == OPEN


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, answer):
    assert getattr(lesson07, name).verdict(answer).state == RIGHT


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    state, sentence = getattr(lesson07, name).verdict(answer)
    assert state == WRONG and hint in sentence, sentence


# --- the contest ---------------------------------------------------------------------------------------------------

REAL = {"precision": 0.8, "recall": 0.8, "frechet": 2.0, "confident": 0.9, "nearest": 5.0}
IMAGES = torch.zeros(lesson07.ENTRY, 1, 28, 28)


@pytest.fixture
def contest():
    """One whose metrics are what the test says, those of real digits at first."""
    found = dict(REAL)
    contest = lesson07.Contest(lambda images: dict(found), IMAGES.repeat(2, 1, 1, 1), IMAGES)
    contest.found = found
    return contest


@pytest.mark.parametrize(
    ("name", "found", "sentence"),
    [
        ("precision", {"precision": 1.0, "recall": 0.0}, "but recall 0.000 gives it away"),
        ("recall", {"recall": 0.85, "precision": 0.04}, "but precision 0.040 gives it away"),
        ("frechet", {"frechet": 1.0, "nearest": 0.0}, "but nearest 0.000 gives it away"),
        ("confident", {"confident": 1.0, "precision": 0.0}, "but precision 0.000 gives it away"),
    ],
)
def test_a_bad_model_wins_by_one_metric_and_is_given_away_by_another(contest, capsys, name, found, sentence):
    contest.found.update(found)
    assert contest.enter(name, IMAGES) is IMAGES
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "found"),
    [("confident", {"confident": 1.0, "recall": 0.0}), ("recall", {"recall": 1.0, "nearest": 0.0})],
)
def test_digits_win_neither_by_a_sure_classifier_nor_by_recall(contest, capsys, name, found):
    contest.found.update(found)
    assert torch.equal(contest.enter(name, IMAGES), contest.own(name))
    assert "too many of its images look like digits: precision 0.800" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entry", "found", "sentence"),
    [
        (IMAGES, {"precision": 0.7}, "does not win: precision 0.700, real test digits 0.800"),
        (IMAGES, {"precision": 0.9}, "it is not bad"),
        (IMAGES[:5], {}, "images of shape (2000, 1, 28, 28) are expected"),
        (IMAGES + 2, {}, "in [0, 1]"),
        ("seven", {}, "a tensor is expected, but a str"),
    ],
)
def test_an_entry_that_does_not_win_is_replaced_by_the_course_s_own(contest, capsys, entry, found, sentence):
    contest.found.update(found)
    assert torch.equal(contest.enter("precision", entry), contest.own("precision"))
    printed = capsys.readouterr().out
    assert sentence in printed and printed.endswith(f"; {USED}\n")


def test_an_open_entry_is_replaced_too(contest, capsys):
    assert torch.equal(contest.enter("frechet", ...), contest.own("frechet"))
    assert capsys.readouterr().out == f"{NOT_WRITTEN}: {USED}\n"


@pytest.mark.parametrize("name", ["precision", "recall", "frechet", "confident"])
def test_the_course_s_own_entries_are_such_images(contest, name):
    own = contest.own(name)
    assert own.shape == IMAGES.shape and own.min() >= 0 and own.max() <= 1


@pytest.mark.parametrize(
    ("answer", "used", "sentence"),
    [
        (1e-9, 1e-9, "right: the black pixels"),
        (0.1, 1e-8, "not yet: too wide"),
        (0, 1e-8, "narrow but not 0"),
        (1e-320, 1e-8, "at least 1e-300"),
        (math.inf, 1e-8, "a finite width"),
        (math.nan, 1e-8, "a finite width"),
        ("narrow", 1e-8, "a number is expected, but a str"),
        (..., 1e-8, NOT_WRITTEN),
    ],
)
def test_a_spike_has_any_density(capsys, answer, used, sentence):
    assert lesson07.width(answer, -90.0) == used and sentence in capsys.readouterr().out


# --- an anomaly score ----------------------------------------------------------------------------------------------


def test_an_anomaly_score_must_see_every_kind(test):
    digits, anomalies = test.x[:50], {"white": torch.ones(20, 1, 28, 28), "blank": torch.zeros(20, 1, 28, 28)}

    def ink(x):
        return x.flatten(1).sum(1)

    def verdict(answer):
        return lesson07.anomaly_score.verdict(answer, digits, anomalies)

    usual = ink(digits).mean()
    assert verdict(lambda x: (ink(x) - usual).abs()).state == RIGHT
    assert verdict(stub).state == OPEN
    for answer, hint in (
        (ink, "the AUROC for blank is 0.000: by this score they look more normal"),
        (lambda x: torch.zeros(len(x)), "is 0.500, but 0.8 is asked for"),
        (lambda x: x, "one for each image, but (50, 1, 28, 28) came"),
        (lambda x: 1.0, "but float came"),
        (lambda x: ink(x) / 0, "must be finite"),
    ):
        state, sentence = verdict(answer)
        assert state == WRONG and hint in sentence, sentence
