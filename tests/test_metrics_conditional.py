"""Conditional accuracy, other labels and the within-class standard deviation, on models whose output is known."""

import math

import pytest
import torch
from torch import nn

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import classify_with, nearest_neighbour_classifier, pretrained_classifier
from ae_utils.metrics.conditional import (
    all_digits,
    class_information,
    conditional_accuracy,
    conditional_report,
    decode_with_labels,
    draw,
    random_other_labels,
    within_class_std,
)
from ae_utils.models import CVAE
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential


class UsesLabel(nn.Module):
    """Decodes the label to the digit, always the same image of it; its code is the image."""

    latent_dim = 784

    def __init__(self, digits):
        super().__init__()
        self.digits = digits

    def encode(self, x, label=None):
        return x.flatten(1)

    def decode(self, z, label=None):
        return self.digits[label]


class IgnoresLabel(UsesLabel):
    """Decodes the code and ignores the label."""

    def decode(self, z, label=None):
        return z.view(-1, 1, 28, 28)


def linear_cvae():
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 4))
    return CVAE(encoder, ConditionalSequential(ConcatLabel(), nn.Linear(12, 784), nn.Unflatten(1, (1, 28, 28))), 2)


@pytest.fixture
def one_of_each(test):
    return torch.stack([test.x[test.label == digit][0] for digit in range(10)])


@pytest.fixture(scope="module")
def classifiers(train):
    network = classify_with(pretrained_classifier())
    return {"classifier": network, "nearest_neighbours": nearest_neighbour_classifier(train)}


def test_the_accuracy_is_1_for_a_model_that_uses_the_label_and_small_for_one_that_ignores_it(
    one_of_each, classifiers, test
):
    uses, ignores = (
        conditional_report(kind(one_of_each), classifiers, test, count=200) for kind in (UsesLabel, IgnoresLabel)
    )
    assert uses["other_label_classifier"] == uses["sampled_classifier"] == 1.0
    assert ignores["other_label_classifier"] < 0.02 and ignores["other_label_nearest_neighbours"] < 0.03
    assert ignores["real_classifier"] > 0.98 and ignores["real_nearest_neighbours"] > 0.88


def test_the_within_class_std_is_0_when_every_digit_is_the_same_image(one_of_each, classifiers, test):
    report = conditional_report(UsesLabel(one_of_each), classifiers, test, count=200)
    assert report["sampled_within_class_std"] == 0
    assert report["reconstructed_within_class_std"] == 0
    pixels = torch.stack([test.x[test.label == digit].flatten(1).std(0).mean() for digit in range(10)])
    assert report["real_within_class_std"] == pytest.approx(float(pixels.mean()))


def test_another_label_is_never_the_old_one_and_every_other_is_reached():
    label = all_digits(10_000)
    other = random_other_labels(label)
    assert not (other == label).any()
    assert ((other - label) % 10).bincount(minlength=10)[1:].min() > 1000
    assert torch.equal(other, random_other_labels(label)) and not torch.equal(other, random_other_labels(label, seed=1))


def test_same_seed_same_samples_and_nothing_random_without_temperature():
    model = linear_cvae()
    label = all_digits(30)
    assert torch.equal(draw(model, label), draw(model, label))
    assert not torch.equal(draw(model, label), draw(model, label, seed=1))
    cold = draw(model, label, temperature=0.0)
    assert torch.equal(cold[:10], cold[10:20])


def test_the_same_code_and_the_same_label_is_a_reconstruction(test):
    model = linear_cvae()
    with torch.no_grad():
        expected = model.decode(model.encode(test.x, test.label), test.label)
    assert torch.allclose(decode_with_labels(model, test, test.label), expected, atol=1e-6)


def test_too_few_images_get_a_sentence(train):
    with pytest.raises(InvalidInput, match="at least 2 images"):
        within_class_std(train.x[:1], train.label[:1])
    with pytest.raises(InvalidInput, match="at least 2 images of every label"):
        within_class_std(train.x[:3], torch.tensor([4, 4, 7]))
    with pytest.raises(InvalidInput, match="at least 50 real images"):
        nearest_neighbour_classifier(train[:49])


