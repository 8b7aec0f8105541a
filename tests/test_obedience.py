"""Obedience, swapped labels and variety, on models whose answers are known."""

import pytest
import torch
from torch import nn

from ae_utils.data.images import Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.obedience import (
    all_digits,
    classifier,
    draw,
    neighbours,
    obedience,
    obedience_report,
    redraw,
    swapped,
    variety,
)
from ae_utils.models import CVAE
from ae_utils.recipes.trained import trained


class Mirror(nn.Module):
    """Draws the digit that it is asked for, always the same one; its code is the picture."""

    latent_dim = 784

    def __init__(self, digits):
        super().__init__()
        self.digits = digits

    def encode(self, x, label=None):
        return x.flatten(1)

    def decode(self, z, label=None):
        return self.digits[label]


class Deaf(Mirror):
    """Decodes the code and never listens to the label."""

    def decode(self, z, label=None):
        return z.view(-1, 1, 28, 28)


@pytest.fixture
def one_of_each(test):
    return torch.stack([test.x[test.label == digit][0] for digit in range(10)])


@pytest.fixture(scope="module")
def judges(train):
    return {"judge": classifier(trained("judge")), "neighbours": neighbours(train)}


def test_an_obedient_model_draws_what_it_is_asked_for_and_a_deaf_one_what_it_is_shown(one_of_each, judges, test):
    obedient, deaf = (obedience_report(kind(one_of_each), judges, test, count=200) for kind in (Mirror, Deaf))
    assert obedient["swapped_judge"] == obedient["sampled_judge"] == 1.0
    assert deaf["swapped_judge"] < 0.02 and deaf["swapped_neighbours"] < 0.03
    assert deaf["real_judge"] > 0.98 and deaf["real_neighbours"] > 0.88


def test_variety_is_none_when_every_digit_is_the_same_picture(one_of_each, judges, test):
    report = obedience_report(Mirror(one_of_each), judges, test, count=200)
    assert report["sampled_variety"] == 0
    assert report["reconstructed_variety"] == 0
    pixels = torch.stack([test.x[test.label == digit].flatten(1).std(0).mean() for digit in range(10)])
    assert report["real_variety"] == pytest.approx(float(pixels.mean()))


def test_a_swapped_label_is_never_the_old_one_and_every_other_is_reached():
    label = all_digits(10_000)
    other = swapped(label)
    assert not (other == label).any()
    assert ((other - label) % 10).bincount(minlength=10)[1:].min() > 1000
    assert torch.equal(other, swapped(label)) and not torch.equal(other, swapped(label, seed=1))


def test_same_seed_same_samples_and_no_temperature_no_chance():
    model = CVAE(nn.Flatten(), nn.Linear(794, 4), nn.Sequential(nn.Linear(12, 784), nn.Unflatten(1, (1, 28, 28))), 2)
    label = all_digits(30)
    assert torch.equal(draw(model, label), draw(model, label))
    assert not torch.equal(draw(model, label), draw(model, label, seed=1))
    cold = draw(model, label, temperature=0.0)
    assert torch.equal(cold[:10], cold[10:20])


def test_the_same_code_and_the_same_label_is_a_reconstruction(test):
    model = CVAE(nn.Flatten(), nn.Linear(794, 4), nn.Sequential(nn.Linear(12, 784), nn.Unflatten(1, (1, 28, 28))), 2)
    with torch.no_grad():
        expected = model.decode(model.encode(test.x, test.label), test.label)
    assert torch.allclose(redraw(model, test, test.label), expected, atol=1e-6)


def test_too_few_pictures_get_a_sentence(train):
    with pytest.raises(InvalidInput, match="at least 2 pictures"):
        variety(train.x[:1], train.label[:1])
    with pytest.raises(InvalidInput, match="at least 2 pictures of every class"):
        variety(train.x[:3], torch.tensor([4, 4, 7]))
    with pytest.raises(InvalidInput, match="at least 50 real images"):
        neighbours(train[:49])


def test_obedience_is_a_share():
    asked, seen = torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 3])
    assert obedience(lambda images: seen, torch.zeros(4, 1, 28, 28), asked) == 0.75


def test_digits_take_turns():
    assert all_digits(12).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_the_five_nearest_of_fifty_images_vote():
    """They differ in one pixel. The two nearest to black say 0, the next three 1, and all others 0."""
    x = torch.zeros(50, 1, 28, 28)
    x[:, 0, 5, 5] = torch.arange(1, 51) / 50
    judge = neighbours(Images(x, x, torch.tensor([0, 0, 1, 1, 1, *[0] * 45])))
    assert judge(torch.zeros(1, 1, 28, 28)).tolist() == [1]


@pytest.mark.parametrize(("options", "std"), [({}, 1.0), ({"temperature": 0.5}, 0.5)])
def test_codes_are_drawn_from_a_normal_distribution_as_wide_as_the_temperature(options, std):
    z = draw(Deaf(None), all_digits(2500), **options)
    assert z.shape == (2500, 1, 28, 28)
    assert z.std().item() == pytest.approx(std, rel=0.01) and abs(z.mean()) < 0.01
    assert torch.equal(z, draw(Deaf(None), all_digits(2500), seed=0, **options))


def test_variety_of_two_pictures_of_each_class_by_hand():
    x = torch.zeros(4, 1, 28, 28)
    x[1] = 1.0  # 0 and 1: a standard deviation of √½; the other class has one of 0
    assert variety(x, torch.tensor([3, 3, 8, 8])) == pytest.approx(0.5**0.5 / 2)


@pytest.mark.parametrize(("count", "there"), [(10, False), (20, True)])
def test_the_variety_of_samples_wants_two_of_every_class(count, there, one_of_each, judges, test):
    report = obedience_report(Mirror(one_of_each), {}, test, count=count)
    assert ("sampled_variety" in report) == there and {"reconstructed_variety", "real_variety"} <= set(report)
