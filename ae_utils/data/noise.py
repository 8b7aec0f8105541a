"""Corruptions for denoising: each takes images in [0, 1] and returns noisy ones of the same shape, in [0, 1].

They draw from torch's global generator, which ``fit`` seeds for every epoch. Options are bound with
``functools.partial``: ``partial(gaussian, noise_std=0.3)``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput


def gaussian(x: Tensor, *, noise_std: float = 0.5) -> Tensor:
    """Add normal noise of standard deviation ``noise_std`` to every pixel, then clip to [0, 1]."""
    return (x + noise_std * torch.randn_like(x)).clamp_(0, 1)


def salt_and_pepper(x: Tensor, *, fraction: float = 0.2) -> Tensor:
    """Set a ``fraction`` of the pixels to black or white, with equal probability.

    Raises ``InvalidInput`` for a fraction outside [0, 1].
    """
    u = torch.rand_like(x)
    black, white = u < _fraction(fraction) / 2, u >= 1 - fraction / 2
    return x.masked_fill(black, 0.0).masked_fill_(white, 1.0)


def masking(x: Tensor, *, fraction: float = 0.5) -> Tensor:
    """Set a ``fraction`` of the pixels to black (Vincent et al. 2008).

    Raises ``InvalidInput`` for a fraction outside [0, 1].
    """
    return x.masked_fill(torch.rand_like(x) < _fraction(fraction), 0.0)


def either(x: Tensor, *, corruptions: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    """Corrupt every image by one of ``corruptions``, drawn with equal probability.

    Raises ``InvalidInput`` without any.
    """
    if not corruptions:
        raise InvalidInput("either expects at least one corruption, but got none.")
    choice = torch.randint(len(corruptions), (len(x), 1, 1, 1), device=x.device)
    noisy = torch.stack([corrupt(x) for corrupt in corruptions])
    return noisy.take_along_dim(choice[None], 0)[0]


def corrupted(images: Images, corrupt: Callable[[Tensor], Tensor], *, seed: int = 0) -> Images:
    """A split whose ``x`` is ``corrupt(x)`` and whose target stays clean; the same noise for the same ``seed``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Images(corrupt(images.x), images.target, images.label)


def _fraction(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise InvalidInput(f"expected a fraction of the pixels in [0, 1], but got {fraction}.")
    return fraction
