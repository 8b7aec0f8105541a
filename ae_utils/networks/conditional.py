"""Layers that are conditioned on a label: their ``forward(x, label)`` takes the digits (batch,) as int64."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.errors import InvalidInput

LABELS = 10


class Conditional(nn.Module):
    """Base class of layers with ``forward(x, label)``; ``ConditionalSequential`` passes the label to these."""


class ConditionalSequential(nn.Sequential):
    """Layers one after the other, as in ``nn.Sequential``; those that are ``Conditional`` are given the label too."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override] # the label too
        for layer in self:
            x = layer(x, label) if isinstance(layer, Conditional) else layer(x)
        return x


class ConcatLabel(Conditional):
    """Appends the one-hot label to the features: (batch, n) → (batch, n + 10) (Sohn, Lee, Yan 2015)."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return torch.cat((x, F.one_hot(label, LABELS).to(x)), 1)


class ConditionalLinear(Conditional):
    """A linear layer and BatchNorm whose scale and shift depend on the label (de Vries et al. 2017), then SiLU."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.scale = nn.Embedding.from_pretrained(torch.ones(LABELS, width), freeze=False)
        self.shift = nn.Embedding.from_pretrained(torch.zeros(LABELS, width), freeze=False)
        self.main = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.activation(self.main(x) * self.scale(label) + self.shift(label))


def require_label(label: Tensor | None, count: int) -> Tensor:
    """The labels as they are; raises ``InvalidInput`` unless they are ``count`` digits as int64.

    On a GPU the range is left to the lookup itself: reading it here would wait for all queued work.
    """
    if label is None:
        raise InvalidInput("this model is conditional: give it a label, an int64 tensor with one digit for each image.")
    valid = label.dtype == torch.int64 and label.shape == (count,)
    if valid and count and label.device.type == "cpu":
        valid = bool(0 <= label.min() <= label.max() < LABELS)
    if not valid:
        raise InvalidInput(
            f"expected {count} labels 0–9 as int64, but got {label.dtype} of shape {tuple(label.shape)}."
        )
    return label
