"""Networks that work on patches: all of their convolutions see 7×7 places, and none a larger feature map."""

import torch
from torch import nn

from ae_utils.models import Autoencoder, PriorVAE
from ae_utils.networks.dense import linear_bn_act
from ae_utils.networks.prior import FlowPrior


def patch_encoder(channels: int, activation: type[nn.Module] = nn.SiLU) -> list[nn.Module]:
    """Image → ``channels`` × 7 × 7, flattened: overlapping patches of 6×6 pixels, four pixels apart."""
    convolution = nn.Conv2d(1, channels, 6, stride=4, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(channels), activation(), nn.Flatten()]


def patch_decoder(channels: int) -> list[nn.Module]:
    """``channels`` × 7 × 7 → 28×28: a convolution writes a patch of 4×4 pixels at each place."""
    return [nn.Conv2d(channels, 16, 3, padding=1), nn.PixelShuffle(4)]


def patch_autoencoder(latent_dim: int, channels: int, activation: type[nn.Module] = nn.SiLU) -> Autoencoder:
    """Patches, a linear layer to the code, and back."""
    encoder = nn.Sequential(*patch_encoder(channels, activation), nn.Linear(channels * 49, latent_dim))
    decoder = nn.Sequential(
        nn.Linear(latent_dim, channels * 49, bias=False),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.BatchNorm2d(channels),
        activation(),
        *patch_decoder(channels),
        nn.Sigmoid(),
    )
    return Autoencoder(encoder, decoder, latent_dim).to(memory_format=torch.channels_last)


def patch_vae(latent_dim: int, channels: int, width: int, prior_width: int, prior_layers: int) -> PriorVAE:
    """A VAE with a normalizing flow as its prior: patches, and two linear layers on either side of the code."""
    features = channels * 49
    encoder = nn.Sequential(*patch_encoder(channels), *linear_bn_act(features, width), nn.Linear(width, 2 * latent_dim))
    decoder = nn.Sequential(
        *linear_bn_act(latent_dim, width),
        *linear_bn_act(width, features),
        nn.Unflatten(1, (channels, 7, 7)),
        *patch_decoder(channels),
    )
    model = PriorVAE(encoder, decoder, FlowPrior(latent_dim, prior_width, prior_layers), latent_dim)
    return model.to(memory_format=torch.channels_last)
