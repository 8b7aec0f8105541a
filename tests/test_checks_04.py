"""The checks of lesson 04: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import math

import pytest
import torch

from ae_utils.course.checks import lesson04
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.losses.vae import bernoulli, kl_to_prior
from ae_utils.models import reparameterize


def noise(beta, pixels):
    return math.sqrt(pixels * beta / 2)


def aggregate(mu, logvar):
    return mu.mean(0), mu.var(0) + logvar.exp().mean(0)


def aggregate_variance(change):
    return lambda mu, logvar: (mu.mean(0), change(mu, logvar))


def bound(log_w):
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def fitted(model, x, steps, *, kl_weight=1.0, sign=1.0, draw=True, trained=("mu", "logvar"), weights=False):
    mu, logvar = (part.detach().clone().requires_grad_() for part in model.posterior(x))
    chosen = [part for name, part in (("mu", mu), ("logvar", logvar)) if name in trained]
    optimizer = torch.optim.Adam([*chosen, *(model.parameters() if weights else ())], lr=0.05)
    for _ in range(steps):
        z = reparameterize(mu, logvar) if draw else mu
        loss = sign * (bernoulli(model.logits(z), x) + kl_weight * kl_to_prior(mu, logvar)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mu.detach(), logvar.detach()


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("pixel_noise", noise),
    ("pixel_noise", lambda beta, pixels: torch.tensor(beta * pixels / 2).sqrt()),
    ("aggregate_posterior", aggregate),
    ("aggregate_posterior", lambda mu, logvar: [mu.mean(0), mu.var(0, unbiased=False) + logvar.exp().mean(0)]),
    ("importance_bound", bound),
    ("importance_bound", lambda log_w: torch.logsumexp(log_w - math.log(log_w.shape[1]), dim=-1)),
    ("fitted_posterior", fitted),
]
NAMES = sorted({name for name, _ in RIGHT_ANSWERS})
MISTAKES = [
    ("pixel_noise", lambda beta, pixels: pixels * beta / 2, "this is the variance"),
    ("pixel_noise", lambda beta, pixels: math.sqrt(pixels * beta), "the 2 in front"),
    ("pixel_noise", lambda beta, pixels: math.sqrt(2 * pixels * beta), "wrong side"),
    ("pixel_noise", lambda beta, pixels: math.sqrt(pixels / beta / 2), "beta is upside down"),
    ("pixel_noise", lambda beta, pixels: math.sqrt(beta / pixels / 2), "pixels is upside down"),
    ("pixel_noise", lambda beta, pixels: math.sqrt(beta / 2), "number of pixels"),
    ("pixel_noise", lambda beta, pixels: pixels * math.sqrt(beta / 2), "under the root"),
    ("pixel_noise", lambda beta, pixels: 1.0 + beta, "but yours is"),
    ("aggregate_posterior", lambda mu, logvar: mu.mean(0), "two tensors"),
    ("aggregate_posterior", lambda mu, logvar: (mu.mean(), mu.var()), "one mean and one variance per number"),
    ("aggregate_posterior", lambda mu, logvar: (logvar.mean(0), mu.var(0)), "the mean is not right"),
    ("aggregate_posterior", aggregate_variance(lambda mu, logvar: mu.var(0)), "the width of each cloud"),
    ("aggregate_posterior", aggregate_variance(lambda mu, logvar: logvar.exp().mean(0)), "centres lie apart"),
    (
        "aggregate_posterior",
        aggregate_variance(lambda mu, logvar: mu.var(0) + logvar.mean(0).exp()),
        "their logarithms",
    ),
    (
        "aggregate_posterior",
        aggregate_variance(lambda mu, logvar: mu.var(0) + torch.exp(0.5 * logvar).mean(0)),
        "standard deviations do not",
    ),
    (
        "aggregate_posterior",
        aggregate_variance(lambda mu, logvar: mu.var(0) + torch.exp(0.5 * logvar).mean(0) ** 2),
        "square first",
    ),
    ("aggregate_posterior", aggregate_variance(lambda mu, logvar: mu.var(0) + logvar.exp().sum(0)), "not their sum"),
    (
        "aggregate_posterior",
        aggregate_variance(lambda mu, logvar: (mu.var(0) + logvar.exp().mean(0)).sqrt()),
        "the root of the variance",
    ),
    ("aggregate_posterior", aggregate_variance(lambda mu, logvar: mu.var(0) + 1), "but yours"),
    ("importance_bound", lambda log_w: log_w.mean(1), "ELBO again"),
    ("importance_bound", lambda log_w: log_w.logsumexp(1), "log 8"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1), "its logarithm"),
    ("importance_bound", lambda log_w: log_w.max(1).values, "the best sample alone"),
    ("importance_bound", lambda log_w: log_w.logsumexp(0), "one bound for each"),
    ("importance_bound", lambda log_w: bound(log_w) + 1, "but you get"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1).log(), "use logsumexp"),
    ("fitted_posterior", lambda model, x, steps: model.posterior(x), "have changed nothing"),
    ("fitted_posterior", lambda model, x, steps: model.encode(x), "two tensors"),
    ("fitted_posterior", lambda model, x, steps: (torch.zeros(4), torch.zeros(4)), "are expected"),
    ("fitted_posterior", lambda *given: fitted(*given, sign=-1.0), "has fallen"),
    ("fitted_posterior", lambda *given: fitted(*given, kl_weight=0.0), "both terms"),
    ("fitted_posterior", lambda *given: fitted(*given, draw=False), "of the gap is closed"),
    ("fitted_posterior", lambda *given: fitted(*given, trained=["logvar"]), "of the gap is closed"),
    ("fitted_posterior", lambda *given: fitted(*given, weights=True), "weights have changed"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_open(name):
    assert getattr(lesson04, name).verdict(stub).state == OPEN


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, answer):
    assert getattr(lesson04, name).verdict(answer).state == RIGHT


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    state, sentence = getattr(lesson04, name).verdict(answer)
    assert state == WRONG and hint in sentence, sentence


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for name, answer in RIGHT_ANSWERS:
        getattr(lesson04, name).verdict(answer)
    assert torch.equal(torch.rand(3), expected)
