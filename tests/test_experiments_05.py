"""The experiment of lesson 05: its networks are the lesson's and the recipe's, and a run measures what it trained."""

import pytest
import torch

from ae_utils.course.experiments import lesson05
from ae_utils.data.mnist import mnist
from ae_utils.networks.conditional import ConcatLabel, ConditionalLinear
from ae_utils.recipes import conditional
from ae_utils.training.auxiliary_classifier import AuxiliaryClassifierStep

NETWORK = ("latent_dim", "width", "convolutions", "layers", "label")
VARIANTS = lesson05.EXPERIMENTS[0].variants()


def network(variant):
    return lesson05.conditional_vae(**{name: VARIANTS[variant][name] for name in NETWORK})


def shapes(model):
    return [tuple(weight.shape) for weight in model.state_dict().values()]


def test_the_recipe_s_row_has_the_recipe_s_network():
    assert shapes(network("recipe")) == shapes(conditional.conditional_vae(8, 256))


def test_the_first_model_gets_the_label_at_the_input_of_both_networks_alone():
    model = network("first")
    assert [sum(isinstance(layer, ConcatLabel) for layer in part) for part in (model.encoder, model.decoder)] == [1, 1]
    assert not any(isinstance(layer, ConditionalLinear) for layer in model.modules())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_maps_images_to_codes_and_back_by_the_label(variant):
    x, label = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    model = network(variant)
    output = model(x, label)
    assert output.mu.shape == (4, VARIANTS[variant]["latent_dim"]) and output.logits.shape == x.shape
    output.logits.sum().backward()
    assert all(weight.grad is not None for weight in model.decoder.parameters())


def test_an_encoder_without_the_label_does_not_depend_on_it():
    x, label = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    for variant, same in (("label in the decoder only", True), ("first", False)):
        model = network(variant).eval()
        with torch.no_grad():
            assert torch.equal(model.encode(x, label), model.encode(x, label + 1)) == same


@pytest.fixture
def few_images(monkeypatch):
    few = {"train": mnist("train")[:2000], "test": mnist("test")[:2000]}
    monkeypatch.setattr(lesson05, "mnist_once", few.__getitem__)
    monkeypatch.setattr(
        lesson05, "readers", lambda: dict.fromkeys(("cnn", "neighbours"), lambda x: torch.arange(len(x)) % 10)
    )
    return few


@pytest.mark.parametrize("variant", ["first", "auxiliary classifier"])
def test_a_run_yields_one_row_of_finite_metrics(few_images, monkeypatch, variant):
    trained = []
    monkeypatch.setattr(lesson05, "train_steps", lambda step, batches, steps, seed: trained.append((step, steps)))
    (row,) = lesson05.leakage(0, None, **VARIANTS[variant])
    assert isinstance(trained[0][0], AuxiliaryClassifierStep) == (variant == "auxiliary classifier")
    assert trained[0][1] == VARIANTS[variant]["steps"]
    assert torch.tensor(list(row.values())).isfinite().all()
    assert row["negative_elbo"] == pytest.approx(row["kl"] + row["reconstruction"])
    assert all(0 <= row[name] <= 1 for name in ("class_in_code", "accuracy", "accuracy_neighbours", "other_label"))
