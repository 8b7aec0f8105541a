"""The checks of lesson 05: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import pytest
import torch
from torch.nn import functional as F

from ae_utils.course.checks import lesson05
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.metrics.images import psnr
from ae_utils.models import VAE


def vectors(label, table):
    return F.one_hot(label, 10).float() @ table


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


def gain(restore, clean, alter):
    altered = alter(clean)
    return (psnr(restore(altered), clean) - psnr(altered, clean)).mean().item()


def stub(*_):
    return ...


RIGHT_ANSWERS = {"label_vectors": vectors, "decoder_only": DecoderOnly, "restoration_gain": gain}
MISTAKES = [
    ("label_vectors", lambda label, table: table.T[:, label], "shape (6, 5)"),
    ("label_vectors", lambda label, table: vectors(label, table).detach(), "no gradient"),
    ("label_vectors", lambda label, table: vectors(label, table).softmax(1), "nothing is normalised"),
    ("label_vectors", lambda label, table: vectors(label - 1, table) if label.min() else None, "off by one"),
    ("label_vectors", lambda label, table: vectors((2 * label) % 10, table), "label 3 should give"),
    ("decoder_only", EncoderToo, "must not depend on it"),
    ("decoder_only", Swapped, "swapped"),
    ("decoder_only", Unconditional, "it is not conditioned on it"),
    ("decoder_only", LabelFirst, "z first"),
    ("decoder_only", Twice, "comes once"),
    ("decoder_only", lambda *parts: torch.nn.Identity(), "build a VAE"),
    ("restoration_gain", lambda *given: -gain(*given), "sign"),
    ("restoration_gain", lambda restore, clean, alter: psnr(restore(alter(clean)), clean).mean(), "before"),
    ("restoration_gain", lambda restore, clean, alter: gain(lambda _: restore(clean), clean, alter), "not the clean"),
    (
        "restoration_gain",
        lambda restore, x, alter: (psnr(restore(alter(x)), alter(x)) - psnr(alter(x), x)).mean(),
        "clean images",
    ),
    ("restoration_gain", lambda restore, x, alter: psnr(restore(alter(x)), x) - psnr(alter(x), x), "take the mean"),
    ("restoration_gain", lambda *given: gain(*given) + 1, "here it is"),
]


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_stub_is_open(name):
    assert getattr(lesson05, name).verdict(stub).state == OPEN


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name):
    verdict = getattr(lesson05, name).verdict(RIGHT_ANSWERS[name])
    assert verdict.state == RIGHT, verdict


@pytest.mark.parametrize(("name", "mistake", "hint"), MISTAKES)
def test_a_typical_mistake_is_told_apart(name, mistake, hint):
    verdict = getattr(lesson05, name).verdict(mistake)
    assert verdict.state == WRONG and hint in verdict.sentence, verdict
