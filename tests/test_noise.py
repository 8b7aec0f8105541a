"""Corruptions do what they say, stay in [0, 1] and leave the clean images alone."""

from functools import partial

import pytest
import torch

from ae_utils.data.noise import corrupted, either, gaussian, masking, salt_and_pepper
from ae_utils.errors import InvalidInput

GREY = torch.full((200, 1, 28, 28), 0.5)
ALL = (gaussian, salt_and_pepper, masking, partial(either, corruptions=(gaussian, masking)))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("corrupt", ALL)
def test_noisy_images_have_the_same_shape_and_lie_between_0_and_1(corrupt, test):
    noisy = corrupt(test.x)
    assert noisy.shape == test.x.shape and noisy.dtype == test.x.dtype
    assert noisy.min() >= 0 and noisy.max() <= 1


@pytest.mark.parametrize("corrupt", ALL)
def test_the_clean_images_are_left_alone(corrupt, test):
    before = test.x.clone()
    assert not torch.equal(corrupt(test.x), before)
    assert torch.equal(test.x, before)


@pytest.mark.parametrize("corrupt", ALL)
def test_noise_is_new_each_time_and_the_seed_brings_it_back(corrupt, test):
    first, second = corrupt(test.x), corrupt(test.x)
    torch.manual_seed(0)
    assert torch.equal(corrupt(test.x), first)
    assert not torch.equal(first, second)


def test_gaussian_noise_has_its_standard_deviation():
    noise = gaussian(GREY, noise_std=0.1) - GREY  # five standard deviations from the clipping
    assert float(noise.std()) == pytest.approx(0.1, rel=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=1e-3)


def test_salt_and_pepper_come_in_even_odds():
    noisy = salt_and_pepper(GREY, fraction=0.2)
    assert float((noisy == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float((noisy == 1).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert ((noisy == 0) | (noisy == 1) | (noisy == 0.5)).all()


def test_masking_only_blackens():
    noisy = masking(GREY, fraction=0.3)
    assert float((noisy == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert ((noisy == 0) | (noisy == 0.5)).all()


def test_either_draws_for_every_image_anew():
    noisy = either(GREY, corruptions=(torch.zeros_like, torch.ones_like))
    whole = noisy.flatten(1)
    assert (whole == whole[:, :1]).all(), "an image is corrupted as a whole"
    assert float(whole[:, 0].mean()) == pytest.approx(0.5, abs=0.15)


def test_a_corrupted_split_keeps_its_targets_and_its_noise(test):
    state = torch.get_rng_state()
    noisy = corrupted(test, gaussian)
    assert torch.equal(noisy.target, test.x) and not torch.equal(noisy.x, test.x)
    assert torch.equal(corrupted(test, gaussian).x, noisy.x)
    assert not torch.equal(corrupted(test, gaussian, seed=1).x, noisy.x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("corrupt", "sentence"),
    [
        (partial(salt_and_pepper, fraction=1.5), r"fraction of the pixels in \[0, 1\], but got 1.5"),
        (partial(masking, fraction=-0.1), r"fraction of the pixels in \[0, 1\], but got -0.1"),
        (partial(either, corruptions=()), "at least one corruption"),
    ],
)
def test_bad_options_get_a_sentence(corrupt, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        corrupt(GREY)
