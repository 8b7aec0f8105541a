"""Small models of every kind that the studio shows: untrained, but with weights that make pictures change."""

import torch
from torch import nn

from ae_utils.models import CVAE, VAE, Autoencoder, DigitClassifier, LatentFlow
from ae_utils.networks.conditional import ConcatLabel, ConditionalLinear, ConditionalSequential
from ae_utils.networks.dense import IMAGE, dense_decoder, dense_encoder
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.runs.studio import measure
from ae_utils.widgets.studio import StudioWidget
from ae_utils.widgets.studio_state import StudioModel


def lively(model, std=0.2):
    """The model in evaluation mode with larger weights than an untrained one has."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std, generator=generator)
    return model.eval().requires_grad_(False)


def tanh_autoencoder():
    return lively(Autoencoder(dense_encoder((16, 3)), dense_decoder((3, 16), last=nn.Tanh), 3, pixel_range=(-1, 1)))


def wide_autoencoder():
    return lively(Autoencoder(dense_encoder((80,)), dense_decoder((80,)), 80), std=0.05)


def small_vae():
    return lively(VAE(dense_encoder((16, 4)), dense_decoder((2, 16), last=nn.Identity), 2), std=0.1)


def small_cvae():
    encoder = ConditionalSequential(nn.Flatten(), ConditionalLinear(784, 16), ConcatLabel(), nn.Linear(26, 6))
    decoder = ConditionalSequential(ConditionalLinear(3, 16), nn.Linear(16, 784), nn.Unflatten(1, IMAGE))
    return lively(CVAE(encoder, decoder, 3), std=0.1)


def classifier():
    return lively(DigitClassifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU()), 8))


MODELS = {"tanh": tanh_autoencoder, "wide": wide_autoencoder, "vae": small_vae, "cvae": small_cvae}


def small_studio(test):
    """A studio of these models; a flow redraws the codes of the first."""
    models = {name: make() for name, make in MODELS.items()}
    shown = {name: StudioModel(model, f"a small {name}", measure(model, test)) for name, model in models.items()}
    flow = LatentFlow(models["tanh"], lively(VelocityNetwork(3, 16, 1)), guidance=1.5).eval()
    return StudioWidget(shown, classifier(), test, flow=flow, redraws="tanh")
