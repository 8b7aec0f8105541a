"""The objective of a classifier."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.data.dataset import Batch


def cross_entropy(model: nn.Module, batch: Batch, progress: float, *, shift: int = 0) -> dict[str, Tensor]:
    """Cross-entropy of the label in nats per image, and the ``error`` rate.

    While training, images are shifted by up to ``shift`` pixels, by the same random amount for the whole batch.
    """
    x = batch.x
    if shift and torch.is_grad_enabled():
        down, right = torch.randint(-shift, shift + 1, (2,)).tolist()
        x = x.roll((down, right), dims=(2, 3))  # the border of a digit is black
    logits = model(x, batch.label).logits
    error = (logits.argmax(1) != batch.label).float().mean()
    return {"loss": F.cross_entropy(logits, batch.label), "error": error}
