"""Encoders and decoders of linear layers, and small layers that every kind of network uses."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput

IMAGE = (1, 28, 28)
PIXELS = 28 * 28


class Affine(nn.Module):
    """``scale * x + shift`` with two fixed numbers, such as the map from [-1, 1] to [0, 1]."""

    def __init__(self, scale: float, shift: float):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift

    def extra_repr(self) -> str:
        return f"scale={self.scale}, shift={self.shift}"


class Center(nn.Module):
    """Adds ``sign`` times a fixed mean image (784 values, saved with the weights): -1 centers data, +1 undoes it."""

    mean: Tensor

    def __init__(self, sign: int):
        super().__init__()
        self.sign = sign
        self.register_buffer("mean", torch.zeros(PIXELS))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sign * self.mean


def dense(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Linear layers between ``widths`` with an activation function between them, none after the last.

    Raises ``InvalidInput`` for fewer than two widths, or one below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise InvalidInput(f"dense expects two or more widths of at least 1, but got {tuple(widths)}.")
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation()]
    return layers[:-1]


def dense_encoder(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Image → code by linear layers; ``widths`` runs from the first hidden layer to the code."""
    return nn.Sequential(nn.Flatten(), *dense((PIXELS, *widths), activation))


def dense_decoder(
    widths: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    last: Callable[[], nn.Module] = nn.Sigmoid,
) -> nn.Sequential:
    """Code → image by linear layers; ``widths`` runs from the code to the last hidden layer, ``last`` ends it."""
    return nn.Sequential(*dense((*widths, PIXELS), activation), last(), nn.Unflatten(1, IMAGE))


def linear_bn_act(width_in: int, width: int, activation: Callable[[], nn.Module] = nn.SiLU) -> list[nn.Module]:
    """A linear layer, BatchNorm (Ioffe and Szegedy 2015) and an activation function."""
    return [nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width), activation()]
