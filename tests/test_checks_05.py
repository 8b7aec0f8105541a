"""The checks of lesson 05: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.course.checks import lesson05
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.metrics.latent import linear_probe, nearest_neighbour_accuracy
from ae_utils.models import VAE


def nats(probabilities, label):
    return math.log(10) - F.nll_loss(probabilities.log(), label)


def of_label(probabilities, label):
    return probabilities[range(len(label)), label]


def leaks(z, label, test_z, test_label):
    chance = (test_label == label.mode().values).double().mean().item()
    return nearest_neighbour_accuracy(z, label, test_z, test_label) > chance + 0.05


def leaks_by_network(z, label, test_z, test_label):
    """Another style: a small network, compared with chance by its accuracy."""
    torch.manual_seed(0)
    scale = z.std()
    z, test_z = z / scale, test_z / scale
    network = nn.Sequential(nn.Linear(z.shape[1], 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(network(z), label).backward()
        optimizer.step()
    right = (network(test_z).argmax(1) == test_label).double().mean()
    return right > test_label.bincount().max() / len(test_label) + 0.05


class DecoderOnly(VAE):
    def logits(self, z, label=None):
        return self.decoder(torch.cat((z, F.one_hot(label, 10)), 1))


class LabelFirst(VAE):
    def logits(self, z, label=None):
        return self.decoder(torch.cat((F.one_hot(label, 10), z), 1))


class EncoderToo(DecoderOnly):
    def posterior(self, x, label=None):
        mu, logvar = super().posterior(x)
        return mu + label[:, None], logvar


class Swapped(DecoderOnly):
    def posterior(self, x, label=None):
        return super().posterior(x)[::-1]


class Unconditional(VAE):
    def logits(self, z, label=None):
        return self.decoder(F.pad(z, (0, 10)))


class Twice(DecoderOnly):
    def logits(self, z, label=None):
        return super().logits(z, label).sigmoid()


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("leaked_nats", nats),
    ("leaked_nats", lambda p, label: -(10 * of_label(p, label)).log().neg().mean().item()),
    ("leaks", leaks),
    ("leaks", leaks_by_network),
    ("decoder_only", DecoderOnly),
]
MISTAKES = [
    ("leaked_nats", lambda p, label: F.nll_loss(p.log(), label), "this is the cross-entropy"),
    ("leaked_nats", lambda p, label: -nats(p, label), "the sign is wrong"),
    ("leaked_nats", lambda p, label: math.log2(10) + of_label(p, label).log2().mean(), "in bits"),
    ("leaked_nats", lambda p, label: 1 + of_label(p, label).log10().mean(), "fraction of log 10"),
    ("leaked_nats", lambda p, label: of_label(p, label).log().mean(), "log-probability alone"),
    ("leaked_nats", lambda p, label: math.log(10) + of_label(p, label).mean().log(), "too early"),
    ("leaked_nats", lambda p, label: math.log(10) + p.max(1).values.log().mean(), "most probable class"),
    ("leaked_nats", lambda p, label: math.log(10) + (p * p.log()).sum(1).mean(), "how certain"),
    ("leaked_nats", lambda p, label: (math.log(10) + of_label(p, label).log()).sum(), "a sum over the codes"),
    ("leaked_nats", lambda p, label: math.log(10) + of_label(p, label).log().sum(), "take its mean"),
    ("leaked_nats", lambda p, label: (p.argmax(1) == label).double().mean(), "an accuracy"),
    ("leaked_nats", lambda p, label: math.log(10) - F.cross_entropy(p, label), "a softmax of its own"),
    ("leaked_nats", lambda p, label: math.log(10) + of_label(p, label).log(), "take the mean"),
    ("leaked_nats", lambda p, label: nats(p, label) + 1, "nats leak, but you get"),
    ("leaks", lambda z, y, test_z, test_y: leaks(z, y, z, y), "test on other images"),
    ("leaks", lambda z, y, test_z, test_y: nearest_neighbour_accuracy(z, y, test_z, test_y) > 0.05, "compare with"),
    ("leaks", lambda z, y, test_z, test_y: nearest_neighbour_accuracy(z, y, test_z, test_y) > 0.15, "labels are 0"),
    ("leaks", lambda *codes: False, "mean of its own"),
    ("leaks", lambda z, *rest: bool(z.std() > 0.1) and leaks(z, *rest), "scale must not matter"),
    (
        "leaks",
        lambda z, y, test_z, test_y: nearest_neighbour_accuracy(z, y, test_z, test_y) > 0.85 and len(y.unique()) == 10
        and y.bincount().max() < 200,
        "three codes in ten",
    ),
    ("leaks", lambda *codes: linear_probe(*codes, draws=1).item() > codes[1].bincount().max() / 1000 + 0.05,
     "a linear classifier is blind"),
    ("leaks", lambda *codes: nearest_neighbour_accuracy(*codes), "True or False is expected"),
    ("leaks", lambda *codes: codes[0] > 0, "True or False is expected"),
    ("decoder_only", EncoderToo, "must not depend on it"),
    ("decoder_only", Swapped, "swapped"),
    ("decoder_only", Unconditional, "it is not conditioned on it"),
    ("decoder_only", LabelFirst, "z first"),
    ("decoder_only", Twice, "comes once"),
    ("decoder_only", lambda *parts: torch.nn.Identity(), "build a VAE"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["leaked_nats", "leaks", "decoder_only"])
def test_a_stub_is_open(name):
    assert getattr(lesson05, name).verdict(stub).state == OPEN


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, answer):
    verdict = getattr(lesson05, name).verdict(answer)
    assert verdict.state == RIGHT, verdict


@pytest.mark.parametrize(("name", "mistake", "hint"), MISTAKES)
def test_a_typical_mistake_is_told_apart(name, mistake, hint):
    verdict = getattr(lesson05, name).verdict(mistake)
    assert verdict.state == WRONG and hint in verdict.sentence, verdict


# --- a trained model that keeps the class out: stand-ins whose code and images are known ----------------------------


class Clean(VAE):
    """Its code is noise that each image determines; its images are a real digit of the label."""

    def __init__(self, digits):
        super().__init__(nn.Identity(), nn.Identity(), 4)
        self.digits = digits

    def posterior(self, x, label=None):
        ink = x.flatten(1).double().sum(1)
        mu = 1.5 * torch.stack([(1e4 * k * ink).sin() for k in (1, 2, 3, 5)], 1).float()
        return mu, torch.full_like(mu, -3.0)

    def logits(self, z, label=None):
        return torch.logit(self.digits[label], eps=1e-4)


class Collapsed(Clean):
    def posterior(self, x, label=None):
        return torch.zeros(len(x), 4), torch.zeros(len(x), 4)


class Leaking(Clean):
    """Its code holds a digit's class, which it finds by comparing with one digit of each kind."""

    def posterior(self, x, label=None):
        nearest = torch.cdist(x.flatten(1), self.digits.flatten(1))
        return nearest[:, :4] - nearest[:, :4].mean(), torch.full((len(x), 4), -3.0)


