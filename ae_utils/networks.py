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
