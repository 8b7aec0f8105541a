"""``Studio``: the course's trained models in the studio, and what each of them makes of the test digits.

``python -m ae_utils.runs.studio`` measures the models whose weights are new, and writes ``studio.json`` beside MNIST.
"""

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ae_utils.data.dataset import Images
from ae_utils.data.mnist import data_folder, mnist
from ae_utils.data.weights import metadata
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write
from ae_utils.metrics.classifier import pretrained_classifier
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.metrics.latent import codes
from ae_utils.metrics.likelihood import elbo
from ae_utils.models import VAE, Autoencoder, LatentFlow
from ae_utils.recipes.flow import AUTOENCODER
from ae_utils.runs.pretrained import pretrained
from ae_utils.widgets.studio import StudioWidget
from ae_utils.widgets.studio_state import MOST_SLIDERS, Model, Statistics, StudioModel

MODELS = {
    "linear-3d-fast": "Linear layers, and a code of three numbers",
    "pca-ae": "A linear autoencoder, whose code of 32 numbers spans PCA's subspace",
    "conv-fast": "Convolutions, and a code of 64 numbers: the lowest error of the small codes",
    "denoising-fast": "Trained to remove noise; its code has twice as many numbers as the image",
    "vae-2d": "A VAE with two latent dimensions, the ones of the map",
    "vae-best": "A VAE of convolutions with 32 latent dimensions: the highest likelihood with a fixed prior",
    "cvae": "A conditional VAE: the label says which digit, the code how it is written",
    "altered-ae": "Trained to restore altered digits: turned, blurred, noisy, occluded …",
}
FLOW = "latent-flow"
STORED = "studio.json"
QUANTILES = 201


class Studio(StudioWidget):
    """Draw a digit and see eight trained models of the course encode and reconstruct it, and one redraw it.

    ``own``: models of yours by name, shown beside them. ``image`` is what the models see.
    """

    def __init__(self, own: Mapping[str, Model] | None = None):
        """Raises ``InvalidInput`` for a model that is neither an autoencoder nor a VAE, or that the page cannot run.

        Raises ``CheckpointError`` when trained weights are missing or damaged.
        """
        test = mnist("test")
        models = {name: StudioModel(_trained(name), summary, _statistics(name)) for name, summary in MODELS.items()}
        for name, model in (own or {}).items():
            if not isinstance(model, Autoencoder | VAE):
                raise InvalidInput(f"own must hold autoencoders and VAEs, but {name} is a {type(model).__name__}.")
            models[name] = StudioModel(model, "Your own model", measure(model, test))
        flow = cast(LatentFlow, pretrained(FLOW))
        super().__init__(models, pretrained_classifier(), test, flow=flow, redraws=AUTOENCODER)


def write_studio(path: Path) -> str:
    """Write the studio as one html file; returns a line about it."""
    page = Studio().write(path)
    return f"{page}: open it in any browser; it needs no server and no network"


@torch.no_grad()
def measure(model: Model, test: Images) -> Statistics:
    """What a model makes of ``test``: ranges of its code, quantiles of its errors, the median of minus the ELBO."""
    z = codes(model, test)
    low, high = torch.quantile(z.double(), torch.tensor([0.005, 0.995], dtype=torch.float64), dim=0)
    dimensions = z.std(0).topk(min(MOST_SLIDERS, z.shape[1])).indices.sort().values
    flat = high - low < 1e-6  # a dimension that the encoder does not use
    low, high = torch.where(flat, low - 1, low)[dimensions], torch.where(flat, high + 1, high)[dimensions]
    errors = mse(reconstruct(model, test), test.target).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bound = float(-elbo(model, test).median()) if isinstance(model, VAE) else None
    quantiles = torch.quantile(errors, torch.linspace(0, 1, QUANTILES, dtype=torch.float64))
    return Statistics(dimensions.tolist(), _rounded(low), _rounded(high), _rounded(quantiles), bound)


def _rounded(numbers: Tensor) -> list[float]:
    return [float(f"{number:.5g}") for number in numbers.tolist()]


def write_statistics() -> Path:
    """Store what the course's models make of all test digits, with the checksums of their weights; returns the file."""
    path = data_folder() / STORED
    measured = {name: {"sha256": metadata(name)["sha256"], **dataclasses.asdict(_statistics(name))} for name in MODELS}
    with atomic_write(path) as beside:
        beside.write_text(_lines(measured), encoding="utf-8")
    return path


def _statistics(name: str) -> Statistics:
    """Those stored with the course; measured anew where they are missing, or of other weights."""
    stored = _stored(data_folder() / STORED).get(name, {})
    if stored.pop("sha256", None) == metadata(name)["sha256"]:
        return Statistics(**stored)
    return measure(_trained(name), mnist("test"))


def _stored(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _lines(measured: Mapping[str, Mapping[str, object]]) -> str:
    """JSON with a line for each list."""
    models = []
    for name, entry in measured.items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entry.items())
        models.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(models) + "\n}\n"


@cache
def _trained(name: str) -> Model:
    return cast(Model, pretrained(name))


if __name__ == "__main__":
    print(write_statistics())
