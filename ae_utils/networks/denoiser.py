"""A denoiser that is conditioned on the noise level, and a chain of its steps from pure noise to an image."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXEL_STD = 0.3  # about the root mean square of MNIST's pixels: noise much weaker than that hides nothing
PATCH = 4  # pixels: 28×28 images become 16 channels of 7×7

Denoises = Callable[[Tensor, Tensor], Tensor]  # noisy images (n, 1, h, w) and noise levels (n,) → clean images


class ConditionedBlock(nn.Module):
    """Two convolutions with a shortcut; what lies between them is scaled and shifted as ``condition`` says.

    The second convolution starts at 0, so that a new block changes nothing (Perez et al. 2018 for scale and shift).
    """

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(1, width, affine=False)
        self.scale_shift = nn.Linear(width, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.scale_shift(condition)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.first(F.silu(h))) * (1 + scale) + shift
        return h + self.second(F.silu(inner))


class NoiseConditionedDenoiser(nn.Module):
    """x (batch, 1, 28, 28) = clean + std · normal noise, std (batch,) → the clean images that it expects.

    The level enters every block by sines and cosines of its logarithm. What the network returns is mixed with x: little
    noise leaves x nearly right, much noise leaves it worthless, and in between the network has the same work to do at
    every level (Karras, Aittala, Aila, Laine 2022).
    """

    frequencies: Tensor

    def __init__(self, width: int = 48, blocks: int = 2, frequencies: int = 16):
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(-1, 2, frequencies)))
        self.condition = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU())
        self.patches = nn.Sequential(
            nn.PixelUnshuffle(PATCH), nn.Conv2d(PATCH**2, width, 3, padding=1)
        )  # width × 7 × 7
        self.place = nn.Parameter(torch.zeros(width, 7, 7))
        self.blocks = nn.ModuleList(ConditionedBlock(width) for _ in range(blocks))
        self.pixels = nn.Sequential(nn.SiLU(), nn.Conv2d(width, PATCH**2, 3, padding=1), nn.PixelShuffle(PATCH))

    def forward(self, x: Tensor, std: Tensor) -> Tensor:
        angles = std.log()[:, None] * self.frequencies
        condition = self.condition(torch.cat((angles.sin(), angles.cos()), dim=1))
        std = std[:, None, None, None]
        size = (std**2 + PIXEL_STD**2).sqrt()  # of a noisy pixel
        h = self.patches(x / size) + self.place
        for block in self.blocks:
            h = block(h, condition)
        return (PIXEL_STD / size) ** 2 * x + std * PIXEL_STD / size * self.pixels(h)


def denoising_step(denoiser: Denoises, x: Tensor, std: float, next_std: float) -> Tensor:
    """Images with noise of ``std`` → images with noise of ``next_std``, which is smaller (Song, Meng, Ermon 2021)."""
    x_hat = denoiser(x, torch.full((len(x),), std))
    return x_hat + next_std / std * (x - x_hat)


@torch.no_grad()
def denoising_chain(denoiser: Denoises, noise: Tensor, levels: Sequence[float]) -> list[Tensor]:
    """Images (n, 1, h, w) after each step from the first of the falling ``levels`` to no noise at all.

    ``noise`` is standard normal; the first images are noise of the first level, the last have none.
    """
    chain = [levels[0] * noise]
    for std, next_std in pairwise((*levels, 0.0)):
        chain.append(denoising_step(denoiser, chain[-1], std, next_std))
    return chain
