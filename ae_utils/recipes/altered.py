"""Systems 14–16: residual networks that restore altered digits, and draw the embedding of all of them."""

from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ae_utils import plots
from ae_utils.data.altered import ALTERATIONS, Altered, altered
from ae_utils.data.folders import paired
from ae_utils.data.images import Batches, Images
from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.losses.variational import negative_elbo
from ae_utils.metrics.images import psnr, reconstruct, ssim
from ae_utils.metrics.obedience import obedience_report
from ae_utils.models import CVAE, VAE, Autoencoder
from ae_utils.networks import Conditional, residual_decoder, residual_features, residual_pictures
from ae_utils.protocols import Reconstructs
from ae_utils.recipes.conditional import digits_asked_for, helped_step, judges, same_code_ten_labels
from ae_utils.recipes.recipe import Recipe
from ae_utils.training import adamw, one_cycle

MOST_PSNR = 50.0  # dB; an occlusion beside the digit changes nothing, and infinity has no mean


def altered_mnist(split: str) -> Altered:
    """The course's own set: one altered version of each ``"train"`` or ``"test"`` image."""
    return altered(mnist(split), seed={"train": 1, "test": 2}[split])


def altered_images(data: Path | None) -> tuple[Images, Images]:
    """The course's own altered set; or folders ``clean`` and ``aug`` of yours, paired, a seventh of them the test.

    All versions of a clean image stand on the same side, so the test digits are new to the model.
    """
    if data is None:
        return altered_mnist("train").images, altered_test()
    yours, recovered = paired(data)
    print(f"{data}: {len(yours.source):,} altered images paired with clean ones by similarity")
    if recovered:
        print("  paired rightly:", ", ".join(f"{kind} {share:.1%}" for kind, share in recovered.items()))
    held_out = yours.source % 7 == 6
    if held_out.all() or not held_out.any():
        raise InvalidInput(f"{data} has too few clean images to hold a seventh of them out; at least 7 are needed.")
    return yours.images[~held_out], yours.images[held_out]


def altered_test() -> Images:
    """The test images of the course's own set."""
    return altered_mnist("test").images


def residual_ae(latent_dim: int, width: int) -> Autoencoder:
    """Residual blocks down to 4×4 and up again, the code between them; all blocks at 14×14 and below."""
    encoder = nn.Sequential(*residual_features(width), nn.Linear(64 * width, latent_dim))
    return Autoencoder(encoder, residual_decoder(latent_dim, width).append(nn.Sigmoid()), latent_dim)


def residual_vae(latent_dim: int, width: int) -> VAE:
    """The same with two heads, mu and logvar."""
    encoder = nn.Sequential(*residual_features(width), nn.Linear(64 * width, 2 * latent_dim))
    return VAE(encoder, residual_decoder(latent_dim, width), latent_dim)


def residual_cvae(latent_dim: int, width: int) -> CVAE:
    """The same, where the label joins the features before the heads, and is heard by both layers after the code."""
    body = nn.Sequential(*residual_features(width))
    head = nn.Sequential(Conditional(64 * width, 128), nn.Linear(128 + 10, 2 * latent_dim))
    heard = Conditional(latent_dim, 128), Conditional(128, 64 * width, pass_on=False)
    return CVAE(body, head, nn.Sequential(*heard, *residual_pictures(width)), latent_dim)


def restoration_quality(model: Reconstructs, test: Images) -> dict[str, float]:
    """PSNR (dB, at most 50 an image) and SSIM of altered test images and of what the model makes of them.

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


def restoration_and_obedience(model: CVAE, test: Images) -> dict[str, float]:
    """Both: how well it restores, and whether it draws what it is asked for."""
    return restoration_quality(model, test) | obedience_report(model, judges(), test)


def restorations(model: Reconstructs, test: Images, title: str) -> Figure:
    """Nine altered digits, what the model makes of them, and the clean ones."""
    shown = test[:9].to(next(model.parameters()).device)
    rows = (shown.x.cpu(), reconstruct(model, shown).cpu(), shown.target.cpu())
    return plots.image_rows(rows, ("altered", "restored", "clean"), title=title)


@torch.no_grad()
def code_sets(model: nn.Module, images: Images) -> dict[str, Tensor]:
    """The codes of all images; for a model with mu and logvar those are mu, and codes drawn from the posterior too."""
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
    settings={"latent_dim": 32, "width": 16},
    optimizer=partial(adamw, lr=4e-3, weight_decay=0.0),
    schedule=one_cycle,
    batch_size=128,
    epochs=10,
    source=altered_images,
    own_test=altered_test,
    evaluate=restoration_quality,
    pictures=(restorations,),
    embeddings=code_sets,
)

RECIPES = (
    restoring("altered-ae", "residual autoencoder that restores altered digits", residual_ae, system=14),
    restoring(
        "altered-vae",
        "the same as a VAE",
        residual_vae,
        objective=negative_elbo,
        system=15,
    ),
    restoring(
        "altered-cvae",
        "the same, told the label: draws the digit that is asked for",
        residual_cvae,
        settings={"latent_dim": 16, "width": 16},
        objective=partial(negative_elbo, beta=2.0),
        step=helped_step,
        evaluate=restoration_and_obedience,
        pictures=(restorations, digits_asked_for, same_code_ten_labels),
        system=16,
    ),
)
