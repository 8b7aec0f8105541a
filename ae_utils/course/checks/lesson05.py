"""Checks of lesson 05: nats that leak, a test for leaks, a VAE whose decoder alone is conditioned and that is clean."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.data.dataset import Images
from ae_utils.data.mnist import mnist
from ae_utils.losses.vae import kl_to_prior
from ae_utils.metrics.classifier import classify_with, pretrained_classifier
from ae_utils.metrics.conditional import (
    class_information,
    conditional_accuracy,
    decode_with_labels,
    random_other_labels,
)
from ae_utils.models import VAE

LATENT = 3
LABEL = torch.tensor([3, 1, 4, 1, 9, 2])
FITTED, TESTED = 10_000, 2000  # images whose codes the classifier of codes is fitted to, and tested on
MOST_LEAKED, LEAST_KL, LEAST_ACCURACY = 0.3, 2.0, 0.7  # nats, nats, fraction with another label


# --- nats that leak ------------------------------------------------------------------------------------------------


@check
def leaked_nats(answer) -> str:
    """``answer(probabilities, label)``: log 10 minus the cross-entropy of the label, in nats → a number."""
    generator = torch.Generator().manual_seed(1)
    probabilities = (2 * torch.randn(len(LABEL), 10, generator=generator) + 4 * F.one_hot(LABEL, 10)).softmax(1)
    result = torch.as_tensor(given(answer(probabilities.clone(), LABEL.clone()))).detach().double()
    if result.ndim:
        raise Wrong(f"one number for all codes is expected, but {_shape(result)} came back: take the mean")
    wanted = math.log(10) + probabilities[range(len(LABEL)), LABEL].log().mean()
    for sentence, mistake in _wrong_nats(probabilities, wanted).items():
        if same(result, mistake.double(), 1e-3):
            raise Wrong(sentence)
    if not same(result, wanted.double(), 1e-3):
        raise Wrong(f"here {wanted:.3f} nats leak, but you get {result:.3f}")
    return "log 10 minus the cross-entropy: 0 for a classifier that guesses, log 10 for one that is certain and right"


def _wrong_nats(probabilities: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    n = range(len(LABEL))
    cross_entropy, most_probable = math.log(10) - wanted, probabilities.max(1).values
    entropy = -(probabilities * probabilities.log()).sum(1).mean()
    return {
        "this is the cross-entropy: by how much is it below log 10, that of a classifier that guesses?": cross_entropy,
        "the sign is wrong: a classifier that is always certain and right gives log 10": -wanted,
        "this is in bits: nats want the natural logarithm": wanted / math.log(2),
        "this is a fraction of log 10: nats are asked for": wanted / math.log(10),
        "this is the log-probability alone: a classifier that guesses would get -log 10 instead of 0": -cross_entropy,
        "the average is taken too early: average the logarithms, not the probabilities":
            math.log(10) + probabilities[n, LABEL].mean().log(),
        "the probability of the label counts, not that of the most probable class":
            math.log(10) + most_probable.log().mean(),
        "this is how certain the classifier is, not whether it is right: only the label's probability counts":
            math.log(10) - entropy,
        "this is a sum over the codes: nats per image are asked for": len(LABEL) * wanted,
        "this is the sum over the codes of the cross-entropy: take its mean": math.log(10) - len(LABEL) * cross_entropy,
        "this is an accuracy: a classifier that is barely right and one that is certain differ in nats":
            (probabilities.argmax(1) == LABEL).double().mean(),
        "these are probabilities already: F.cross_entropy wants logits and applies a softmax of its own":
            math.log(10) - F.cross_entropy(probabilities, LABEL),
    }  # fmt: skip


# --- a test for leaks ----------------------------------------------------------------------------------------------


@check
def leaks(answer) -> str:
    """``answer(z, label, test_z, test_label)``: whether codes (n, latent_dim) tell the class of other images."""
    for codes, expected, sentence in _suspects():
        verdict = given(answer(*(part.clone() for part in codes)))
        if isinstance(verdict, Tensor) and verdict.ndim == 0:
            verdict = verdict.item()
        if not isinstance(verdict, bool) and type(verdict).__name__ not in ("bool_", "bool"):
            raise Wrong(f"True or False is expected, but {_shape(verdict)} came back")
        if bool(verdict) != expected:
            raise Wrong(sentence)
    return "True where the class is in the code, in whatever form, and nowhere else"


Split = tuple[Tensor, Tensor, Tensor, Tensor]  # codes and labels, then those to be tested on


def _suspects() -> list[tuple[Split, bool, str]]:
    """Codes with labels, whether they leak, and what to say to who thinks otherwise."""
    generator = torch.Generator().manual_seed(1)
    label, test_label = torch.arange(1000) % 10, torch.arange(1000).flip(0) % 10
    noise, test_noise = (torch.randn(1000, 6, generator=generator) for _ in range(2))
    rare, test_rare = ((50 * torch.rand(1000, generator=generator) - 40).clamp_min(0).long() for _ in range(2))
    means = 2 * torch.randn(10, 6, generator=generator)
    some, others = (torch.rand(1000, 1, generator=generator) < 0.3 for _ in range(2))

    def with_means(scale: float | Tensor = 1.0, test_scale: float | Tensor = 1.0) -> Split:
        return noise + scale * means[label], label, test_noise + test_scale * means[test_label], test_label

    plain = with_means()
    opposite = [torch.cat((half[:500], -half[:500])) for half in (plain[0], plain[2])]
    mirrored = opposite[0], label[:500].repeat(2), opposite[1], test_label[:500].repeat(2)
    coins = torch.randint(0, 2, (2, 1000, 2), generator=generator).float()  # too few values to learn images by heart
    return [
        ((coins[0], label, coins[1], test_label), False,
         "these codes have nothing to do with the label, and yet they are said to leak: compare with chance"),
        ((plain[0], label, test_noise, test_label), False,
         "the codes of the test images tell nothing here, only those of the images that a classifier is fitted to: "
         "test on other images"),
        ((noise, label, test_noise, test_label), False,
         "these codes have nothing to do with the label either: leave room for luck above chance"),
        ((noise, rare, test_noise, test_rare), False,
         "most labels are 0 here, and the codes are noise: who always says 0 is right more often than one time in ten"),
        (plain, True, "here every class has a mean of its own, and no leak was found"),
        ((0.001 * plain[0], label, 0.001 * plain[2], test_label), True,
         "these codes leak at a thousandth of the scale, and no leak was found: the scale must not matter"),
        (with_means(some.float(), others.float()), True,
         "three codes in ten tell the class here, the others nothing: that is a leak, too"),
        (mirrored, True,
         "here a class has two groups of codes on opposite sides, and its mean is 0: a linear classifier is blind to "
         "that"),
    ]  # fmt: skip


# --- a label for the decoder alone ---------------------------------------------------------------------------------


@check
def decoder_only(answer) -> str:
    """``answer(encoder, decoder, latent_dim)``: a VAE whose decoder alone is conditioned on the label."""
    model = given(answer(*_parts()))
    if not isinstance(model, VAE):
        raise Wrong("build a VAE (a subclass of it): forward and decode are written there already")
    model.eval()
    x, other = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1)), (LABEL + 5) % 10
    with torch.no_grad():
        mu, logvar = model.posterior(x, LABEL)
        wanted_mu, wanted_logvar = model.encoder(x).chunk(2, 1)
        if not same(mu, model.posterior(x, other)[0]):
            raise Wrong("another label gives another mu: the encoder must not depend on it")
        if same(mu, wanted_logvar) and same(logvar, wanted_mu):
            raise Wrong("mu and logvar are swapped: mu is the first half")
        if not same(mu, wanted_mu) or not same(logvar, wanted_logvar):
            raise Wrong("mu and logvar are the two halves of what the encoder returns, as they are")
        pictures, others = (model.decode(mu, label) for label in (LABEL, other))
        if same(pictures, others):
            raise Wrong("the decoder returns the same for every label: it is not conditioned on it")
        swapped = model.decoder(torch.cat((F.one_hot(LABEL, 10), mu), 1)).sigmoid()
        if same(pictures, swapped):
            raise Wrong("the label stands in front of the code: z first, then the label, as everywhere in the course")
        if not same(pictures, model.decoder(torch.cat((mu, F.one_hot(LABEL, 10)), 1)).sigmoid()):
            raise Wrong("the decoder works on cat(z, one_hot(label)), and the sigmoid comes once, in decode")
    return "the decoder is conditioned on the label, the encoder is not"


@check
def keeps_the_class_out(model) -> str:
    """A trained VAE whose encoder does not get the label, whose code says something, but not which digit it is."""
    if not isinstance(model, VAE):
        raise Wrong("give the check the trained model")
    train, test = mnist("train")[:FITTED], mnist("test")[:TESTED]
    kl = _kl_without_label(model, test)
    if kl < LEAST_KL:
        raise Wrong(
            f"the code holds {kl:.1f} nats in all, but at least {LEAST_KL:.0f} are asked for: a code that tells "
            "hardly anything cannot leak much, and is of no use"
        )
    leaked = class_information(model, train, test)
    if leaked > MOST_LEAKED:
        raise Wrong(f"{leaked:.2f} of at most 2.30 nats leak; at most {MOST_LEAKED} are allowed here")
    other = random_other_labels(test.label)
    decoded = decode_with_labels(model, test, other)
    accuracy = conditional_accuracy(classify_with(pretrained_classifier()), decoded, other)
    if accuracy < LEAST_ACCURACY:
        raise Wrong(
            f"the class is not in the code, but a code with another label becomes that digit only in {accuracy:.0%} "
            "of the cases: the decoder does not use the label"
        )
    return f"{leaked:.2f} of {kl:.1f} nats are about the class, and the decoder does as the label says"


@torch.no_grad()
def _kl_without_label(model: VAE, test: Images) -> float:
    model.eval()
    mu, logvar = model.posterior(test.x, test.label)
    if not same(mu, model.posterior(test.x, (test.label + 1) % 10)[0]):
        raise Wrong("another label gives another mu: the encoder must not depend on it")
    return float(kl_to_prior(mu, logvar).mean())


def _parts() -> tuple[nn.Module, nn.Module, int]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 2 * LATENT))
        return encoder, nn.Sequential(nn.Linear(LATENT + 10, 784), nn.Unflatten(1, (1, 28, 28))), LATENT


def _shape(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
