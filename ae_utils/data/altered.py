"""Altered MNIST: digits rotated, deformed, thinned, blurred, noisy or occluded, with the clean digit as target.

Every function takes images (n, 1, 28, 28) in [0, 1] and returns altered ones, a different draw for each image, from
torch's global generator; ``altered`` seeds it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ae_utils.data.dataset import Images
from ae_utils.data.noise import gaussian, salt_and_pepper
from ae_utils.errors import InvalidInput


def rotation(x: Tensor, degrees: float = 30) -> Tensor:
    """Rotate by up to ``degrees`` either way."""
    angle = _uniform(x, degrees * math.pi / 180)
    return warp(x, torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), 1))


def shift(x: Tensor, pixels: float = 4) -> Tensor:
    """Translate by up to ``pixels`` in each direction."""
    move = torch.stack((_uniform(x, pixels), _uniform(x, pixels)), 1) * 2 / x.shape[-1]
    return warp(x, torch.eye(2).flatten().expand(len(x), 4), move)


def scale(x: Tensor, factor: float = 1.35) -> Tensor:
    """Enlarge or shrink by up to ``factor``."""
    size = torch.exp(_uniform(x, math.log(factor)))
    return warp(x, torch.eye(2).flatten() / size[:, None])


def shear(x: Tensor, factor: float = 0.5) -> Tensor:
    """Slant by up to ``factor`` pixels per row."""
    lean = _uniform(x, factor)
    return warp(x, torch.stack((torch.ones_like(lean), lean, torch.zeros_like(lean), torch.ones_like(lean)), 1))


def elastic(x: Tensor, pixels: float = 1.5, smoothness: float = 4.0) -> Tensor:
    """Elastic deformation by a smooth random field of about ``pixels`` (Simard, Steinkraus, Platt 2003)."""
    field = _blurred(torch.randn(len(x), 2, *x.shape[2:]), smoothness)
    field = field / field.std((2, 3), keepdim=True) * pixels * 2 / x.shape[-1]
    identity = F.affine_grid(torch.eye(2, 3).expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, identity + field.permute(0, 2, 3, 1), align_corners=False)


def thickening(x: Tensor) -> Tensor:
    """Each pixel becomes the brightest of its 3×3 neighbours."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


def thinning(x: Tensor) -> Tensor:
    """Each pixel becomes the darkest of 2×2: strokes lose a pixel of width."""
    return -F.max_pool2d(F.pad(-x, (1, 0, 1, 0)), 2, stride=1)


def blur(x: Tensor, std: float = 1.5) -> Tensor:
    """A Gaussian blur of standard deviation ``std`` pixels."""
    return _blurred(x, std)


def noise(x: Tensor) -> Tensor:
    """Gaussian noise of standard deviation 0.4."""
    return gaussian(x, noise_std=0.4)


def specks(x: Tensor) -> Tensor:
    """Salt-and-pepper noise on 20 % of the pixels."""
    return salt_and_pepper(x, fraction=0.2)


def occlusion(x: Tensor, side: int = 9) -> Tensor:
    """A black square of ``side`` pixels covers a place near the middle."""
    corner = torch.randint(4, x.shape[-1] - 4 - side, (2, len(x), 1))
    at = torch.arange(x.shape[-1])
    rows, columns = ((at >= start) & (at < start + side) for start in corner)
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


ALTERATIONS = {
    alteration.__name__: alteration
    for alteration in (
        rotation, shift, scale, shear, elastic, thickening, thinning, blur, noise, specks, occlusion,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Altered:
    """Altered images with their clean targets, and what is known of each: ``source`` (n,) indexes the clean images,
    ``kind`` (n,) the alterations in the order of ``ALTERATIONS``."""

    images: Images
    source: Tensor
    kind: Tensor


def altered(clean: Images, *, versions: int = 1, seed: int = 0, kinds: tuple[str, ...] = tuple(ALTERATIONS)) -> Altered:
    """``versions`` altered copies of every clean image, each by one alteration drawn from ``kinds``.

    The copies of an image lie next to each other. 60,000 take a few seconds; the same seed gives the same set.
    Raises ``InvalidInput`` for fewer than one version or an unknown kind.
    """
    if not isinstance(versions, int) or versions < 1 or not kinds or set(kinds) - set(ALTERATIONS):
        raise InvalidInput(f"altered expects at least one version and kinds out of {', '.join(ALTERATIONS)}.")
    source = torch.arange(len(clean)).repeat_interleave(versions)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        chosen = torch.tensor([list(ALTERATIONS).index(kind) for kind in kinds])
        kind = chosen[torch.randint(len(chosen), (len(source),))]
        x = torch.empty(len(source), *clean.x.shape[1:])
        for number in chosen.tolist():
            these = kind == number
            if not these.any():  # of a few images: warping refuses none
                continue
            x[these] = list(ALTERATIONS.values())[number](clean.x[source[these]])
    return Altered(Images(x.clamp_(0, 1), clean.x[source], clean.label[source]), source, kind)


def _uniform(x: Tensor, most: float) -> Tensor:
    return torch.empty(len(x)).uniform_(-most, most)


def warp(x: Tensor, matrix: Tensor, move: Tensor | None = None) -> Tensor:
    """Sample each image at ``matrix @ position + move``; positions run from -1 to 1."""
    move = torch.zeros(len(x), 2) if move is None else move
    theta = torch.cat((matrix.reshape(-1, 2, 2), move[:, :, None]), 2)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def _blurred(x: Tensor, std: float) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur

    return gaussian_blur(x, 2 * math.ceil(2 * std) + 1, std)
