"""How far a set of pictures lies from the real ones: a Fréchet distance in the features of a digit classifier."""

import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput


@torch.no_grad()
def features(judge: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """What a frozen judge sees in images (n, 1, 28, 28) in [0, 1]: its features (n, feature_dim), in float64."""
    judge.eval()
    return torch.cat([judge(part).features.double() for part in images.split(batch_size)])


class FrechetDistance:
    """Fréchet distance of images to ``real`` ones (n, 1, 28, 28), in a judge's features whitened by the real ones.

    Both sets of features are taken as Gaussians. Whitening gives the real ones mean 0 and covariance I, so the
    distance is |m|² + Σ(√λ - 1)², where m is the others' mean and λ are the eigenvalues of their covariance. No
    unit; 0 for the real images themselves, at least ``feature_dim`` for one picture repeated. Few pictures look
    farther away than many: compare sets of the same size, and put real test images beside them.

    Raises ``InvalidInput`` unless there are more real images than features. Dowson and Landau 1982; Heusel et al. 2017.
    """

    def __init__(self, judge: nn.Module, real: Tensor):
        self.judge, given = judge, features(judge, real)
        if len(given) <= given.shape[1]:
            raise InvalidInput(f"FrechetDistance expects more than {given.shape[1]} real images, but got {len(given)}.")
        self.mean = given.mean(0)
        variance, directions = torch.linalg.eigh(torch.cov(given.T))
        alive = variance > 1e-8 * variance.max()  # a direction in which no real image differs has no scale
        self.whiten = directions[:, alive] / variance[alive].sqrt()

    def __call__(self, images: Tensor) -> float:
        """The distance of images (n, 1, 28, 28) in [0, 1]; raises ``InvalidInput`` for fewer than two."""
        if len(images) < 2:
            raise InvalidInput(f"FrechetDistance expects at least 2 images, but got {len(images)}.")
        white = (features(self.judge, images) - self.mean) @ self.whiten
        spread = torch.linalg.eigvalsh(torch.cov(white.T)).clamp(min=0).sqrt()
        return float(white.mean(0).square().sum() + (spread - 1).square().sum())
