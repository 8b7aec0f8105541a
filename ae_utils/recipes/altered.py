"""Systems 14–16: residual networks that restore altered digits; t-SNE figures of the codes of all images."""

from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ae_utils import plots
from ae_utils.data.altered import ALTERATIONS, Altered, altered
from ae_utils.data.dataset import Batches, Images
from ae_utils.data.folders import paired
from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.losses.vae import negative_elbo
from ae_utils.metrics.conditional import conditional_report
from ae_utils.metrics.images import psnr, reconstruct, ssim
from ae_utils.models import CVAE, VAE, Autoencoder
from ae_utils.networks.conditional import ConcatLabel, ConditionalLinear, ConditionalSequential
from ae_utils.networks.residual import residual_decoder, residual_features, residual_images
from ae_utils.protocols import Reconstructs
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.conditional import auxiliary_classifier_step, classifiers, same_code_ten_labels, samples_by_label
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adamw

MOST_PSNR = 50.0  # dB; an occlusion beside the digit changes nothing, and the mean must stay finite


def altered_mnist(split: str) -> Altered:
    """The course's own set: one altered version of each ``"train"`` or ``"test"`` image of MNIST."""
    return altered(mnist(split), seed={"train": 1, "test": 2}[split])


def altered_images(data: Path | None) -> tuple[Images, Images]:
    """The course's own altered set; or the folders ``clean`` and ``aug`` in ``data``, a seventh held out for testing.

    All versions of a clean image are in the same split, so the test digits are new to the model.
    """
    if data is None:
        return altered_mnist("train").images, altered_test()
    found, recovered = paired(data)
    print(f"{data}: {len(found.source):,} altered images paired with clean ones by similarity")
    if recovered:
        print("  paired correctly:", ", ".join(f"{kind} {fraction:.1%}" for kind, fraction in recovered.items()))
    held_out = found.source % 7 == 6
    if held_out.all() or not held_out.any():
        raise InvalidInput(f"{data} has too few clean images to hold a seventh of them out; at least 7 are needed.")
    return found.images[~held_out], found.images[held_out]


def altered_test() -> Images:
    """The test images of the course's own set."""
    return altered_mnist("test").images


def residual_ae(latent_dim: int, width: int) -> Autoencoder:
    """Residual blocks of ``width`` channels at 7×7, a code, and residual blocks back. Published without widths.

    Nothing is computed on larger feature maps, which takes half the time of three resolutions from 14×14 down.
    """
    encoder = nn.Sequential(*residual_features(width), nn.Linear(49 * width, latent_dim))
    model = Autoencoder(encoder, residual_decoder(latent_dim, width).append(nn.Sigmoid()), latent_dim)
    return model.to(memory_format=torch.channels_last)


def residual_vae(latent_dim: int, width: int) -> VAE:
    """The same with two heads, mu and logvar."""
    encoder = nn.Sequential(*residual_features(width), nn.Linear(49 * width, 2 * latent_dim))
    return VAE(encoder, residual_decoder(latent_dim, width), latent_dim).to(memory_format=torch.channels_last)


def residual_cvae(latent_dim: int, width: int) -> CVAE:
    """The same conditioned on the label: in the linear layers after the residual blocks and after the code."""
    encoder = ConditionalSequential(
        *residual_features(width),
        ConditionalLinear(49 * width, 128),
        ConcatLabel(),
        nn.Linear(128 + 10, 2 * latent_dim),
    )
    layers = ConditionalLinear(latent_dim, 128), ConditionalLinear(128, 49 * width)
    decoder = ConditionalSequential(*layers, *residual_images(width))
    return CVAE(encoder, decoder, latent_dim).to(memory_format=torch.channels_last)


def restoration_quality(model: Reconstructs, test: Images) -> dict[str, float]:
    """PSNR (dB, at most 50 per image) and SSIM of altered test images and of their reconstructions.

    Over ``test``, and for each alteration over the course's own altered test images.
    """
    report, own = _before_and_after(model, test), altered_mnist("test")
    for number, name in enumerate(ALTERATIONS):
        rows = _before_and_after(model, own.images[own.kind == number])
        report |= {f"{name}_{metric}": value for metric, value in rows.items()}
    return report


def _before_and_after(model: Reconstructs, images: Images) -> dict[str, float]:
    states = {"altered": images.x, "restored": reconstruct(model, images)}
    return {
        f"{state}_{metric.__name__}": float(metric(x, images.target).clamp(max=MOST_PSNR).double().mean())
        for state, x in states.items()
        for metric in (psnr, ssim)
    }


def restoration_and_conditional_quality(model: CVAE, test: Images) -> dict[str, float]:
    """Quality of the restorations, and ``conditional_report``."""
    return restoration_quality(model, test) | conditional_report(model, classifiers(), test)


def restorations(model: Reconstructs, test: Images, title: str) -> Figure:
    """Nine altered digits, their restorations, and the clean digits."""
    shown = test[:9].to(next(model.parameters()).device)
    rows = (shown.x.cpu(), reconstruct(model, shown).cpu(), shown.target.cpu())
    return plots.image_rows(rows, ("altered", "restored", "clean"), title=title)


@torch.no_grad()
def code_sets(model: nn.Module, images: Images) -> dict[str, Tensor]:
    """The codes of all images; of a variational model mu, and codes sampled from the approximate posterior too."""
    model.eval()
    outputs = [model(batch.x, batch.label) for batch in Batches(images, 1000)]
    if not hasattr(outputs[0], "mu"):
        return {"codes": torch.cat([output.z for output in outputs])}
    return {
        "codes": torch.cat([output.mu for output in outputs]),
        "sampled_codes": torch.cat([output.z for output in outputs]),
    }


restoring = partial(
    Recipe,
    settings={"latent_dim": 32, "width": 32},
    optimizer=partial(adamw, lr=8e-3, weight_decay=0.0),
    schedule=one_cycle,
    batch_size=128,
    epochs=10,
    source=altered_images,
    own_test=altered_test,
    evaluate=restoration_quality,
    figures=(restorations,),
    embeddings=code_sets,
)

RECIPES = (
    restoring(
        "altered-ae",
        "residual autoencoder that restores altered digits",
        residual_ae,
        optimizer=partial(adamw, lr=1.6e-2, weight_decay=0.0),
        system=14,
    ),
    restoring(
        "altered-vae",
        "the same as a VAE",
        residual_vae,
        objective=negative_elbo,
        epochs=16,
        prior=True,
        system=15,
    ),
    restoring(
        "altered-cvae",
        "the same as a conditional VAE with an auxiliary classifier",
        residual_cvae,
        settings={"latent_dim": 16, "width": 32},
        objective=partial(negative_elbo, beta=2.0),
        step=auxiliary_classifier_step,
        prior=True,
        evaluate=restoration_and_conditional_quality,
        figures=(restorations, samples_by_label, same_code_ten_labels),
        system=16,
    ),
)
