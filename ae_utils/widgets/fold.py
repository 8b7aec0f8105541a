"""A trained network as layers that the page knows: BatchNorm becomes a scale and a shift, dropout goes.

Layers of ``ae_utils.networks`` are known by their names, because lessons define some of them again.
"""

import copy
from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.networks.conditional import LABELS


class ResidualLayer(Protocol):
    """What ``networks.residual.ResidualBlock`` consists of."""

    main: nn.Module
    shortcut: nn.Module
    activation: nn.Module


class AffineLayer(Protocol):
    """The two numbers of ``networks.dense.Affine``."""

    scale: float
    shift: float


class CenterLayer(Protocol):
    """The sign and the image of ``networks.dense.Center``."""

    sign: int
    mean: Tensor


class ConditionalLayer(Protocol):
    """What ``networks.conditional.ConditionalLinear`` consists of."""

    main: nn.Module
    activation: nn.Module
    scale: nn.Embedding
    shift: nn.Embedding


class VelocityLayer(Protocol):
    """What ``networks.velocity.VelocityNetwork`` consists of."""

    frequencies: Tensor
    code: nn.Module
    time: nn.Module
    label: nn.Embedding
    blocks: nn.ModuleList
    velocity: nn.Module


class PageNetwork(nn.Sequential):
    """Layers that the page knows, one after the other.

    Those with ``takes_label`` are given the label (batch,) too, those with ``takes_step`` also the step of a flow.
    """

    def forward(self, x: Tensor, label: Tensor | None = None, step: int = 0) -> Tensor:
        for layer in self:
            if getattr(layer, "takes_step", False):
                x = layer(x, label, step)
            else:
                x = layer(x, label) if getattr(layer, "takes_label", False) else layer(x)
        return x


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


class LabelScaleShift(ScaleShift):
    """``scale[label] * x + shift[label]``, with a row of each for every label."""

    takes_label = True

    def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override] # the label too
        return self.scale[label] * x + self.shift[label]


class AppendLabel(nn.Module):
    """The one-hot label appended to the features."""

    takes_label = True

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return torch.cat((x, F.one_hot(label, LABELS).to(x)), 1)


class AddTimeLabel(nn.Module):
    """Adds a vector for the step of a flow and one for the label, from a table of each."""

    takes_step = True
    times: Tensor
    labels: Tensor

    def __init__(self, times: Tensor, labels: Tensor):
        super().__init__()
        self.register_buffer("times", times.detach().float())
        self.register_buffer("labels", labels.detach().float())

    def forward(self, x: Tensor, label: Tensor, step: int) -> Tensor:
        return x + self.times[step] + self.labels[label]


class Sum(nn.Module):
    """The sum of two branches: a residual block before its last activation function."""

    def __init__(self, main: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.main, self.shortcut = fold_batchnorm(main), fold_batchnorm(shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + self.shortcut(x)


def fold_batchnorm(network: nn.Module) -> PageNetwork:
    """A copy of the network as layers of the page, with BatchNorm's collected statistics as a scale and a shift."""
    return PageNetwork(*(_page_layer(layer) for layer in _leaves(network)))


def fold_velocity(network: nn.Module, steps: int) -> PageNetwork:
    """A ``VelocityNetwork`` as layers of the page, for the times 0, 1/``steps``, … 1 alone."""
    layer = cast(VelocityLayer, network)
    angles = torch.linspace(0, 1, steps + 1)[:, None] * layer.frequencies
    with torch.no_grad():
        times = layer.time(torch.cat((angles.sin(), angles.cos()), 1))
    blocks = (Sum(block, nn.Identity()) for block in layer.blocks)
    return PageNetwork(
        copy.deepcopy(layer.code), AddTimeLabel(times, layer.label.weight), *blocks, *fold_batchnorm(layer.velocity)
    )


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of nested sequences in order; residual and conditional layers are taken apart."""
    name = type(module).__name__
    if isinstance(module, nn.Sequential) and name in ("Sequential", "ConditionalSequential"):
        for child in module:
            yield from _leaves(child)
    elif name == "ResidualBlock":
        block = cast(ResidualLayer, module)
        yield from (Sum(block.main, block.shortcut), block.activation)
    elif name == "ConditionalLinear":
        layer = cast(ConditionalLayer, module)
        yield from _leaves(layer.main)
        yield from (LabelScaleShift(layer.scale.weight, layer.shift.weight), layer.activation)
    else:
        yield module


def _page_layer(layer: nn.Module) -> nn.Module:
    """A copy of the layer, in the simpler form that it has once training is over."""
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.track_running_stats:
        return _folded(layer)
    if isinstance(layer, nn.Dropout | nn.Dropout2d):
        return nn.Identity()
    name = type(layer).__name__
    if name == "Affine":
        affine = cast(AffineLayer, layer)
        return ScaleShift(torch.tensor([affine.scale]), torch.tensor([affine.shift]))
    if name == "Center":
        center = cast(CenterLayer, layer)
        return ScaleShift(torch.ones_like(center.mean), center.sign * center.mean)
    if name == "ConcatLabel":
        return AppendLabel()
    return copy.deepcopy(layer).float()


def _folded(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> ScaleShift:
    """BatchNorm with the statistics it has collected: a scale and a shift for each channel."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # it tracks them
    scale = (variance.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -mean * scale
    return ScaleShift(scale, shift if norm.bias is None else shift + norm.bias)
