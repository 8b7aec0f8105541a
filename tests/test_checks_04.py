"""The checks of lesson 04: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import math

import pytest
import torch
from torch.nn import functional as F

from ae_utils.course.checks import lesson04
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG


def kl(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1)


def draw(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


def beta_vae(model, batch, progress, *, price=(1, 4), reduction="sum", report=1):
    answer = model(batch.x, batch.label)
    pixels = F.binary_cross_entropy_with_logits(answer.logits, batch.target, reduction="none").flatten(1)
    reconstruction = getattr(pixels, reduction)(1).mean()
    rent = kl(answer.mu, answer.logvar).mean()
    loss = price[0] * reconstruction + price[1] * rent
    return {"loss": loss, "reconstruction": reconstruction, "kl": report * rent}


def bound(log_w):
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def stub(*_):
    return ...


RIGHT_ANSWERS = {
    "gaussian_kl": kl,
    "repaired_draw": draw,
    "beta_objective": beta_vae,
    "importance_bound": bound,
}
MISTAKES = [
    ("gaussian_kl", lambda mu, logvar: -kl(mu, logvar), "sign"),
    ("gaussian_kl", lambda mu, logvar: kl(mu, logvar) / mu.shape[1], "mean over dimensions"),
    ("gaussian_kl", lambda mu, logvar: kl(mu, 2 * logvar), "variance already"),
    ("gaussian_kl", lambda mu, logvar: kl(mu, logvar).mean(), "one for each"),
    ("gaussian_kl", lambda mu, logvar: kl(mu, logvar) + 0.5 * mu.shape[1], "at the prior"),
    ("gaussian_kl", lambda mu, logvar: kl(mu, logvar) + 1, "torch.distributions gives"),
    ("repaired_draw", lambda mu, logvar: mu + torch.exp(0.5 * logvar), "nothing random is drawn"),
    ("repaired_draw", lambda mu, logvar: mu + torch.exp(logvar) * torch.randn_like(mu), "too wide"),
    ("repaired_draw", lambda mu, logvar: mu + torch.exp(0.5 * logvar) * torch.rand_like(mu), "uniform"),
    ("repaired_draw", lambda mu, logvar: mu + torch.exp(0.5 * logvar) * torch.randn(()), "shared"),
    ("repaired_draw", lambda mu, logvar: mu + torch.exp(0.5 * logvar) * torch.randn(1, 50), "shared"),
    ("repaired_draw", lambda mu, logvar: draw(mu, logvar).detach(), "no gradient"),
    ("repaired_draw", lambda mu, logvar: draw(mu, logvar.detach()), "both"),
    ("beta_objective", lambda *given: beta_vae(*given, reduction="mean"), "mean over pixels"),
    ("beta_objective", lambda *given: beta_vae(*given, price=(4, 1)), "beta multiplies the KL"),
    ("beta_objective", lambda *given: beta_vae(*given, price=(4, 4)), "only scales"),
    ("beta_objective", lambda *given: beta_vae(*given, price=(1, 1)), "beta = 1"),
    ("beta_objective", lambda *given: beta_vae(*given, report=4), "unweighted"),
    ("beta_objective", lambda *given: beta_vae(*given)["loss"], "dictionary"),
    ("importance_bound", lambda log_w: log_w.mean(1), "ELBO again"),
    ("importance_bound", lambda log_w: log_w.logsumexp(1), "log 8"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1), "its logarithm"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1).log(), "use logsumexp"),
]


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_stub_is_open(name):
    assert getattr(lesson04, name).verdict(stub).state == OPEN


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name):
    assert getattr(lesson04, name).verdict(RIGHT_ANSWERS[name]).state == RIGHT


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    state, sentence = getattr(lesson04, name).verdict(answer)
    assert state == WRONG and hint in sentence


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for name, answer in RIGHT_ANSWERS.items():
        getattr(lesson04, name).verdict(answer)
    assert torch.equal(torch.rand(3), expected)
