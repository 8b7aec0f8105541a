"""Corruptions for denoising: each takes images in [0, 1] and returns noisy ones of the same shape, in [0, 1].

They draw from torch's global generator, which ``fit`` seeds for every epoch.
"""

import torch
from torch import Tensor


def gaussian(x: Tensor, noise_std: float = 0.5) -> Tensor:
    """Add normal noise of standard deviation ``noise_std`` to every pixel, then clip to [0, 1]."""
    return (x + noise_std * torch.randn_like(x)).clamp_(0, 1)


def salt_and_pepper(x: Tensor, share: float = 0.2) -> Tensor:
    """Set a ``share`` of the pixels to black or white, with even odds."""
    u = torch.rand_like(x)
    return torch.where(u < share / 2, 0.0, torch.where(u > 1 - share / 2, 1.0, x))


def masking(x: Tensor, share: float = 0.5) -> Tensor:
    """Set a ``share`` of the pixels to black (Vincent et al. 2008)."""
    return x * (torch.rand_like(x) >= share)
