"""Metrics of latent codes: right where the answer is known, and independent of what must not matter."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.metrics.latent import (
    active_fraction,
    codes,
    linear_probe,
    nearest_neighbour_accuracy,
    selectivity,
    sensitivity,
)
from ae_utils.models import VAE, Autoencoder
from ae_utils.networks.dense import Affine, dense_decoder, dense_encoder

PROBES = (lambda *data: float(linear_probe(*data, count=100, draws=2).mean()), nearest_neighbour_accuracy)


def clusters(count, seed):
    """Codes in ten well separated clusters, and the numbers of the clusters."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % 10
    return 5 * nn.functional.one_hot(label, 10) + torch.randn(count, 10, generator=generator), label


@pytest.mark.parametrize("probe", PROBES)
def test_probes_find_digits_that_lie_apart(probe):
    assert probe(*clusters(500, 0), *clusters(300, 1)) > 0.95


@pytest.mark.parametrize("probe", PROBES)
def test_probes_find_nothing_in_noise(probe):
    noise = torch.randn(800, 10, generator=torch.Generator().manual_seed(0))
    label = torch.arange(800) % 10
    assert probe(noise[:500], label[:500], noise[500:], label[500:]) < 0.2


@pytest.mark.parametrize("probe", PROBES)
def test_probes_do_not_depend_on_scale_and_location(probe):
    (z, label), (test_z, test_label) = clusters(500, 0), clusters(300, 1)
    moved = probe(1000 * z + 3, label, 1000 * test_z + 3, test_label)
    assert moved == pytest.approx(probe(z, label, test_z, test_label), abs=0.01)


def test_the_probe_draws_the_same_labels_for_every_code():
    z, label = clusters(500, 0)
    one = linear_probe(z, label, z, label, count=20, draws=3)
    assert torch.equal(one, linear_probe(z, label, z, label, count=20, draws=3))
    assert one.shape == (3,) and len(one.unique()) > 1


def test_active_fraction_counts():
    z = torch.tensor([[0.0, 0.5], [0.0, -2.0], [0.1, 0.0], [0.0, 0.0]])
    assert active_fraction(z) == 3 / 8
    assert active_fraction(z, threshold=0.2) == 2 / 8


def test_selectivity_of_known_units():
    label = torch.arange(40) % 10
    only_three, even, inactive = (label == 3).float(), torch.ones(40), torch.zeros(40)
    three_thrice = torch.where(label == 3, 3.0, 1.0)
    found = selectivity(torch.stack([only_three, even, inactive, three_thrice], 1), label)
    assert torch.allclose(found, torch.tensor([1.0, 0.0, 0.0, 0.5]))


def test_selectivity_refuses_negative_activations():
    with pytest.raises(InvalidInput, match="activations of at least 0"):
        selectivity(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))


def autoencoder(last, pixel_range=(0, 1)):
    torch.manual_seed(0)
    return Autoencoder(dense_encoder((6,)).append(last), dense_decoder((6,)), 6, pixel_range=pixel_range)


def test_sensitivity_does_not_depend_on_the_scale_of_the_code(test):
    alone, shrunk = (sensitivity(autoencoder(last), test) for last in (nn.Identity(), Affine(0.01, 0.0)))
    assert shrunk == pytest.approx(alone, rel=1e-3)
    assert 0 < alone < 1


def test_sensitivity_grows_with_the_noise(test):
    net = autoencoder(nn.Identity())
    assert sensitivity(net, test, noise_std=0.3) > sensitivity(net, test, noise_std=0.1)


