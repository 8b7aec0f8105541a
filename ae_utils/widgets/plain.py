"""A trained decoder as plain layers, one after the other: what training needed is folded away.

Layers of ``ae_utils.networks``, which widgets do not import, are known by their names.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class ScaleShift(nn.Module):
    """``scale * x + shift`` with a pair of numbers for each channel, or one pair for all."""

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

    def __init__(self, layer: nn.Module):
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
        yield from (Sum(module.main, module.shortcut), module.activation)
    else:
        yield module


def _plain(layer: nn.Module) -> nn.Module:
    """A copy of the layer, in a simpler form where it has one once training is over."""
    kind = type(layer)
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and layer.track_running_stats:
        scale = (layer.running_var.double() + layer.eps).rsqrt()
        scale = scale if layer.weight is None else scale * layer.weight
        shift = -layer.running_mean * scale
        return ScaleShift(scale, shift if layer.bias is None else shift + layer.bias)
    if kind in (nn.Dropout, nn.Dropout2d):
        return nn.Identity()
    if kind.__name__ == "Affine":  # two numbers
        return ScaleShift(torch.tensor([layer.scale]), torch.tensor([layer.shift]))
    if kind.__name__ == "Shift":  # plus or minus a fixed image
        return ScaleShift(torch.ones_like(layer.mean), layer.sign * layer.mean)
    if kind.__name__ == "Conditional":
        return PerLabel(layer)
    return copy.deepcopy(layer).float()
