"""A trained decoder as plain layers, one after the other: what training needed is folded away.

Layers of ``ae_utils.networks``, which widgets do not import, are known by their names.
"""

import copy
from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn


class ResidualLayer(Protocol):
    """What ``networks.Residual`` consists of."""

    main: nn.Module
    shortcut: nn.Module
    activation: nn.Module


class AffineLayer(Protocol):
    """The two numbers of ``networks.Affine``."""

    scale: float
    shift: float


class ShiftLayer(Protocol):
    """The sign and the image of ``networks.Shift``."""

    sign: int
    mean: Tensor


class ConditionalLayer(Protocol):
    """What ``networks.Conditional`` consists of; lesson 05 defines one of its own."""

    main: nn.Module
    activation: nn.Module
    pass_on: bool
    scale: Tensor
    shift: Tensor


class ScaleShift(nn.Module):
    """``scale * x + shift`` with a pair of numbers for each channel, or one pair for all."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor):
        super().__init__()
        self.register_buffer("scale", scale.detach().float())
        self.register_buffer("shift", shift.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        per_channel = (1, -1) + (1,) * (x.ndim - 2)
        return self.scale.view(per_channel) * x + self.shift.view(per_channel)


class Sum(nn.Module):
    """Two roads from the same numbers, added: a residual block before its last activation."""

    def __init__(self, main: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.main, self.shortcut = chain(main), chain(shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + self.shortcut(x)


class PerLabel(nn.Module):
    """A layer on all numbers but the last, one for each label, which choose a scale and a shift for what it gives."""

    scale: Tensor
    shift: Tensor

    def __init__(self, layer: ConditionalLayer):
        super().__init__()
        self.main, self.activation, self.pass_on = chain(layer.main), chain(layer.activation), layer.pass_on
        self.register_buffer("scale", layer.scale.detach().float())
        self.register_buffer("shift", layer.shift.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        inner, label = x[:, : -len(self.scale)], x[:, -len(self.scale) :]
        y = self.activation(self.main(inner) * (label @ self.scale) + label @ self.shift)
        return torch.cat([y, label], 1) if self.pass_on else y


def chain(module: nn.Module) -> nn.Sequential:
    """The module as plain layers, one after the other."""
    return nn.Sequential(*(_plain(layer) for layer in _leaves(module)))


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of nested ``nn.Sequential``s in order; of a residual block, its sum and its activation."""
    if type(module) is nn.Sequential:
        for child in module:
            yield from _leaves(child)
    elif type(module).__name__ == "Residual":
        block = cast(ResidualLayer, module)
        yield from (Sum(block.main, block.shortcut), block.activation)
    else:
        yield module


def _plain(layer: nn.Module) -> nn.Module:
    """A copy of the layer, in a simpler form where it has one once training is over."""
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.track_running_stats:
        return _folded(layer)
    if isinstance(layer, nn.Dropout | nn.Dropout2d):
        return nn.Identity()
    name = type(layer).__name__
    if name == "Affine":
        affine = cast(AffineLayer, layer)
        return ScaleShift(torch.tensor([affine.scale]), torch.tensor([affine.shift]))
    if name == "Shift":
        centred = cast(ShiftLayer, layer)
        return ScaleShift(torch.ones_like(centred.mean), centred.sign * centred.mean)
    if name == "Conditional":
        return PerLabel(cast(ConditionalLayer, layer))
    return copy.deepcopy(layer).float()


def _folded(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> ScaleShift:
    """BatchNorm with the statistics it has collected: a scale and a shift for each channel."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # it tracks them
    scale = (variance.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -mean * scale
    return ScaleShift(scale, shift if norm.bias is None else shift + norm.bias)
