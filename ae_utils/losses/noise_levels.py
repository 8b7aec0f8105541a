"""The objective of a denoiser for all noise levels."""

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Batch
from ae_utils.losses.regularized import squared_error
from ae_utils.networks.denoiser import PIXEL_STD


def all_levels(
    model: nn.Module, batch: Batch, progress: float, *, log_mean: float = -0.9, log_std: float = 1.3
) -> dict[str, Tensor]:
    """Squared error of ``model(x + std · noise, std)``, where the logarithm of each image's std is normal.

    So levels from about 0.03 to 5 occur; with a ``log_std`` of 0 there is only one. Summed over pixels, in units of
    what the network itself has to supply at that level, so that all levels count alike (Karras, Aittala, Aila, Laine
    2022).
    """
    std = torch.exp(log_mean + log_std * torch.randn(len(batch.x), device=batch.x.device))
    noisy = batch.x + std[:, None, None, None] * torch.randn_like(batch.x)
    error = squared_error(model(noisy, std), batch.target)
    weight = (std**2 + PIXEL_STD**2) / (std * PIXEL_STD) ** 2
    return {"loss": (weight * error).mean()}
