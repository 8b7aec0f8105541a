"""The checks of lesson 07: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import math

import pytest

from ae_utils.course.checks import lesson07
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.metrics.classifier import pretrained_classifier


@pytest.fixture(scope="module")
def classifier():
    return pretrained_classifier()


def beaten(one, other, cost, error, *, strictly=False):
    no_worse = cost[other] <= cost[one] and error[other] <= error[one]
    if strictly:
        return cost[other] < cost[one] and error[other] < error[one]
    return no_worse and (cost[other], error[other]) != (cost[one], error[one])


def unbeaten(cost, error, **how):
    return [one for one in cost if not any(beaten(one, other, cost, error, **how) for other in cost)]


def standard_error(one, other, n):
    return math.sqrt((one[1] ** 2 + other[1] ** 2) / n)


def differs(size):
    return lambda one, other, n: abs(one[0] - other[0]) > 2 * size(one, other, n)


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("unbeaten", unbeaten),
    ("unbeaten", lambda cost, error: set(unbeaten(cost, error))),
    ("more_than_luck", differs(standard_error)),
]
MISTAKES = [
    ("unbeaten", lambda cost, error: [min(cost, key=cost.get), min(error, key=error.get)], "good bargain"),
    ("unbeaten", lambda cost, error: unbeaten(cost, error, strictly=True), "as good is good enough"),
    ("unbeaten", lambda cost, error: list(cost), "as good is good enough"),
    ("unbeaten", lambda cost, error: ["a", "b", "c", "d", "f"], "cheaper"),
    ("unbeaten", lambda cost, error: ["b", "d", "f"], "beaten by nobody"),
    ("unbeaten", lambda cost, error: [name for name in unbeaten(cost, error) if name != "y"], "equal in both"),
    ("unbeaten", lambda cost, error: "abdf", "names are expected"),
    ("more_than_luck", differs(lambda one, other, n: one[1] + other[1]), "variances add"),
    ("more_than_luck", differs(lambda one, other, n: math.hypot(one[1], other[1])), "single runs"),
    ("more_than_luck", differs(lambda one, other, n: math.hypot(one[1], other[1]) / n), "divided by n"),
    ("more_than_luck", differs(lambda *given: standard_error(*given) / 2), "not two"),
    ("more_than_luck", lambda one, other, n: one[0] - other[0] > 2 * standard_error(one, other, n), "either way"),
    ("more_than_luck", lambda one, other, n: not differs(standard_error)(one, other, n), "standard errors"),
    ("more_than_luck", lambda one, other, n: abs(one[0] - other[0]), "True or False"),
]


@pytest.mark.parametrize("name", ["unbeaten", "more_than_luck"])
def test_a_stub_is_open(name):
    assert getattr(lesson07, name).verdict(stub).state == OPEN


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, answer):
    assert getattr(lesson07, name).verdict(answer).state == RIGHT


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    state, sentence = getattr(lesson07, name).verdict(answer)
    assert state == WRONG and hint in sentence, sentence


def test_the_fooled_metric(test, classifier):
    assert lesson07.fooled.verdict(..., classifier).state == OPEN
    one = test.x[:1].repeat(1000, 1, 1, 1)
    assert lesson07.fooled.verdict(one, classifier).state == RIGHT
    for answer, hint in (
        (test.x[:500].repeat(2, 1, 1, 1), "is certain of"),
        (test.x[:2].repeat(500, 1, 1, 1), "too many kinds"),
        (one[:10], "(1000, 1, 28, 28) is expected"),
        (one * 255, "in [0, 1]"),
        ("seven", "str came"),
    ):
        state, sentence = lesson07.fooled.verdict(answer, classifier)
        assert state == WRONG and hint in sentence, sentence
