"""Embeddings keep neighbours together, and say how they were made."""

import pytest
import torch

from ae_utils.embedding import embed
from ae_utils.errors import InvalidInput
from ae_utils.plots import scatter_codes


@pytest.fixture
def clusters():
    """Six tight clusters in ten dimensions: codes (600, 10) and which cluster each belongs to."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(600) % 6
    return 8 * torch.eye(10)[label] + torch.randn(600, 10, generator=generator), label


def nearest_agree(points, label):
    near = (torch.cdist(points, points) + torch.eye(len(points)) * 1e9).argmin(1)
    return float((label[near] == label).double().mean())


@pytest.mark.parametrize(("method", "dims"), [("pca", 2), ("pca", 3), ("t-sne", 3)])
def test_neighbours_stay_neighbours(clusters, method, dims):
    made = embed(clusters[0], method, dims)
    assert made.points.shape == (600, dims)
    assert made.trustworthiness > 0.7
    assert nearest_agree(made.points, clusters[1]) > (0.99 if method == "t-sne" else 0.5)


def test_placed_codes_land_in_their_clusters(clusters):
    made = embed(clusters[0], sample=200)
    assert nearest_agree(made.points, clusters[1]) > 0.99
    assert made.caption.startswith("t-SNE of 200, the rest placed by their neighbours, 600 codes; trustworthiness 0.")


def test_same_seed_same_map(clusters):
    assert torch.equal(embed(clusters[0][:100]).points, embed(clusters[0][:100]).points)


@pytest.mark.parametrize(
    ("codes", "options"),
    [
        (torch.zeros(100, 4), {"method": "umap"}),
        (torch.zeros(100, 4), {"dims": 4}),
        (torch.zeros(10, 4), {}),
        (torch.full((100, 4), torch.nan), {}),
        (torch.zeros(100), {}),
    ],
)
def test_wrong_wishes_get_a_sentence(codes, options):
    with pytest.raises(InvalidInput, match="embed expects"):
        embed(codes, **options)


@pytest.mark.parametrize("method", ["pca", "t-sne"])
@pytest.mark.parametrize(("numbers", "dims"), [(2, 3), (1, 3), (1, 2)])
def test_codes_of_fewer_numbers_than_dimensions_get_a_sentence(method, numbers, dims):
    with pytest.raises(InvalidInput, match=rf"at least {dims} numbers for {dims} dimensions, but got {numbers}; draw"):
        embed(torch.rand(100, numbers), method, dims)


def test_codes_of_two_numbers_keep_two_dimensions():
    codes = torch.rand(100, 2)
    assert embed(codes, "pca", 2).trustworthiness > 0.99


@pytest.mark.parametrize("numbers", [2, 3])
def test_codes_with_gradients_are_drawn(numbers):
    codes = torch.rand(30, numbers, requires_grad=True)
    drawn = scatter_codes(codes, torch.arange(30) % 10).axes[0].collections
    assert sum(len(points.get_offsets()) for points in drawn) == 30
    assert scatter_codes(codes.detach().numpy(), torch.arange(30).numpy() % 10).axes, "arrays are, too"