class AsksTheLabel(Clean):
    def posterior(self, x, label=None):
        mu, logvar = super().posterior(x)
        return mu + label[:, None], logvar


class IgnoresTheLabel(Clean):
    def logits(self, z, label=None):
        return super().logits(z, torch.zeros_like(label))


@pytest.fixture
def means(train):
    return torch.stack([train.x[train.label == digit][:1].mean(0) for digit in range(10)])


def test_a_model_that_keeps_the_class_out_is_confirmed(means):
    verdict = lesson05.keeps_the_class_out.verdict(Clean(means))
    assert verdict.state == RIGHT and "0.0" in verdict.sentence, verdict


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (Collapsed, "but at least 2 are asked for"),
        (Leaking, "of at most 2.30 nats leak"),
        (AsksTheLabel, "must not depend on it"),
        (IgnoresTheLabel, "does not use the label"),
    ],
)
def test_a_model_that_fails_in_one_way_is_told_which(means, kind, hint):
    verdict = lesson05.keeps_the_class_out.verdict(kind(means))
    assert verdict.state == WRONG and hint in verdict.sentence, verdict


def test_what_is_no_model_is_refused():
    assert lesson05.keeps_the_class_out.verdict(nn.Identity()).state == WRONG
    assert lesson05.keeps_the_class_out.verdict(...).state == OPEN
