"""The checks of lesson 03: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

from functools import partial

import pytest
import torch
from stress.share import WHOLE
from torch.nn import functional

from ae_utils.course.checks import lesson03
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.data.noise import masking, salt_and_pepper
from ae_utils.metrics.images import psnr


def kl_sparsity(activation, rho, eps=1e-6):
    q = activation.clamp(eps, 1 - eps)
    return (rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))).sum()


def deep_jacobian(h, z, first, second):
    outer = (z * (1 - z))[:, :, None] * second
    inner = (h > 0).float()[:, :, None] * first
    return (outer @ inner).square().sum((1, 2))


def layers(h, z, first, second):
    """The Jacobians of both layers."""
    return (z * (1 - z))[:, :, None] * second, (h > 0).float()[:, :, None] * first


def norm(matrices):
    return matrices.square().sum((1, 2))


def perfect_denoiser(x, clean, std):
    return (-torch.cdist(x, clean).square() / (2 * std**2)).softmax(1) @ clean


def weighted(logits):
    """A denoiser whose weights are the softmax of ``logits(distance, std)``."""
    return lambda x, clean, std: logits(torch.cdist(x, clean), std).softmax(1) @ clean


def densities(x, clean, std):
    return torch.exp(-torch.cdist(x, clean).square() / (2 * std**2))


def repaired(a, rho):
    return kl_sparsity(torch.sigmoid(a).mean(0), rho)


def as_it_was(a, rho):
    q = torch.relu(a).mean(0)
    return (rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q).abs())).sum()


def gain(restore, clean, alter):
    altered = alter(clean)
    return (psnr(restore(altered), clean) - psnr(altered, clean)).mean().item()


def stub(*_):
    return ...


@pytest.fixture(autouse=True)
def probe(monkeypatch):
    """What ``helpful_noise`` finds with and without noise; its trainings run in `make stress` and in the solutions."""
    if not WHOLE:
        found = {RIGHT_ANSWERS["helpful_noise"]: 0.85}
        monkeypatch.setattr(lesson03, "_probe", lambda corrupt: found.get(corrupt, 0.82))


RIGHT_ANSWERS = {
    "deep_jacobian": deep_jacobian,
    "repaired_penalty": repaired,
    "helpful_noise": partial(masking, fraction=0.5),
    "perfect_denoiser": perfect_denoiser,
    "restoration_gain": gain,
}
MISTAKES = [
    ("deep_jacobian", lambda *a: norm(layers(*a)[0]) * norm(layers(*a)[1]), "not the product of the norms"),
    ("deep_jacobian", lambda *a: norm(layers(*a)[0]) + norm(layers(*a)[1]), "by the chain rule"),
    ("deep_jacobian", lambda *a: norm(layers(*a)[0] @ a[2]), "ReLU has a derivative"),
    ("deep_jacobian", lambda *a: norm(a[3] @ layers(*a)[1]), "derivative of the sigmoid is missing"),
    ("deep_jacobian", lambda *a: norm(layers(*a)[0] @ (a[0][:, :, None] * a[2])), "not its derivative"),
    ("deep_jacobian", lambda *a: (layers(*a)[0] @ layers(*a)[1]).sum((1, 2)).square(), "before they are summed"),
    ("deep_jacobian", lambda *a: norm(layers(*a)[0] @ ((a[0] * (1 - a[0]))[:, :, None] * a[2])), "of a sigmoid: h"),
    ("deep_jacobian", lambda *a: deep_jacobian(*a).sqrt(), "is its square"),
    ("deep_jacobian", lambda *a: 2 * deep_jacobian(*a), "automatic differentiation"),
    ("deep_jacobian", lambda *a: deep_jacobian(*a).mean(), "one number for each"),
    ("perfect_denoiser", weighted(lambda d, std: -d / (2 * std**2)), "distance is squared"),
    ("perfect_denoiser", weighted(lambda d, std: -(d**2) / (2 * std)), "variance of the noise"),
    ("perfect_denoiser", weighted(lambda d, std: -(d**2) / std**2), "the 2 is missing"),
    ("perfect_denoiser", weighted(lambda d, std: -(d**2) / 2), "std does not enter"),
    ("perfect_denoiser", weighted(lambda d, std: d**2 / (2 * std**2)), "a sign is wrong"),
    ("perfect_denoiser", weighted(lambda d, std: -(d**2) / 6 / (2 * std**2)), "not the mean"),
    ("perfect_denoiser", lambda *a: densities(*a) @ a[1], "add up to 1: divide"),
    ("perfect_denoiser", lambda x, clean, std: clean[torch.cdist(x, clean).argmin(1)], "the nearest clean point"),
    ("perfect_denoiser", lambda x, clean, std: clean.mean(0).expand_as(x), "count alike"),
    ("perfect_denoiser", lambda *a: densities(*a) / densities(*a).sum(0) @ a[1], "over the noisy points"),
    ("perfect_denoiser", lambda *a: densities(*a) / densities(*a).sum(1, keepdim=True) @ a[1], "softmax is safe"),
    ("perfect_denoiser", lambda x, clean, std: perfect_denoiser(x, clean, std) + 1, "weighted by how probable"),
    ("perfect_denoiser", lambda x, clean, std: x[0], "one point for each"),
    ("repaired_penalty", as_it_was, "below zero"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(torch.relu(a).mean(0), rho), "its gradient 0"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(torch.sigmoid(a.mean(0)), rho), "the sigmoid comes first"),
    ("repaired_penalty", lambda a, rho: as_it_was(a, rho).abs(), "which activation function gives values"),
    ("repaired_penalty", lambda a, rho: repaired(a, rho) / a.shape[1], "the penalty is their sum"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(functional.hardsigmoid(a).mean(0), rho), "in the lesson?"),
    ("repaired_penalty", lambda a, rho: kl_sparsity(a.mean(0), rho, eps=-1e9), "logarithm"),
    ("restoration_gain", lambda *given: -gain(*given), "sign"),
    ("restoration_gain", lambda restore, clean, alter: psnr(restore(alter(clean)), clean).mean(), "before"),
    ("restoration_gain", lambda restore, clean, alter: gain(lambda _: restore(clean), clean, alter), "not the clean"),
    (
        "restoration_gain",
        lambda restore, x, alter: (psnr(restore(alter(x)), alter(x)) - psnr(alter(x), x)).mean(),
        "compare with the clean",
    ),
    ("restoration_gain", lambda restore, x, alter: psnr(restore(alter(x)), x) - psnr(alter(x), x), "take the mean"),
    ("restoration_gain", lambda *given: gain(*given) + 1, "here it is"),
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
