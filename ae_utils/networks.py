"""Encoder and decoder builders. An encoder maps images (batch, 1, 28, 28) to ``latent_dim`` numbers, a decoder back."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

IMAGE = (1, 28, 28)
PIXELS = 28 * 28


class Affine(nn.Module):
    """``scale * x + shift`` with two fixed numbers: Tanh's [-1, 1] back to [0, 1], for one."""

    def __init__(self, scale: float, shift: float):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift

    def extra_repr(self) -> str:
        return f"scale={self.scale}, shift={self.shift}"


class Shift(nn.Module):
    """Adds ``sign`` times a fixed image (784 values, saved with the weights): centres data, or undoes it."""

    def __init__(self, sign: int):
        super().__init__()
        self.sign = sign
        self.register_buffer("mean", torch.zeros(PIXELS))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sign * self.mean


def dense(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Linear layers between ``widths`` with an activation between (not after) them.

    Raises ``ValueError`` for fewer than two widths, or one below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"dense expects two or more widths of at least 1, but got {tuple(widths)}.")
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation()]
    return layers[:-1]


def dense_encoder(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """784 → … → code through linear layers; ``widths`` runs from the layer after the pixels to the code."""
    return nn.Sequential(nn.Flatten(), *dense((PIXELS, *widths), activation))


def dense_decoder(
    widths: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    last: Callable[[], nn.Module] = nn.Sigmoid,
) -> nn.Sequential:
    """Code → … → 784 through linear layers, ``last`` on the pixels; ``widths`` runs from the code to before them."""
    return nn.Sequential(*dense((*widths, PIXELS), activation), last(), nn.Unflatten(1, IMAGE))


def conv_encoder(latent_dim: int = 64) -> nn.Sequential:
    """28×28 → latent_dim by three convolutions: stride 2 halves the picture twice, a 7×7 kernel reads the rest."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 16 × 14 × 14
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 32 × 7 × 7
        nn.ReLU(),
        nn.Conv2d(32, latent_dim, 7),  # latent_dim × 1 × 1
        nn.Flatten(),
    )


def conv_decoder(latent_dim: int = 64) -> nn.Sequential:
    """The mirror image of ``conv_encoder`` in transposed convolutions, Sigmoid on the pixels."""
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
    """``conv_encoder`` with the largest of every 2×2 pixels kept, where that one takes steps of 2."""
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


def normalized(layers: nn.Sequential) -> nn.Sequential:
    """The same (transposed) convolutions with a ``BatchNorm2d`` before every ReLU (Ioffe and Szegedy 2015)."""
    result = nn.Sequential()
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            result.append(nn.BatchNorm2d(result[-1].out_channels))
        result.append(layer)
    return result
