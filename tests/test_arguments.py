"""Checks of arguments see them by name, however they are passed."""

import inspect

import pytest
import torch
from torch import nn

from ae_utils import training
from ae_utils.errors import InvalidInput
from ae_utils.losses import adversarial as losses_of_two_players
from ae_utils.losses import classification, reconstruction, regularized, variational
from ae_utils.metrics import codes, distance, generation, images, likelihood, obedience
from ae_utils.models import CVAE, VAE, Autoencoder, Discriminator, Generator, Judge
from ae_utils.networks import dense_decoder, dense_encoder

IMAGES, CODES, SHARES = torch.rand(2, 1, 28, 28), torch.randn(2, 3), torch.rand(2, 3)
TERMS = (
    (variational.kl_to_prior, {"mu": CODES, "logvar": CODES}),
    (variational.bernoulli, {"logits": IMAGES, "target": IMAGES}),
    (variational.gaussian, {"logits": IMAGES, "target": IMAGES, "std": 0.2}),
    (regularized.squared_error, {"x_hat": IMAGES, "target": IMAGES}),
    (regularized.kl_to_target, {"activation": SHARES[0], "rho": 0.1}),
    (regularized.squared_jacobian, {"z": SHARES, "weight": torch.rand(3, 784)}),
)
MODELS = (
    Autoencoder(dense_encoder((3,)), dense_decoder((3,)), 3),
    VAE(dense_encoder((6,)), dense_decoder((3,), last=nn.Identity), 3),
    CVAE(nn.Flatten(), nn.Linear(794, 6), dense_decoder((13,), last=nn.Identity), 3),
    Generator(dense_decoder((3,), last=nn.Identity), 3),
)

ROOMS = (
    *(training, losses_of_two_players, classification, reconstruction, regularized, variational),
    *(codes, distance, generation, images, likelihood, obedience),
)


@pytest.mark.parametrize(("term", "arguments"), TERMS, ids=lambda part: getattr(part, "__name__", ""))
def test_terms_take_keywords(term, arguments):
    assert torch.equal(term(**arguments), term(*arguments.values()) if "std" not in arguments else term(**arguments))


@pytest.mark.parametrize(("term", "arguments"), TERMS[:4], ids=lambda part: getattr(part, "__name__", ""))
def test_keywords_in_any_order_are_checked(term, arguments):
    wrong = {name: part[:1] if name in ("mu", "target") else part for name, part in reversed(arguments.items())}
    with pytest.raises(InvalidInput, match="expects two tensors of the same shape"):
        term(**wrong)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_models_decode_keywords(model):
    label = torch.tensor([3, 4])
    assert torch.equal(model.decode(z=CODES, label=label), model.decode(CODES, label))
    with pytest.raises(InvalidInput, match=r"codes of shape \(batch, 3\), but got \(2, 2\)"):
        model.decode(label=label, z=CODES[:, :2])


@pytest.mark.parametrize("model", MODELS[:3], ids=lambda model: type(model).__name__)
def test_models_read_keywords(model):
    label = torch.tensor([3, 4])
    assert torch.equal(model.encode(label=label, x=IMAGES), model.encode(IMAGES, label))
    assert model(x=IMAGES, label=label)[0].shape == IMAGES.shape


def test_readers_of_images_take_keywords():
    assert Judge(dense_encoder((4,)), 4)(x=IMAGES).logits.shape == (2, 10)
    assert Discriminator(dense_encoder((1,)))(x=IMAGES).shape == (2,)


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match="target"):
        variational.bernoulli(logits=IMAGES)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_argument_can_be_given_by_name(room):
    functions = [part for part in vars(room).values() if inspect.isfunction(part) and part.__module__ == room.__name__]
    parameters = [parameter for part in functions for parameter in inspect.signature(part).parameters.values()]
    assert parameters and not [one for one in parameters if one.kind is one.POSITIONAL_ONLY]