def test_conditional_accuracy_is_a_fraction():
    label, seen = torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 3])
    assert conditional_accuracy(lambda images: seen, torch.zeros(4, 1, 28, 28), label) == 0.75


def test_digits_take_turns():
    assert all_digits(12).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_the_five_nearest_of_fifty_images_vote():
    """They differ in one pixel. The two nearest to black say 0, the next three 1, and all others 0."""
    x = torch.zeros(50, 1, 28, 28)
    x[:, 0, 5, 5] = torch.arange(1, 51) / 50
    classify = nearest_neighbour_classifier(Images(x, x, torch.tensor([0, 0, 1, 1, 1, *[0] * 45])))
    assert classify(torch.zeros(1, 1, 28, 28)).tolist() == [1]


@pytest.mark.parametrize(("options", "std"), [({}, 1.0), ({"temperature": 0.5}, 0.5)])
def test_codes_are_drawn_from_a_normal_distribution_as_wide_as_the_temperature(options, std):
    z = draw(IgnoresLabel(None), all_digits(2500), **options)
    assert z.shape == (2500, 1, 28, 28)
    assert z.std().item() == pytest.approx(std, rel=0.01) and abs(z.mean()) < 0.01
    assert torch.equal(z, draw(IgnoresLabel(None), all_digits(2500), seed=0, **options))


def test_the_within_class_std_of_two_images_of_each_class_by_hand():
    x = torch.zeros(4, 1, 28, 28)
    x[1] = 1.0  # 0 and 1: a standard deviation of √½; the other class has one of 0
    assert within_class_std(x, torch.tensor([3, 3, 8, 8])) == pytest.approx(0.5**0.5 / 2)


@pytest.mark.parametrize(("count", "there"), [(10, False), (20, True)])
def test_the_within_class_std_of_samples_needs_two_of_every_label(count, there, one_of_each, test):
    report = conditional_report(UsesLabel(one_of_each), {}, test, count=count)
    assert ("sampled_within_class_std" in report) == there and {
        "reconstructed_within_class_std",
        "real_within_class_std",
    } <= set(report)


# --- information about the class in the code ------------------------------------------------------------------------


class KnownCode(nn.Module):
    """A posterior around ``mean(label)``, with a standard deviation of 0.05."""

    latent_dim = 2

    def __init__(self, mean):
        super().__init__()
        self.mean = mean

    def posterior(self, x, label=None):
        mu = self.mean(label)
        return mu, torch.full_like(mu, 2 * math.log(0.05))


@pytest.mark.parametrize(
    ("mean", "nats"),
    [
        (lambda label: torch.zeros(len(label), 2), 0.0),
        (lambda label: torch.stack(((label % 5).float() - 2, (label // 5).float()), 1), math.log(10)),
        (lambda label: torch.stack(((label % 5).float() - 2, torch.zeros(len(label))), 1), math.log(5)),
    ],
    ids=["nothing", "all of it", "one of five pairs"],
)
def test_information_about_the_class_is_that_of_codes_where_it_is_known(train, test, mean, nats):
    assert class_information(KnownCode(mean), train, test) == pytest.approx(nats, abs=0.05)


def test_information_about_the_class_counts_what_is_drawn_not_the_mean(train, test):
    class Noisy(KnownCode):
        def posterior(self, x, label=None):
            mu = self.mean(label)
            return mu, torch.full_like(mu, 2 * math.log(20.0))

    def mean(label):
        return torch.stack((label.float() - 4.5, torch.zeros(len(label))), 1)

    assert class_information(Noisy(mean), train, test) < 0.1 < 1 < class_information(KnownCode(mean), train, test)


def test_measuring_information_changes_no_random_numbers_and_repeats(train, test):
    model = KnownCode(lambda label: torch.stack((label.float(), label.float()), 1))
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first = class_information(model, train, test, seed=1)
    assert torch.equal(torch.rand(1), wanted) and first == class_information(model, train, test, seed=1)


def test_information_is_measured_where_gradients_are_off(train, test):
    model = KnownCode(lambda label: torch.stack((label.float(), label.float()), 1))
    with torch.no_grad():
        inside = class_information(model, train, test)
        assert not torch.is_grad_enabled()
    assert inside == class_information(model, train, test) > 1
