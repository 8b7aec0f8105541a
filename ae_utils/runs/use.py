"""What the command line does with a trained model: a page with sliders, reconstructions of photos, samples."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from ae_utils import plots
from ae_utils.data.dataset import Images
from ae_utils.data.photo import read_photo
from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import classify_with, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, draw
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.metrics.latent import codes
from ae_utils.models import CVAE, LatentFlow
from ae_utils.protocols import Decodes, Encodes, Reconstructs
from ae_utils.runs.run import load_model
from ae_utils.widgets.page import write_page


def explore(folder: Path, html: Path) -> str:
    """Write a page with sliders for the model of a run; returns a line about it.

    Raises ``InvalidInput`` for a model without a decoder, or without a readable checkpoint.
    """
    recipe, model = load_model(folder)
    if not hasattr(model, "decode"):
        raise InvalidInput(f"{recipe.name} has no decoder; name a run of an autoencoder or a GAN.")
    test = recipe.own_test()[:2000]
    options: dict[str, Any] = {}
    if hasattr(model, "encode"):  # a generator has no codes to show
        low, high = getattr(model, "pixel_range", (0, 1))
        images = (test.x - low) / (high - low)
        options = {"codes": codes(cast(Encodes, model), test), "labels": test.label, "images": images}
    if isinstance(model, CVAE | LatentFlow):
        options["label_choices"] = range(10)
    page = write_page(html, model, title=recipe.name, **options)
    return f"{page}: open it in any browser; it needs no server and no network"


def reconstruct_photos(folder: Path, images: Sequence[Path], out: Path) -> Iterator[str]:
    """Reconstruct photos of digits with the model of a run, into one figure; yields a line for each.

    A conditional model is given the label that the digit classifier reads. Raises ``InvalidInput`` for a model without
    an encoder, or an image that cannot be read.
    """
    recipe, model = load_model(folder)
    if not hasattr(model, "encode"):
        raise InvalidInput(f"{recipe.name} has no encoder; name a run of an autoencoder.")
    photos, notes = zip(*(read_photo(path) for path in images), strict=True)
    x = torch.stack(photos)
    label = classify_with(pretrained_classifier())(x)
    x_hat = reconstruct(cast(Reconstructs, model), Images(x, x, label))
    for path, note, digit, error in zip(images, notes, label, mse(x_hat, x), strict=True):
        yield f"{path}: {note}; looks like a {digit}; squared error per pixel {error:.4f}"
    plots.save(plots.reconstructions(x, x_hat, count=len(x)), out)
    yield f"{out}: the images as the model received them, over their reconstructions"


def sample(
    folder: Path, label: int | None, count: int, seed: int, guidance: float | None, steps: int | None, out: Path
) -> str:
    """Draw ``count`` samples with the model of a run, into one figure; returns a line about it.

    ``guidance`` and ``steps`` replace those of a latent flow. Raises ``InvalidInput`` for a model without a prior, for
    a label where the model is not conditional, and for the flow's options with another model.
    """
    recipe, model = load_model(folder)
    if not recipe.prior:
        raise InvalidInput(f"{recipe.name} has no prior to draw codes from; name a run of a VAE, GAN or latent flow.")
    if label is not None and not isinstance(model, CVAE | LatentFlow):
        raise InvalidInput(f"{recipe.name} is not conditional; leave --label out, or name a run of a CVAE.")
    if isinstance(model, LatentFlow):
        model.guidance, model.steps = guidance or model.guidance, steps or model.steps
    elif guidance or steps:
        raise InvalidInput(f"{recipe.name} is no latent flow; leave --guidance and --steps out.")
    labels = all_digits(count) if label is None else torch.full((count,), label)
    plots.save(
        plots.image_grid(draw(cast(Decodes, model), labels, seed=seed), min(count, 10 if label is None else 8)), out
    )
    return f"{out}: {count} new digits"
