"""Encoders and decoders of convolutions."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from ae_utils.networks.dense import linear_bn_act


def conv_encoder(latent_dim: int = 64) -> nn.Sequential:
    """Image → code by three convolutions: two of stride 2, then one whose 7×7 kernel covers the whole feature map."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 16 × 14 × 14
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 32 × 7 × 7
        nn.ReLU(),
        nn.Conv2d(32, latent_dim, 7),  # latent_dim × 1 × 1
        nn.Flatten(),
    )


def conv_decoder(latent_dim: int = 64) -> nn.Sequential:
    """Code → image by transposed convolutions, mirroring ``conv_encoder``, with a sigmoid on the pixels."""
    return nn.Sequential(
        nn.Unflatten(1, (latent_dim, 1, 1)),
        nn.ConvTranspose2d(latent_dim, 32, 7),  # 32 × 7 × 7
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),  # 16 × 14 × 14
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),  # 1 × 28 × 28
        nn.Sigmoid(),
    )


def maxpool_encoder(latent_dim: int = 64) -> nn.Sequential:
    """``conv_encoder`` with stride 1 and 2×2 max pooling in place of stride 2."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # 16 × 28 × 28
        nn.ReLU(),
        nn.MaxPool2d(2),  # 16 × 14 × 14
        nn.Conv2d(16, 32, 3, padding=1),  # 32 × 14 × 14
        nn.ReLU(),
        nn.MaxPool2d(2),  # 32 × 7 × 7
        nn.Conv2d(32, latent_dim, 7),  # latent_dim × 1 × 1
        nn.Flatten(),
    )


def with_batchnorm(layers: nn.Sequential) -> nn.Sequential:
    """The same (transposed) convolutions with a ``BatchNorm2d`` before every ReLU (Ioffe and Szegedy 2015)."""
    result = nn.Sequential()
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            result.append(nn.BatchNorm2d(result[-1].out_channels))  # type: ignore[arg-type] # of a convolution
        result.append(layer)
    return result


def conv_bn_act(
    channels: Sequence[int], kernels: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU
) -> list[nn.Module]:
    """Convolutions of stride 2, each with BatchNorm and an activation function: 28×28 → 14×14 → 7×7 → 4×4."""
    layers = []
    for (channels_in, channels_out), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [
            nn.Conv2d(channels_in, channels_out, kernel, stride=2, padding=(kernel - 1) // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            activation(),
        ]
    return layers


def conv_transpose_bn_act(
    channels: Sequence[int], kernels: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU
) -> list[nn.Module]:
    """Transposed convolutions that mirror ``conv_bn_act``, 4×4 → 7×7 → 14×14 → 28×28; nothing follows the last."""
    layers = []
    for (channels_in, channels_out), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [
            nn.ConvTranspose2d(channels_in, channels_out, kernel, stride=2, padding=1),
            nn.BatchNorm2d(channels_out),
            activation(),
        ]
    return layers[:-2]


def shuffle_decoder(latent_dim: int, width: int, channels: int = 32) -> nn.Sequential:
    """Code → logits (batch, 1, 28, 28) by two linear layers and two convolutions, each followed by a pixel shuffle.

    A pixel shuffle turns four channels into one image of twice the size, for a quarter of the multiply-adds of a
    transposed convolution (Shi et al. 2016).
    """
    return nn.Sequential(
        *linear_bn_act(latent_dim, width),
        *linear_bn_act(width, channels * 7 * 7),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.Conv2d(channels, 4 * channels // 2, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # channels / 2 × 14 × 14
        nn.BatchNorm2d(channels // 2),
        nn.SiLU(),
        nn.Conv2d(channels // 2, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )
