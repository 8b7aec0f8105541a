"""What a set of generated digits is worth beside its Fréchet distance: do all ten come, clearly, and not by heart?"""

import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput


@torch.no_grad()
def judged(judge: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """A judge's class probabilities (n, 10) for images (n, 1, 28, 28) in [0, 1]."""
    judge.eval()
    return torch.cat([judge(part).logits.softmax(1) for part in images.split(batch_size)])


def classes_reached(probabilities: Tensor, *, share: float = 0.01) -> int:
    """How many of the ten digits make up at least ``share`` of the pictures, from ``judged`` (n, 10)."""
    return int((label_shares(probabilities) >= share).sum())


def label_entropy(probabilities: Tensor) -> float:
    """Entropy of the judged labels in nats: log 10 = 2.303 when all digits come equally often, 0 when one does."""
    return float(torch.special.entr(label_shares(probabilities)).sum())


def confident_share(probabilities: Tensor, *, threshold: float = 0.95) -> float:
    """The share of pictures whose digit the judge names with at least ``threshold`` probability.

    About 97 % of the real test digits at .95. Alone it misleads: it rises while modes are lost.
    """
    return float((_some(probabilities).max(1).values >= threshold).double().mean())


def label_shares(probabilities: Tensor) -> Tensor:
    """The share of each digit among the judged labels → (10,)."""
    return _some(probabilities).argmax(1).bincount(minlength=10).double() / len(probabilities)


def _some(probabilities: Tensor) -> Tensor:
    if probabilities.ndim != 2 or probabilities.shape[1] != 10 or not len(probabilities):
        raise InvalidInput(
            f"expected probabilities (n, 10) of at least one image, but got {tuple(probabilities.shape)}."
        )
    return probabilities


def nearest_distance(images: Tensor, others: Tensor, *, batch_size: int = 500) -> Tensor:
    """Each image's Euclidean distance in pixels to the nearest of ``others``: (n, …) and (m, …) → (n,).

    Near 0 for pictures learned by heart.
    """
    others = others.flatten(1)
    parts = images.flatten(1).split(batch_size)
    return torch.cat([torch.cdist(part, others).min(1).values for part in parts])
