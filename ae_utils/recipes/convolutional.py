"""Systems 5–7: convolutional autoencoders with a code of 64 × 1 × 1, flattened to 64 numbers."""

from functools import partial

import torch
from torch import nn

from ae_utils.models import Autoencoder
from ae_utils.networks.convolutional import conv_bn_act, conv_decoder, conv_encoder, maxpool_encoder, with_batchnorm
from ae_utils.recipes.base import Recipe, csv_images
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam


def conv(latent_dim: int) -> Autoencoder:
    """Three convolutions, and three transposed convolutions back.

    Published without paddings: here 1 for the 3×3 kernels, and an output padding of 1, so that 28×28 comes back.
    """
    return Autoencoder(conv_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


def conv_batchnorm(latent_dim: int) -> Autoencoder:
    """``conv`` with BatchNorm before every ReLU, and tanh on the pixels, which lie in [-1, 1].

    Published as Conv–BatchNorm–ReLU down, ConvTranspose–BatchNorm–ReLU up. The last layer of either half has neither: a
    ReLU would make every code and pixel non-negative.
    """
    encoder, decoder = with_batchnorm(conv_encoder(latent_dim)), with_batchnorm(conv_decoder(latent_dim))
    decoder[-1] = nn.Tanh()
    return Autoencoder(encoder, decoder, latent_dim, pixel_range=(-1, 1))


def conv_maxpool(latent_dim: int) -> Autoencoder:
    """``conv`` with max-pooling in the encoder instead of strides; the decoder is the same."""
    return Autoencoder(maxpool_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


def conv_fast(latent_dim: int, channels: int = 32) -> Autoencoder:
    """Faster variant of ``conv``: BatchNorm, SiLU, a linear layer for each 7×7 kernel, a pixel shuffle at the end.

    BatchNorm and SiLU allow a learning rate twenty times as high; a convolution with a pixel shuffle writes every pixel
    once, where a transposed convolution adds several contributions. Tensors are in channels-last memory format, which
    is faster on a CPU.
    """
    half = channels // 2
    encoder = nn.Sequential(
        *conv_bn_act((1, half, channels), (3, 3)),  # channels × 7 × 7
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
    Recipe("conv", "convolutions, code size 64", conv, epochs=13, settings={"latent_dim": 64}, system=5),
    Recipe(
        "conv-batchnorm",
        "convolutions with BatchNorm, from CSV, pixels in [-1, 1]",
        conv_batchnorm,
        settings={"latent_dim": 64},
        source=csv_images,
        pixel_range=(-1, 1),
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
        "faster variant of conv: BatchNorm, SiLU, pixel shuffle, one-cycle",
        conv_fast,
        settings={"latent_dim": 64},
        optimizer=partial(adam, lr=2e-2, betas=(0.9, 0.95)),
        schedule=partial(one_cycle, warmup=0.15),
        batch_size=128,
        epochs=4,
    ),
)
