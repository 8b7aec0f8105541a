"""Systems 5–7: convolutional autoencoders with a code of 64 × 1 × 1, flattened to 64 numbers."""

from functools import partial

import torch
from torch import nn

from ae_utils.models import Autoencoder
from ae_utils.networks import conv_decoder, conv_encoder, maxpool_encoder, normalized, strided
from ae_utils.recipes.recipe import Recipe, csv_images
from ae_utils.training import adam, one_cycle


def conv(latent_dim: int) -> Autoencoder:
    """Three convolutions down, three transposed ones up.

    Published without paddings: here 1 around the 3×3 layers, and an output padding of 1, so that 28×28 comes back.
    """
    return Autoencoder(conv_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


def conv_batchnorm(latent_dim: int) -> Autoencoder:
    """``conv`` with BatchNorm before every ReLU, and Tanh on the pixels, which lie in [-1, 1].

    Published as Conv–BatchNorm–ReLU down, ConvTranspose–BatchNorm–ReLU up. The last layer of either half has neither:
    a ReLU would cut off half of what code and pixels can say.
    """
    encoder, decoder = normalized(conv_encoder(latent_dim)), normalized(conv_decoder(latent_dim))
    decoder[-1] = nn.Tanh()
    return Autoencoder(encoder, decoder, latent_dim, signed=True)


def conv_maxpool(latent_dim: int) -> Autoencoder:
    """``conv`` with max-pooling in the encoder instead of strides; the decoder is the same."""
    return Autoencoder(maxpool_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


def conv_fast(latent_dim: int, channels: int = 32) -> Autoencoder:
    """The road of ``conv``, paved: 28×28 → 14×14 → 7×7 → code, and back, but at less cost and easier to train.

    A 7×7 kernel on a 7×7 picture is a linear layer; the last transposed convolution gives way to a convolution with a
    pixel shuffle, which writes every pixel once; BatchNorm and SiLU let the learning rate be twenty times higher.
    Pictures lie in memory with their channels side by side, which the processor's convolutions like best.
    """
    half = channels // 2
    encoder = nn.Sequential(
        *strided((1, half, channels), (3, 3)),  # channels × 7 × 7
        nn.Flatten(),
        nn.Linear(channels * 7 * 7, latent_dim),
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dim, channels * 7 * 7, bias=False),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.BatchNorm2d(channels),
        nn.SiLU(),
        nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1, bias=False),  # half × 14 × 14
        nn.BatchNorm2d(half),
        nn.SiLU(),
        nn.Conv2d(half, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
        nn.Sigmoid(),
    )
    return Autoencoder(encoder, decoder, latent_dim).to(memory_format=torch.channels_last)


RECIPES = (
    Recipe("conv", "convolutions, 64 numbers", conv, epochs=13, settings={"latent_dim": 64}, system=5),
    Recipe(
        "conv-batchnorm",
        "convolutions with BatchNorm, from CSV, pixels in [-1, 1]",
        conv_batchnorm,
        settings={"latent_dim": 64},
        source=csv_images,
        signed=True,
        epochs=10,
        system=6,
    ),
    Recipe(
        "conv-maxpool",
        "convolutions with max-pooling instead of strides",
        conv_maxpool,
        settings={"latent_dim": 64},
        epochs=13,
        system=7,
    ),
    Recipe(
        "conv-fast",
        "the road of conv, paved: BatchNorm, SiLU, pixel shuffle, one-cycle",
        conv_fast,
        settings={"latent_dim": 64},
        optimizer=partial(adam, lr=2e-2, betas=(0.9, 0.95)),
        schedule=partial(one_cycle, warmup=0.15),
        batch_size=128,
        epochs=4,
    ),
)
