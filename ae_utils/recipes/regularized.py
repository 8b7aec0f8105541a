"""Systems 8–10: sparse, denoising and contractive autoencoders, whose codes are larger than the image."""

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure
from torch import Tensor, nn

from ae_utils import plots
from ae_utils.data.dataset import Images
from ae_utils.data.noise import corrupted, either, gaussian, salt_and_pepper
from ae_utils.losses.regularized import contractive, denoising, sparse_kl, sparse_l1
from ae_utils.metrics.images import psnr, reconstruct, reconstruction_quality, ssim
from ae_utils.metrics.latent import active_fraction, codes, sensitivity
from ae_utils.models import Autoencoder
from ae_utils.networks.convolutional import conv_bn_act, shuffle_decoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.protocols import Reconstructs
from ae_utils.recipes.base import Recipe
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam

NOISES: dict[str, Callable[[Tensor], Tensor]] = {"gaussian": gaussian, "salt_and_pepper": salt_and_pepper}


def wide(latent_dim: int, activation: type[nn.Module] = nn.ReLU) -> Autoencoder:
    """784 → latent_dim → 784, an activation function on the code, a sigmoid on the pixels.

    Published without a width: here an overcomplete code, so that only the penalty prevents copying.
    """
    encoder = dense_encoder((latent_dim,)).append(activation())
    return Autoencoder(encoder, dense_decoder((latent_dim,)), latent_dim)


def denoiser(width: int) -> Autoencoder:
    """Two convolutions to a code of 32 × 7 × 7 numbers; two linear layers and two convolutions back."""
    latent_dim = 32 * 7 * 7
    encoder = nn.Sequential(*conv_bn_act((1, 16, 32), (4, 4)), nn.Flatten())
    return Autoencoder(encoder, shuffle_decoder(latent_dim, width).append(nn.Sigmoid()), latent_dim)


def code_quality(model: Reconstructs, test: Images) -> dict[str, float]:
    """Quality of the reconstructions, fraction of activations above 0.1, and sensitivity of the code to noise."""
    return {
        **reconstruction_quality(model, test),
        "active_fraction": active_fraction(codes(model, test), threshold=0.1),
        "sensitivity": sensitivity(model, test),
    }


def denoising_quality(model: Reconstructs, test: Images) -> dict[str, float]:
    """PSNR (dB) and SSIM of noisy test images and of their reconstructions, for each of ``NOISES``."""
    report = {}
    for name, corrupt in NOISES.items():
        damaged = corrupted(test, corrupt)
        for state, images in (("noisy", damaged.x), ("denoised", reconstruct(model, damaged))):
            for metric in (psnr, ssim):
                report[f"{name}_{state}_{metric.__name__}"] = float(metric(images, test.target).double().mean())
    return report


def denoised(model: Reconstructs, test: Images, title: str) -> Figure:
    """Nine test digits noisy, denoised and clean, in three rows; the noise is gaussian."""
    shown = corrupted(test[:9], gaussian)
    device = next(model.parameters()).device
    x_hat = reconstruct(model, shown.to(device)).cpu()
    return plots.image_rows((shown.x, x_hat, shown.target), ("noisy", "denoised", "clean"), title=title)


penalized = partial(Recipe, settings={"latent_dim": 1024}, epochs=10, evaluate=code_quality)

RECIPES = (
    penalized(
        "sparse-l1",
        "sparse code of 1,024 units: L1 penalty",
        wide,
        objective=partial(sparse_l1, weight=0.02),
        system=8,
    ),
    penalized(
        "sparse-kl",
        "sparse code of 1,024 units: KL to a target activation",
        partial(wide, activation=nn.Sigmoid),
        objective=partial(sparse_kl, weight=0.05, rho=0.05),
        system=8,
    ),
    penalized(
        "denoising",
        "denoising autoencoder with 1,024 units",
        wide,
        objective=partial(denoising, corrupt=gaussian),
        system=9,
        evaluate=denoising_quality,
        figures=(denoised,),
    ),
    penalized(
        "contractive",
        "contractive autoencoder with 1,024 units: penalty on the Jacobian",
        partial(wide, activation=nn.Sigmoid),
        objective=partial(contractive, weight=0.1),
        system=10,
    ),
    Recipe(
        "denoising-fast",
        "convolutional denoiser for two kinds of noise: squared and absolute error, one-cycle",
        denoiser,
        settings={"width": 512},
        objective=partial(denoising, corrupt=partial(either, corruptions=(gaussian, salt_and_pepper)), l1_weight=0.2),
        optimizer=partial(adam, lr=5e-3),
        schedule=one_cycle,
        batch_size=128,
        epochs=2,
        evaluate=denoising_quality,
        figures=(denoised,),
    ),
)
