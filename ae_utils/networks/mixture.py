"""A layer that makes a mixture of components out of Gaussian noise."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MixtureComponent(nn.Module):
    """Appends a component of noise, as a one-hot times ``scale``: (batch, n) → (batch, n + count).

    The component is the place of the largest of the first ``count`` numbers; for noise from N(0, I) all are equally
    probable. Without components a generator, being continuous, also draws images on every way from one class to another
    (Gurumurthy et al. 2017; Khayatkhoei, Elgammal, Singh 2018). No gradient reaches the noise through the one-hot.
    """

    def __init__(self, count: int, scale: float = 4.0):
        super().__init__()
        self.count, self.scale = count, scale

    def forward(self, z: Tensor) -> Tensor:
        component = F.one_hot(z[:, : self.count].argmax(1), self.count)
        return torch.cat((z, self.scale * component.to(z)), 1)

    def extra_repr(self) -> str:
        return f"count={self.count}, scale={self.scale}"
