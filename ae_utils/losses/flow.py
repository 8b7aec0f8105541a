"""The objective of flow matching."""

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Batch
from ae_utils.networks.velocity import NO_LABEL


def flow_matching(model: nn.Module, batch: Batch, progress: float, *, label_dropout: float = 0.1) -> dict[str, Tensor]:
    """Squared error of the velocity on the straight line from noise to a code, summed over dimensions.

    ``batch.x`` holds standardized codes (batch, latent_dim). At time t it stands at z_t = (1 - t) · noise + t · x, and
    its velocity is x - noise (Lipman et al. 2023; Liu et al. 2023). Times are sigmoids of normal numbers, so that
    the middle is drawn more often than the ends (Esser et al. 2024). A fraction ``label_dropout`` of the labels is
    dropped, which classifier-free guidance needs (Ho and Salimans 2022).
    """
    noise = torch.randn_like(batch.x)
    t = torch.sigmoid(torch.randn(len(batch.x), device=batch.x.device))
    dropped = torch.rand(len(batch.x), device=batch.x.device) < label_dropout
    z_t = torch.lerp(noise, batch.x, t[:, None])
    velocity = model(z_t, t, batch.label.masked_fill(dropped, NO_LABEL))
    return {"loss": (velocity - (batch.x - noise)).square().sum(1).mean()}
