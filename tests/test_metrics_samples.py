"""Metrics of samples: the Fréchet distance against its definition, the others against cases known by hand."""

import pytest
import torch
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import class_probabilities, features, pretrained_classifier
from ae_utils.metrics.samples import (
    FrechetDistance,
    classes_reached,
    confident_fraction,
    label_entropy,
    label_fractions,
)
from ae_utils.models import ClassifierOutput


class Pixels(nn.Module):
    """A classifier whose features are three given pixels, mixed by a matrix."""

    def __init__(self, mixing=None):
        super().__init__()
        self.mixing = torch.eye(3) if mixing is None else mixing

    def forward(self, x):
        seen = x.flatten(1)[:, :3] @ self.mixing
        return ClassifierOutput(seen, seen)


def images_of(values):
    x = torch.zeros(len(values), 1, 28, 28)
    x.view(len(values), -1)[:, :3] = values
    return x


def numbers(count, seed):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def test_real_images_lie_at_no_distance():
    real = images_of(numbers(500, 1))
    assert FrechetDistance(Pixels(), real)(real) == pytest.approx(0, abs=1e-9)


def test_it_is_the_distance_of_two_gaussians_once_whitened():
    real, ours = numbers(2000, 1), numbers(1500, 2) @ torch.tensor([[2.0, 1, 0], [0, 0.5, 0], [0, 0, 1]]) + 1
    real, ours = (values.double() for values in (real, ours))
    whiten = torch.linalg.inv(root(torch.cov(real.T)))
    white = (ours - real.mean(0)) @ whiten
    covariance = torch.cov(white.T)
    expected = white.mean(0).square().sum() + (torch.eye(3) + covariance - 2 * root(covariance)).trace()
    ours, real = (images_of(values.float()) for values in (ours, real))
    assert FrechetDistance(Pixels(), real)(ours) == pytest.approx(float(expected), rel=1e-5)


def test_a_shift_by_one_standard_deviation_is_one():
    real = numbers(5000, 1)
    ours = real + real.std(0) * torch.tensor([1.0, 0, 0])
    real = real @ torch.eye(3)
    assert FrechetDistance(Pixels(), images_of(real))(images_of(ours)) == pytest.approx(1, rel=0.01)


def test_another_classifier_with_mixed_features_gives_the_same():
    mixing = torch.tensor([[3.0, 1, 0], [0, 0.1, 2], [1, 0, -5]])
    real, ours = images_of(numbers(1000, 1)), images_of(1.5 * numbers(1000, 2))
    plain, mixed = (FrechetDistance(Pixels(matrix), real)(ours) for matrix in (None, mixing))
    assert plain == pytest.approx(mixed, rel=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1e-5])
def test_a_feature_that_hardly_moves_is_left_out(scale):
    """Its variance is less than 1e-8 of the largest, which may be rounding."""
    real, ours = numbers(500, 1), numbers(500, 2)
    real[:, 2] *= scale
    ours[:, 2] *= scale
    distance = FrechetDistance(Pixels(), images_of(real))
    assert distance.whiten.shape == (3, 2) and distance(images_of(ours)) < 0.1


def test_too_few_images_are_refused():
    with pytest.raises(InvalidInput, match="more than 3 real images, but got 3"):
        FrechetDistance(Pixels(), images_of(numbers(3, 1)))
    with pytest.raises(InvalidInput, match="at least 2 images, but got 1"):
        FrechetDistance(Pixels(), images_of(numbers(9, 1)))(images_of(numbers(1, 1)))


def test_real_digits_are_near_and_noise_is_far(train, test):
    classifier = pretrained_classifier()
    distance = FrechetDistance(classifier, train.x)
    noise = torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    smear = train.x.mean(0, keepdim=True).repeat(500, 1, 1, 1)
    assert distance(test.x) < 6 < 60 < distance(smear) < distance(noise)


def test_features_do_not_depend_on_the_batch_size(test):
    classifier = pretrained_classifier()
    torch.testing.assert_close(
        features(classifier, test.x, batch_size=7), features(classifier, test.x), rtol=1e-4, atol=1e-4
    )


def test_two_images_have_a_distance():
    """Their covariance has one direction: two of three eigenvalues are 0, or what rounding makes of it."""
    real = numbers(5000, 1)
    real = (real - real.mean(0)) @ torch.linalg.inv(root(torch.cov(real.T)))
    step = torch.tensor([0.3, -0.2, 0.7])
    spread = 2**0.5 * float(step.norm())  # the standard deviation of ± step
    two = images_of(torch.stack([step, -step]))
    assert FrechetDistance(Pixels(), images_of(real))(two) == pytest.approx((spread - 1) ** 2 + 2, rel=1e-4)


def sure(*labels, of=1.0):
    """Probabilities (n, 10): ``of`` for each label, the rest for the next digit."""
    one_hot = nn.functional.one_hot(torch.tensor(labels), 10).double()
    return of * one_hot + (1 - of) * one_hot.roll(1, 1)


def test_fractions_of_labels_and_their_entropy_by_hand():
    probabilities = sure(0, 0, 4, 8)
    assert label_fractions(probabilities).tolist() == [0.5, 0, 0, 0, 0.25, 0, 0, 0, 0.25, 0]
    assert label_entropy(probabilities) == pytest.approx(1.5 * torch.tensor(2.0).log().item())


@pytest.mark.parametrize(("others", "reached"), [(99, 2), (100, 1)])
def test_a_class_is_reached_with_one_image_in_a_hundred(others, reached):
    assert classes_reached(sure(*[3] * others, 7)) == reached


def test_an_image_is_confident_from_95_percent_on():
    assert confident_fraction(torch.cat([sure(1, of=0.95), sure(2, 3, of=0.94), sure(4)])) == 0.5


def test_a_classifier_gives_each_image_probabilities_that_sum_to_1(test):
    found = class_probabilities(Ten(), test.x[:30])
    assert torch.allclose(found, test.x[:30].flatten(1)[:, 300:310].softmax(1))


class Ten(nn.Module):
    """A classifier whose logits are ten pixels."""

    def forward(self, x):
        return ClassifierOutput(x.flatten(1)[:, 300:310], x)


@pytest.mark.parametrize("shape", [(0, 10), (5, 9), (5, 11), (10,), (2, 10, 1)])
@pytest.mark.parametrize("metric", [classes_reached, confident_fraction, label_fractions])
def test_what_are_no_probabilities_of_ten_digits_is_refused(metric, shape):
    with pytest.raises(InvalidInput, match=r"probabilities \(n, 10\) of at least one image"):
        metric(torch.zeros(shape))
