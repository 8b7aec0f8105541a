"""The checks of lesson 08: the stub is open, a mended mistake is confirmed, what is still wrong is named."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.course.checks import lesson08
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.course.museum import bugs
from ae_utils.data.dataset import Batches
from ae_utils.losses.vae import bernoulli, kl_to_prior
from ae_utils.networks.dense import dense


def elbo(model, batch, progress, *, kl=lambda kl: kl.mean(), factor=1.0, loss=lambda pixels, kl: pixels + kl):
    output = model(batch.x, batch.label)
    pixels = factor * bernoulli(output.logits, batch.target).mean()
    term = kl(kl_to_prior(output.mu, output.logvar))
    return {"loss": loss(pixels, term), "reconstruction": pixels, "kl": term}


def by_class(model, batch, progress):
    output = model(batch.x, batch.label)
    pixels = bernoulli(output.logits, batch.target).mean()
    each = kl_to_prior(output.mu, output.logvar)[:, None] * F.one_hot(batch.label, 10)
    return {"loss": pixels + each.sum(1).mean(), "reconstruction": pixels, "kl": each.sum(1).mean()}


def evaluated(model, images):
    model.eval()
    with torch.no_grad():
        return F.mse_loss(model(images.x).x_hat, images.target).item()


def bound(log_w):
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def decoder(latent_dim, width, height, columns):
    layers = dense((latent_dim, width, height * columns))
    return nn.Sequential(*layers, nn.Sigmoid(), nn.Unflatten(1, (1, height, columns)))


def ending(*last):
    return lambda latent_dim, width, height, columns: nn.Sequential(
        *dense((latent_dim, width, height * columns)), *(part(height, columns) for part in last)
    )


def sigmoid(height, columns):
    return nn.Sigmoid()


def stub(*_):
    return ...


RIGHT_ANSWERS = {
    "elbo": (elbo,),
    "by_class": (elbo, by_class),
    "error": (evaluated, bugs.mended_error),
    "importance_bound": (bound, bugs.mended_bound),
    "decoder": (decoder, bugs.mended_decoder),
}
MISTAKES = [
    ("elbo", bugs.lecture_elbo, "still twice"),
    ("elbo", lambda *given: elbo(*given, kl=lambda kl: kl.mean() / 2), "too small now"),
    ("elbo", lambda *given: elbo(*given, factor=0.5), "it was right"),
    ("elbo", lambda *given: elbo(*given, factor=0.3), "now it is"),
    ("elbo", lambda *given: elbo(*given, loss=lambda pixels, kl: pixels + 2 * kl), "the old KL still"),
    ("elbo", lambda *given: elbo(*given, kl=lambda kl: kl.mean() + 1), "torch.distributions gives"),
    ("elbo", lambda *given: elbo(*given)["loss"], "dictionary"),
    ("elbo", lambda *given: elbo(*given, kl=lambda kl: kl), "one number"),
    ("by_class", bugs.kl_of_classes, "still summed over the batch"),
    ("by_class", lambda *given: elbo(*given, kl=lambda kl: kl.sum()), "still summed over the batch"),
    ("by_class", lambda *given: elbo(*given, kl=lambda kl: kl.mean() / len(kl)), "once too often"),
    ("by_class", lambda *given: elbo(*given, kl=lambda kl: kl.mean() / 10), "ten classes"),
    ("by_class", lambda *given: elbo(*given, kl=lambda kl: kl.mean() / 4), "over the dimensions"),
    ("error", bugs.error_after_epoch, "training mode"),
    ("error", lambda model, images: evaluated(model.train(), images[:7]), "every image counted once"),
    ("error", lambda model, images: torch.tensor(evaluated(model, images)), "a float"),
    ("error", lambda model, images: evaluated(trained(model), images), "must not change anything"),
    ("error", lambda model, images: mean_of_batches(model, images), "every image counted once"),
    ("importance_bound", bugs.bound_of_samples, "the mean of the logarithms"),
    ("importance_bound", lambda log_w: log_w.logsumexp(1), "the logarithm of a sum"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1), "its logarithm"),
    ("importance_bound", lambda log_w: log_w.max(1).values, "the best sample alone"),
    ("importance_bound", lambda log_w: bound(log_w).mean(), "for each of six images"),
    ("importance_bound", lambda log_w: bound(log_w) + 1, "for the first image"),
    ("importance_bound", lambda log_w: log_w.exp().mean(1).log(), "use logsumexp"),
    ("decoder", bugs.image_decoder, "still come out"),
    ("decoder", ending(sigmoid, lambda height, columns: nn.Unflatten(1, (height, columns))), "axis of the channel"),
    ("decoder", ending(lambda height, columns: nn.Unflatten(1, (1, height, columns))), "sigmoid"),
    ("decoder", ending(sigmoid), "came out"),
    ("decoder", lambda *sizes: 3, "a module is expected"),
]


def trained(model):
    with torch.no_grad():
        model.encoder[1].weight.add_(1)
    return model


def mean_of_batches(model, images):
    """Two batches of different length, averaged as if they were alike."""
    model.eval()
    with torch.no_grad():
        errors = [F.mse_loss(model(batch.x).x_hat, batch.target).item() for batch in Batches(images, 48)]
    return sum(errors) / len(errors)


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_stub_is_open(name):
    assert getattr(lesson08, name).verdict(stub).state == OPEN


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, row in RIGHT_ANSWERS.items() for answer in row])
def test_a_mended_mistake_is_confirmed(name, answer):
    verdict = getattr(lesson08, name).verdict(answer)
    assert verdict.state == RIGHT, verdict


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_what_is_still_wrong_is_named(name, answer, hint):
    state, sentence = getattr(lesson08, name).verdict(answer)
    assert state == WRONG and hint in sentence, sentence


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for name, answers in RIGHT_ANSWERS.items():
        getattr(lesson08, name).verdict(answers[0])
    assert torch.equal(torch.rand(3), expected)
