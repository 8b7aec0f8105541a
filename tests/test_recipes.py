"""Every recipe trains, and the published ones carry the published settings."""

import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from ae_utils.__main__ import main
from ae_utils.data.dataset import Batches
from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.recipes.altered import restoration_quality
from ae_utils.recipes.base import csv_images
from ae_utils.recipes.registry import RECIPES, get
from ae_utils.training.loop import evaluate, fit
from ae_utils.training.step import adamw


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
        ("linear-3d-best", [784, 256, 128, 64, 3], 10),
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
    assert recipe.pixel_range == (-1, 1) and recipe.source is csv_images
    assert recipe.build()(test.to_range(-1, 1).x).x_hat.min() < 0


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
    with pytest.raises(InvalidInput, match="did you mean linear-3d"):
        get("linear3d")


def test_images_keeps_so_many_and_a_sixth_to_test_on():
    train, test = RECIPES["vanilla"].images(count=600)
    assert (len(train), len(test)) == (600, 100)
    with pytest.raises(InvalidInput, match="--images expects a number of at least 1"):
        RECIPES["vanilla"].images(count=0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_with_adamw_says_what_decays(name):
    options = getattr(RECIPES[name].optimizer, "keywords", {})
    assert getattr(RECIPES[name].optimizer, "func", None) is not adamw or "weight_decay" in options


@pytest.fixture
def asked_for(monkeypatch, test):
    """The splits that are altered, each from a few digits."""
    splits = []

    def subset(split):
        splits.append(split)
        return test[:40]

    monkeypatch.setattr("ae_utils.recipes.altered.mnist", subset)
    return splits


def test_measuring_a_restorer_alters_the_test_images_alone(asked_for, test):
    restoration_quality(RECIPES["altered-ae"].build(), test[:10])
    assert asked_for == ["test"]


def test_exploring_a_restorer_alters_the_test_images_alone(asked_for, tmp_path, monkeypatch):
    recipe = RECIPES["altered-ae"]
    monkeypatch.setattr("ae_utils.runs.use.load_model", lambda folder: (recipe, recipe.build().eval()))
    assert main(["explore", "somewhere", "--html", str(tmp_path / "page.html")]) == 0
    assert asked_for == ["test"]


@pytest.mark.parametrize("name", ["vanilla", "deep-3d", "altered-vae"])
def test_a_recipes_own_test_is_the_one_it_trains_with(name, asked_for):
    recipe = RECIPES[name]
    own, test = recipe.own_test(), recipe.images()[1]
    assert torch.equal(own.x, test.x) and torch.equal(own.label, test.label)
