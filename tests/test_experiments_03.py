"""What the experiments of lesson 03 measure of a code, held against codes whose answer is plain."""

import pytest
import torch
from torch import nn

from ae_utils.course.experiments import lesson03
from ae_utils.data.dataset import Images
from ae_utils.models import Autoencoder

CODES = torch.tensor(
    [
        [0.0, 0.05, 0.9, 0.2],
        [0.0, 0.00, 0.0, 0.4],
        [0.0, 0.08, 0.0, 0.6],
    ]
)  # units: dead, alive but never above 0.1, on for one image, on for all


class Copy(nn.Module):
    """A model whose code is the image."""

    latent_dim = 784

    def encode(self, x, label=None):
        return x.flatten(1)

    def decode(self, z, label=None):
        return z.view(-1, 1, 28, 28)


@pytest.fixture
def digits(monkeypatch):
    """40 random images in place of MNIST's."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 1, 28, 28, generator=generator)
    images = Images(x, x, torch.arange(40) % 10)
    monkeypatch.setattr(lesson03, "mnist_once", lambda split: images)
    monkeypatch.setattr(lesson03, "LABELLED", 40)
    monkeypatch.setattr(lesson03, "COUNTS", (20,))
    for cached in (lesson03.foreign, lesson03.probed_pixels):
        cached.cache_clear()
    yield images
    for cached in (lesson03.foreign, lesson03.probed_pixels):
        cached.cache_clear()


def test_dead_units_are_counted_apart_from_silent_pairs():
    found = lesson03.activity(CODES)
    assert found["dead"] == 1 / 4 and found["never_on"] == 2 / 4 and found["always_on"] == 1 / 4
    assert found["active"] == pytest.approx(4 / 12)


def test_the_mean_activation_is_that_of_units_and_not_a_fraction_of_images():
    found = lesson03.activity(CODES)
    assert found["mean_activation"] == pytest.approx((0.13 / 3 + 0.3 + 0.4) / 4)
    assert found["mean_low"] < found["mean_activation"] < found["mean_high"] < 0.4


def test_the_strongest_units_are_those_farthest_from_what_the_others_become():
    model = Autoencoder(nn.Identity(), nn.Identity(), 4)
    z = torch.tensor([[0.1, 0.9, 0.5, 0.6]])
    to_zero = lesson03.keep_strongest(model, z, torch.zeros(4), 2)
    to_mean = lesson03.keep_strongest(model, z, torch.tensor([0.6, 0.8, 0.5, 0.5]), 2)
    assert torch.equal(to_zero, torch.tensor([[0.0, 0.9, 0.0, 0.6]]))
    assert torch.allclose(to_mean, torch.tensor([[0.1, 0.8, 0.5, 0.6]]))


def test_a_model_that_copies_does_so_with_any_image(digits):
    assert set(lesson03.reconstruction_errors(Copy()).values()) == {0.0}
    seen = [images.x for images in lesson03.foreign().values()]
    assert all(torch.equal(x.flatten(1).sort().values, digits.x.flatten(1).sort().values) for x in seen)
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


def test_the_pixels_gain_nothing_over_the_pixels(digits):
    pixels = digits.x.flatten(1)
    found = lesson03.probe_report(pixels, pixels, seed=1)
    assert found["gain_20"] == found["gain_20_std"] == 0 and 0 < found["probe_20"] <= 100


@pytest.mark.parametrize("trained", [True, False])
def test_a_net_is_measured_whether_it_was_trained_or_not(digits, trained):
    (row,) = lesson03.net(0, None, activation="sigmoid", regularizer="KL", trained=trained)
    assert row["always_on"] > 0.9 or trained
    assert 0 < row["ablated_to_mean"] < 1 and 0 < row["mean_activation"] < 1
