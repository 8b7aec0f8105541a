"""Metrics of reconstructions, one number for each image, on pixels in [0, 1]; the caller averages."""

import numpy as np
import torch
from torch import Tensor

from ae_utils.data.dataset import Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.protocols import Reconstructs


def mse(x_hat: Tensor, target: Tensor) -> Tensor:
    """Squared error per pixel of each image: two tensors (n, 1, h, w) in [0, 1] → (n,)."""
    return (_same_shape(x_hat, target) - target).square().flatten(1).mean(1)


def psnr(x_hat: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in decibels, for a peak of 1 → (n,); infinite for equal images."""
    return -10 * torch.log10(mse(x_hat, target))


def ssim(x_hat: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each image, by scikit-image with its default 7×7 window → (n,), 1 for equal images.

    Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment", 2004. 10,000 images take a few seconds.
    """
    from skimage.metrics import structural_similarity

    ours, theirs = (_pixels(images) for images in (_same_shape(x_hat, target), target))
    pairs = zip(ours, theirs, strict=True)
    values = [structural_similarity(one, other, data_range=1.0) for one, other in pairs]
    return torch.tensor(values, dtype=torch.float32)


@torch.no_grad()
def reconstruct(model: Reconstructs, images: Images, *, batch_size: int = 1000) -> Tensor:
    """A model's reconstructions (n, 1, 28, 28) of ``images.x``, both in [0, 1] whatever the model's pixel range.

    They are ``decode(encode(x))``: a variational model decodes the mean of its approximate posterior, nothing is drawn.
    """
    model.eval()
    batches = Batches(images.to_range(*getattr(model, "pixel_range", (0, 1))), batch_size)
    return torch.cat([model.decode(model.encode(batch.x, batch.label), batch.label) for batch in batches])


def reconstruction_quality(model: Reconstructs, images: Images) -> dict[str, float]:
    """Mean MSE, PSNR (dB) and SSIM of a model's reconstructions against ``images.target``."""
    x_hat = reconstruct(model, images)
    return {metric.__name__: float(metric(x_hat, images.target).double().mean()) for metric in (mse, psnr, ssim)}


def _same_shape(x_hat: Tensor, target: Tensor) -> Tensor:
    if x_hat.shape != target.shape or x_hat.ndim != 4:
        raise InvalidInput(
            "image metrics expect two tensors of the same shape (n, 1, height, width), "
            f"but got {tuple(x_hat.shape)} and {tuple(target.shape)}."
        )
    return x_hat


def _pixels(images: Tensor) -> np.ndarray:
    return images.detach().squeeze(1).cpu().numpy().astype(np.float32)
