"""A learned prior over latent codes: a normalizing flow of affine coupling layers (Real NVP: Dinh et al. 2017)."""

import math
from typing import cast

import torch
from torch import Tensor, nn


class Coupling(nn.Module):
    """Half of a code, permuted, gives a scale and a shift for the other half; starts as the identity but for the order.

    ``forward`` maps codes (batch, latent_dim) and returns the logarithm of the Jacobian's determinant (batch,) too.
    """

    order: Tensor

    def __init__(self, latent_dim: int, width: int):
        super().__init__()
        self.register_buffer("order", torch.randperm(latent_dim))
        given = latent_dim // 2
        last = nn.Linear(width, 2 * (latent_dim - given))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(given, width), nn.SiLU(), last)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        given, rest = self._halves(z[:, self.order])
        shift, log_scale = self._shift_and_scale(given)
        return torch.cat((given, rest * log_scale.exp() + shift), 1), log_scale.sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """The codes (batch, latent_dim) that ``forward`` maps to ``u``."""
        given, rest = self._halves(u)
        shift, log_scale = self._shift_and_scale(given)
        return torch.cat((given, (rest - shift) * torch.exp(-log_scale)), 1)[:, self.order.argsort()]

    def _halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        given = z.shape[1] // 2
        return z[:, :given], z[:, given:]

    def _shift_and_scale(self, given: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.net(given).chunk(2, 1)
        return shift, torch.tanh(log_scale)  # bounded, so that no step can make it explode


class FlowPrior(nn.Module):
    """p(z) as N(0, I) seen through ``layers`` coupling layers."""

    def __init__(self, latent_dim: int, width: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(Coupling(latent_dim, width) for _ in range(layers))

    def forward(self, z: Tensor) -> Tensor:
        """log p(z) of codes (batch, latent_dim) in nats → (batch,)."""
        log_det = torch.zeros(len(z), device=z.device)
        for layer in self.layers:
            z, change = layer(z)
            log_det = log_det + change
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def codes(self, noise: Tensor) -> Tensor:
        """Noise (batch, latent_dim) from N(0, I) → codes from the prior."""
        for layer in reversed(self.layers):
            noise = cast(Coupling, layer).inverse(noise)
        return noise
