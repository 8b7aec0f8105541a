"""The objective of flow matching, and what it consists of."""

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Batch
from ae_utils.networks.velocity import NO_LABEL


def straight_path(noise: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Where a straight line from noise to x stands at time t, and its velocity: (batch, dims), t (batch,) → two alike.

    At time 0 it stands at the noise, at time 1 at x; its velocity is the same all the time (Liu et al. 2023).
    """
    return torch.lerp(noise, x, t[:, None]), x - noise


def drop_labels(label: Tensor, fraction: float = 0.1) -> Tensor:
    """The labels (batch,), each of them replaced by ``NO_LABEL`` with probability ``fraction``."""
    dropped = torch.rand(len(label), device=label.device) < fraction
    return label.masked_fill(dropped, NO_LABEL)


def flow_matching(model: nn.Module, batch: Batch, progress: float, *, label_dropout: float = 0.1) -> dict[str, Tensor]:
    """Squared error of the velocity on the straight line from noise to a code, summed over dimensions.

    ``batch.x`` holds standardized codes (batch, latent_dim). At time t it stands at z_t = (1 - t) · noise + t · x, and
    its velocity is x - noise (Lipman et al. 2023; Liu et al. 2023). Times are sigmoids of normal numbers, so that
    the middle is drawn more often than the ends (Esser et al. 2024). A fraction ``label_dropout`` of the labels is
    dropped, which classifier-free guidance needs (Ho and Salimans 2022).
    """
    noise = torch.randn_like(batch.x)
    t = torch.sigmoid(torch.randn(len(batch.x), device=batch.x.device))
    z_t, velocity = straight_path(noise, batch.x, t)
    error = model(z_t, t, drop_labels(batch.label, label_dropout)) - velocity
    return {"loss": error.square().sum(1).mean()}
