"""The checks of lesson 03: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

from functools import partial

import pytest
import torch
from stress.share import WHOLE

from ae_utils.course.checks import lesson03
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.data.noise import masking, salt_and_pepper


def kl_sparsity(activation, rho, eps=1e-6):
    q = activation.clamp(eps, 1 - eps)
    return (rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))).sum()


def swapped(activation, rho):
    q = activation.clamp(1e-6, 1 - 1e-6)
    return (q * torch.log(q / rho) + (1 - q) * torch.log((1 - q) / (1 - rho))).sum()


def half(activation, rho):
    return (rho * torch.log(rho / activation.clamp_min(1e-6))).sum()


def tanh_jacobian(z, weight):
    return (1 - z**2) ** 2 @ (weight**2).sum(1)


def repaired(a, rho):
    return kl_sparsity(torch.sigmoid(a).mean(0), rho)


def as_it_was(a, rho):
    q = torch.relu(a).mean(0)
    return (rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q).abs())).sum()


def stub(*_):
    return ...


@pytest.fixture(autouse=True)
def probe(monkeypatch):
    """What ``helpful_noise`` finds with and without noise; its trainings run in `make stress` and in the solutions."""
    if not WHOLE:
        found = {RIGHT_ANSWERS["helpful_noise"]: 0.85}
        monkeypatch.setattr(lesson03, "_probe", lambda corrupt: found.get(corrupt, 0.82))


RIGHT_ANSWERS = {
    "kl_sparsity": kl_sparsity,
    "tanh_jacobian": tanh_jacobian,
    "repaired_penalty": repaired,
    "helpful_noise": partial(masking, fraction=0.5),
}
MISTAKES = [
    ("kl_sparsity", lambda q, rho: kl_sparsity(q, rho, eps=0.0), "always off or always on"),
    ("kl_sparsity", lambda q, rho: kl_sparsity(q, rho) / len(q), "sum them"),
    ("kl_sparsity", swapped, "swapped"),
    ("kl_sparsity", half, "the half about being on"),
    ("kl_sparsity", lambda q, rho: 2 * kl_sparsity(q, rho), "but yours is"),
    ("kl_sparsity", lambda q, rho: q, "one number is expected"),
    ("tanh_jacobian", lambda z, weight: (z * (1 - z)) ** 2 @ (weight**2).sum(1), "derivative of the sigmoid"),
    ("tanh_jacobian", lambda z, weight: (1 - z**2) @ (weight**2).sum(1), "squares the entries"),
    ("tanh_jacobian", lambda z, weight: (1 - z**2) ** 2 @ weight.abs().sum(1), "not made positive"),
    ("tanh_jacobian", lambda z, weight: tanh_jacobian(z, weight).mean(), "one number for each"),
    ("repaired_penalty", as_it_was, "below zero"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(torch.relu(a).mean(0), rho), "its gradient 0"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(torch.sigmoid(a.mean(0)), rho), "the sigmoid comes first"),
    ("repaired_penalty", lambda a, rho: as_it_was(a, rho).abs(), "which activation function gives values"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(a.mean(0), rho, eps=-1e9), "logarithm"),
    ("helpful_noise", lambda x: x, "unchanged"),
    ("helpful_noise", torch.zeros_like, "nothing of the digit is left"),
    ("helpful_noise", partial(salt_and_pepper, fraction=0.002), "points"),
    ("helpful_noise", lambda x: x[:1], "shape (500, 1, 28, 28)"),
]


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, capsys):
    check = getattr(lesson03, name)
    assert check.verdict(RIGHT_ANSWERS[name]).state == RIGHT, check.verdict(RIGHT_ANSWERS[name])
    if name != "helpful_noise":  # seconds
        assert check(RIGHT_ANSWERS[name]) is None
        assert capsys.readouterr().out.startswith("right: ")


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
@pytest.mark.parametrize("answer", [..., None, stub], ids=["dots", "None", "stub"])
def test_a_stub_is_not_answered_yet(name, answer, capsys):
    assert getattr(lesson03, name).verdict(answer).state == OPEN
    getattr(lesson03, name)(answer)
    assert capsys.readouterr().out.startswith("not answered yet: ")


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    verdict = getattr(lesson03, name).verdict(answer)
    assert verdict.state == WRONG and hint in verdict.sentence, verdict


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_an_answer_that_raises_is_wrong_and_says_so(name):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    verdict = getattr(lesson03, name).verdict(broken)
    assert verdict.state == WRONG and "ZeroDivisionError" in verdict.sentence


def test_every_exercise_has_two_typical_mistakes():
    assert all(sum(mistake[0] == name for mistake in MISTAKES) >= 2 for name in RIGHT_ANSWERS)
