"""How good a set of samples is: its Fréchet distance, which digits occur, and its distance to the training images."""

import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import features


class FrechetDistance:
    """Squared Fréchet distance of images to ``real`` ones (n, 1, 28, 28), in a classifier's whitened features.

    Both sets of features are taken as Gaussians. Whitening gives the real ones mean 0 and covariance I, so the distance
    is |m|² + Σ(√λ - 1)², where m is the others' mean and λ are the eigenvalues of their covariance. No unit; 0 for the
    real images themselves, at least ``feature_dim`` for one image repeated. A small set has a larger distance than a
    large one from the same distribution: compare sets of the same size, and state that of real test images beside them.

    Raises ``InvalidInput`` unless there are more real images than features. Dowson and Landau 1982; Heusel et al. 2017.
    """

    def __init__(self, classifier: nn.Module, real: Tensor):
        self.classifier, of_real = classifier, features(classifier, real)
        if len(of_real) <= of_real.shape[1]:
            raise InvalidInput(
                f"FrechetDistance expects more than {of_real.shape[1]} real images, but got {len(of_real)}."
            )
        self.mean = of_real.mean(0)
        variance, directions = torch.linalg.eigh(torch.cov(of_real.T))
        used = variance > 1e-8 * variance.max()  # a direction in which no real image differs has no scale
        self.whiten = directions[:, used] / variance[used].sqrt()

    def __call__(self, images: Tensor) -> float:
        """The distance of images (n, 1, 28, 28) in [0, 1]; raises ``InvalidInput`` for fewer than two."""
        if len(images) < 2:
            raise InvalidInput(f"FrechetDistance expects at least 2 images, but got {len(images)}.")
        white = (features(self.classifier, images) - self.mean) @ self.whiten
        std = torch.linalg.eigvalsh(torch.cov(white.T)).clamp(min=0).sqrt()
        return float(white.mean(0).square().sum() + (std - 1).square().sum())


def classes_reached(probabilities: Tensor, *, min_fraction: float = 0.01) -> int:
    """How many digits make up at least ``min_fraction`` of the images, from class probabilities (n, 10)."""
    return int((label_fractions(probabilities) >= min_fraction).sum())


def label_entropy(probabilities: Tensor) -> float:
    """Entropy of the predicted labels in nats: log 10 = 2.303 when all digits are equally frequent, 0 for one digit."""
    return float(torch.special.entr(label_fractions(probabilities)).sum())


def confident_fraction(probabilities: Tensor, *, threshold: float = 0.95) -> float:
    """The fraction of images whose most probable digit has at least ``threshold`` probability.

    About 97 % of the real test digits at 0.95. On its own it misleads: it rises while modes are lost.
    """
    return float((_check_probabilities(probabilities).max(1).values >= threshold).double().mean())


def label_fractions(probabilities: Tensor) -> Tensor:
    """The fraction of images predicted to be each digit → (10,)."""
    return _check_probabilities(probabilities).argmax(1).bincount(minlength=10).double() / len(probabilities)


def nearest_distance(images: Tensor, others: Tensor, *, batch_size: int = 500) -> Tensor:
    """Euclidean distance in pixels from each image to the nearest of ``others``: (n, …) and (m, …) → (n,).

    0 for copies: matrix products find the nearest one, and its distance is then taken pixel by pixel, without their
    rounding.
    """
    images, others = images.flatten(1), others.flatten(1)
    nearest = torch.cat([torch.cdist(part, others).argmin(1) for part in images.split(batch_size)])
    return (images - others[nearest]).norm(dim=1)


def precision_and_recall(samples: Tensor, real: Tensor, *, k: int = 3) -> tuple[float, float]:
    """Fraction of samples in the region of real features, and of real ones in that of samples: (n, d), (m, d).

    A region is the union of balls around the features of one set, each reaching to its ``k``-th nearest neighbour in
    that set. Precision falls when samples are unlike real images, recall when some kinds of real images are missing.
    Compare sets of the same size. Kynkäänniemi et al. 2019. Raises ``InvalidInput`` for sets of at most ``k`` features.
    """
    if min(len(samples), len(real)) <= k or samples.shape[1:] != real.shape[1:]:
        raise InvalidInput(
            f"precision_and_recall expects two sets (n, d) of more than {k} features, "
            f"but got {tuple(samples.shape)} and {tuple(real.shape)}."
        )
    return _fraction_inside(samples, real, k), _fraction_inside(real, samples, k)


def _fraction_inside(points: Tensor, centers: Tensor, k: int) -> float:
    """The fraction of ``points`` in a ball around one of ``centers`` that reaches to its k-th nearest neighbour."""
    radius = torch.cat([torch.cdist(part, centers).kthvalue(k + 1).values for part in centers.split(1000)])
    inside = [(torch.cdist(part, centers) <= radius).any(1) for part in points.split(1000)]
    return float(torch.cat(inside).double().mean())


def _check_probabilities(probabilities: Tensor) -> Tensor:
    if probabilities.ndim != 2 or probabilities.shape[1] != 10 or not len(probabilities):
        raise InvalidInput(
            f"expected probabilities (n, 10) of at least one image, but got {tuple(probabilities.shape)}."
        )
    return probabilities
