"""Metrics of codes: right where the answer is known, and deaf to what must not matter."""

import pytest
import torch
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.metrics.codes import active_share, codes, linear_probe, nearest_neighbours, selectivity, sensitivity
from ae_utils.models import Autoencoder
from ae_utils.networks import Affine, dense_decoder, dense_encoder

READERS = (lambda *data: float(linear_probe(*data, count=100, draws=2).mean()), nearest_neighbours)


def clusters(count, seed):
    """Codes in ten well separated heaps, and the numbers of the heaps."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % 10
    return 5 * nn.functional.one_hot(label, 10) + torch.randn(count, 10, generator=generator), label


@pytest.mark.parametrize("read", READERS)
def test_readers_find_digits_that_lie_apart(read):
    assert read(*clusters(500, 0), *clusters(300, 1)) > 0.95


@pytest.mark.parametrize("read", READERS)
def test_readers_find_nothing_in_noise(read):
    noise = torch.randn(800, 10, generator=torch.Generator().manual_seed(0))
    label = torch.arange(800) % 10
    assert read(noise[:500], label[:500], noise[500:], label[500:]) < 0.2


@pytest.mark.parametrize("read", READERS)
def test_readers_do_not_care_about_scale_and_place(read):
    (z, label), (test_z, test_label) = clusters(500, 0), clusters(300, 1)
    moved = read(1000 * z + 3, label, 1000 * test_z + 3, test_label)
    assert moved == pytest.approx(read(z, label, test_z, test_label), abs=0.01)


def test_the_probe_draws_the_same_labels_for_every_code():
    z, label = clusters(500, 0)
    one = linear_probe(z, label, z, label, count=20, draws=3)
    assert torch.equal(one, linear_probe(z, label, z, label, count=20, draws=3))
    assert one.shape == (3,) and len(one.unique()) > 1


def test_active_share_counts():
    z = torch.tensor([[0.0, 0.5], [0.0, -2.0], [0.1, 0.0], [0.0, 0.0]])
    assert active_share(z) == 3 / 8
    assert active_share(z, threshold=0.2) == 2 / 8


def test_selectivity_of_known_units():
    label = torch.arange(40) % 10
    only_three, even, silent = (label == 3).float(), torch.ones(40), torch.zeros(40)
    three_thrice = torch.where(label == 3, 3.0, 1.0)
    found = selectivity(torch.stack([only_three, even, silent, three_thrice], 1), label)
    assert torch.allclose(found, torch.tensor([1.0, 0.0, 0.0, 0.5]))


def test_selectivity_refuses_negative_activations():
    with pytest.raises(InvalidInput, match="activations of at least 0"):
        selectivity(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))


def autoencoder(last, signed=False):
    torch.manual_seed(0)
    return Autoencoder(dense_encoder((6,)).append(last), dense_decoder((6,)), 6, signed=signed)


def test_sensitivity_is_deaf_to_the_scale_of_the_code(test):
    alone, shrunk = (sensitivity(autoencoder(last), test) for last in (nn.Identity(), Affine(0.01, 0.0)))
    assert shrunk == pytest.approx(alone, rel=1e-3)
    assert 0 < alone < 1


def test_sensitivity_grows_with_the_noise(test):
    net = autoencoder(nn.Identity())
    assert sensitivity(net, test, noise_std=0.3) > sensitivity(net, test, noise_std=0.1)


def test_codes_are_those_of_the_models_own_scale(test):
    net = autoencoder(nn.Identity(), signed=True)
    with torch.no_grad():
        expected = net.encode(test.signed().x)
    assert torch.allclose(codes(net, test, batch_size=99), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda z, label: linear_probe(z, label, z, label, count=501), "count between 1 and 500, but got 501"),
        (lambda z, label: nearest_neighbours(z, label, z, label, k=0), "k between 1 and 500, but got 0"),
        (lambda z, label: linear_probe(z, label[1:], z, label), r"shape \(n, units\) and n labels"),
        (lambda z, label: selectivity(z[0], label), r"shape \(n, units\) and n labels"),
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
def test_labels_of_one_digit_are_an_answer_too(count):
    z, label = clusters(300, 0)
    three = torch.full((50,), 3)
    assert linear_probe(z[:50], three, z, label, count=count).tolist() == pytest.approx([0.1] * 5)


@pytest.mark.parametrize("read", READERS)
def test_codes_that_are_no_numbers_are_refused(read):
    z, label = clusters(300, 0)
    z[7, 2] = torch.nan
    with pytest.raises(InvalidInput, match="expected finite codes"):
        read(z, label, z, label)
