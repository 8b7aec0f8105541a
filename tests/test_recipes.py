"""Every recipe trains, and the published ones carry the published settings."""

import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from ae_utils.data.images import Batches
from ae_utils.data.mnist import mnist
from ae_utils.recipes.catalogue import RECIPES, find
from ae_utils.recipes.recipe import csv_images
from ae_utils.training import evaluate, fit


def widths(network):
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize(
    ("name", "encoder", "epochs"),
    [
        ("vanilla", [784, 32], 10),
        ("linear-3d", [784, 128, 64, 12, 3], 20),
        ("linear-5d", [784, 128, 64, 12, 5], 13),
        ("deep-3d", [784, 128, 64, 32, 16, 12, 3], 20),
        ("linear-3d-fast", [784, 128, 64, 12, 3], 10),
    ],
)
def test_published_widths(name, encoder, epochs):
    recipe, model = RECIPES[name], RECIPES[name].build()
    assert recipe.epochs == epochs
    assert widths(model.encoder) == encoder
    assert widths(model.decoder) == encoder[::-1]


@pytest.mark.parametrize("name", ["vanilla", "linear-3d", "linear-5d", "deep-3d"])
def test_published_optimizer(name):
    step = RECIPES[name].step(RECIPES[name], RECIPES[name].build())
    options = step.optimizer.param_groups[0]
    assert (options["lr"], options["weight_decay"], RECIPES[name].batch_size) == (1e-3, 1e-5, 64)


def test_deep_lives_between_minus_one_and_one(test):
    recipe = RECIPES["deep-3d"]
    assert recipe.signed and recipe.source is csv_images
    assert recipe.build()(test.signed().x).x_hat.min() < 0


def test_pca_ae_finds_the_subspace_of_pca():
    """All of MNIST: the error within 0.1 % of PCA's, and the same 32-dimensional subspace."""
    recipe, train, test = RECIPES["pca-ae"], mnist("train"), mnist("test")
    torch.manual_seed(0)
    step = recipe.step(recipe, recipe.build())
    recipe.prepare(step.model, train)
    fit(step, Batches(train, recipe.batch_size, shuffle=True), epochs=recipe.epochs, seed=0)
    pca = PCA(32, svd_solver="covariance_eigh").fit(train.x.flatten(1).numpy())
    flat = test.x.flatten(1).numpy()
    error = ((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).mean()
    assert evaluate(step, Batches(test, 1000))["loss"] == pytest.approx(error, rel=1e-3)
    decoder = step.model.decoder[0].weight.detach()  # (784, 32)
    basis = torch.linalg.qr(decoder).Q
    cosines = torch.linalg.svdvals(torch.from_numpy(pca.components_).float() @ basis)
    assert cosines.min() > 0.99


def test_unknown_recipe_gets_a_hint():
    with pytest.raises(ValueError, match="did you mean linear-3d"):
        find("linear3d")


def test_images_keeps_the_first_ones():
    train, test = RECIPES["vanilla"].images(count=600)
    assert (len(train), len(test)) == (600, 100)
    assert torch.equal(train.x, mnist("train").x[:600])
    with pytest.raises(ValueError, match="--images expects a number of at least 1"):
        RECIPES["vanilla"].images(count=0)
