"""The network of a latent flow: the velocity of a code, given the time and a label."""

import math

import torch
from torch import Tensor, nn

from ae_utils.networks.conditional import LABELS

NO_LABEL = LABELS  # the label of a code whose label was dropped


class VelocityNetwork(nn.Module):
    """z_t (batch, latent_dim), t (batch,) in [0, 1], label (batch,) → velocity (batch, latent_dim).

    Residual blocks of LayerNorm, two linear layers and SiLU. The time enters as sines and cosines of ``frequencies``
    frequencies, the label by an embedding; ``NO_LABEL`` stands for an unknown label.
    """

    frequencies: Tensor

    def __init__(self, latent_dim: int, width: int, blocks: int, frequencies: int = 32):
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(100), frequencies)))
        self.code, self.time = nn.Linear(latent_dim, width), nn.Linear(2 * frequencies, width)
        self.label = nn.Embedding(LABELS + 1, width)
        self.blocks = nn.ModuleList(_block(width) for _ in range(blocks))
        self.velocity = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, latent_dim))

    def forward(self, z_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        h = self.code(z_t) + self.time(torch.cat((angles.sin(), angles.cos()), 1)) + self.label(label)
        for block in self.blocks:
            h = h + block(h)
        return self.velocity(h)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