def test_codes_are_those_of_the_models_own_pixel_range(test):
    net = autoencoder(nn.Identity(), pixel_range=(-1, 1))
    with torch.no_grad():
        expected = net.encode(test.to_range(-1, 1).x)
    assert torch.allclose(codes(net, test, batch_size=99), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda z, label: linear_probe(z, label, z, label, count=501), "count between 1 and 500, but got 501"),
        (lambda z, label: linear_probe(z, label, z, label), "count between 1 and 500, but got 1000"),
        (lambda z, label: linear_probe(z, label, z, label, count=0), "count between 1 and 500, but got 0"),
        (lambda z, label: linear_probe(z, label, z, label, count=2.5), "count between 1 and 500, but got 2.5"),
        (lambda z, label: nearest_neighbour_accuracy(z, label, z, label, k=0), "k between 1 and 500, but got 0"),
        (lambda z, label: nearest_neighbour_accuracy(z, label, z, label, k=501), "k between 1 and 500, but got 501"),
        (lambda z, label: nearest_neighbour_accuracy(z, label, z, label, k=2.5), "k between 1 and 500, but got 2.5"),
        (lambda z, label: linear_probe(z, label[1:], z, label), r"shape \(n, units\) and n labels"),
        (lambda z, label: linear_probe(z[:, :0], label, z, label), r"shape \(n, units\) and n labels"),
        (lambda z, label: selectivity(z[0], label), r"shape \(n, units\) and n labels"),
        (lambda z, label: selectivity(z.abs(), torch.ones_like(label)), "codes of at least two digits, but got 1"),
        (lambda z, label: selectivity(z.clamp(-0.5), label), "activations of at least 0, but the smallest is -0.5"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        call(*clusters(500, 0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_collapsed_codes_read_as_the_most_frequent_digit(value):
    label, test_label = torch.tensor([3] * 60 + [1] * 40), torch.tensor([3] * 20 + [1] * 30)
    found = linear_probe(torch.full((100, 4), value), label, torch.full((50, 4), value), test_label, count=100)
    assert found.tolist() == pytest.approx([0.4] * 5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 10])
def test_labels_of_one_digit_are_allowed_too(count):
    z, label = clusters(300, 0)
    three = torch.full((50,), 3)
    assert linear_probe(z[:50], three, z, label, count=count).tolist() == pytest.approx([0.1] * 5)


@pytest.mark.parametrize("probe", PROBES)
def test_codes_that_are_no_numbers_are_refused(probe):
    z, label = clusters(300, 0)
    z[7, 2] = torch.nan
    with pytest.raises(InvalidInput, match="expected finite codes"):
        probe(z, label, z, label)


def overlapping(count, seed, scale):
    """Clusters that overlap, in units of different size."""
    z, label = clusters(count, seed)
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed + 9))
    return scale * torch.linspace(0.2, 2, 10) * (0.3 * z + 0.7 * noise), label


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_the_probe_is_scikit_learns_on_codes_divided_by_one_number(scale):
    """C = 10, and five draws of seeds 0 to 4; the number is the root of the summed variances."""
    (z, label), (test_z, test_label) = overlapping(1500, 0, scale), overlapping(4000, 1, scale)
    expected = []
    for seed in range(5):
        picked = torch.randperm(1500, generator=torch.Generator().manual_seed(seed))[:50]
        labelled = z[picked].double().numpy()
        center, size = labelled.mean(0), labelled.var(0, ddof=1).sum() ** 0.5
        probe = LogisticRegression(C=10.0, max_iter=5000).fit((labelled - center) / size, label[picked])
        expected.append(probe.score((test_z.double().numpy() - center) / size, test_label))
    assert linear_probe(z, label, test_z, test_label, count=50).tolist() == pytest.approx(expected, abs=5e-4)


def test_the_probe_reads_codes_far_from_0():
    (z, label), (test_z, test_label) = clusters(500, 0), clusters(300, 1)
    assert linear_probe(z + 100, label, test_z + 100, test_label, count=400).min() > 0.95


def test_five_neighbours_vote():
    """The two nearest say 0, the next three 1, and all others 0."""
    z, label = torch.arange(1.0, 12.0)[:, None], torch.tensor([0, 0, 1, 1, 1, *[0] * 6])
    assert nearest_neighbour_accuracy(z, label, torch.zeros(1, 1), torch.tensor([1])) == 1.0


def test_selectivity_does_not_depend_on_the_scale_of_a_unit():
    z, label = clusters(200, 0)
    assert torch.allclose(selectivity(0.001 * z.abs(), label), selectivity(z.abs(), label))


def test_sensitivity_by_hand(test):
    """The code is the first hundred pixels of the middle rows; the noise of .1 leaves pixels between 0 and 1."""

    class Pixels(nn.Module):
        def encode(self, x, label):
            return x.flatten(1)[:, 350:450]

    noise = 0.1 * torch.randn(test.x.shape, generator=torch.Generator().manual_seed(0))
    z, moved = (x.flatten(1)[:, 350:450].double() for x in (test.x, (test.x + noise).clip(0, 1)))
    between = (z[:, None] - z[None]).square().sum(2)[~torch.eye(500, dtype=torch.bool)].mean()
    assert sensitivity(Pixels(), test) == pytest.approx(float((moved - z).square().sum(1).mean() / between), rel=1e-4)


def test_a_model_without_a_pixel_range_is_given_pixels_between_0_and_1(test):
    net = VAE(dense_encoder((6,)), dense_decoder((3,), last=nn.Identity), 3)
    with torch.no_grad():
        assert torch.allclose(codes(net, test), net.encode(test.x), atol=1e-5)
