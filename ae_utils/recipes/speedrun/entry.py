"""What an entry of the speedrun consists of, and the steps that entries with two stages have in common."""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import Any

import torch

from ae_utils.data.dataset import Codes, Images
from ae_utils.metrics.latent import codes
from ae_utils.models import LatentFlow
from ae_utils.recipes.base import Recipe

TRAINING = (  # the fields of a recipe that a training depends on
    "model", "settings", "epochs", "objective", "optimizer", "schedule", "step", "prepare", "batch_size", "pixel_range",
    "inputs",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A recipe for one ``track``, and ``changed``: what it does differently from the entry before it, in a sentence.

    The recipe's name is the entry's. Where the recipe's model is built on a trained, frozen ``autoencoder``, that is
    trained first, with the same seed, and its weights become those of ``model.autoencoder``; its CPU-seconds count.
    """

    track: str
    changed: str
    recipe: Recipe
    autoencoder: Recipe | None = None

    @property
    def name(self) -> str:
        """The name on the command line and in the tables."""
        return self.recipe.name

    def idea(self, name: str, changed: str, *, autoencoder: Recipe | None = None, **fields: Any) -> "Entry":
        """This entry under another name, with other ``fields`` of its recipe, or another autoencoder."""
        recipe = dataclasses.replace(self.recipe, name=name, **fields)
        return Entry(self.track, changed, recipe, autoencoder or self.autoencoder)


def plan(recipe: Recipe, *others: Recipe) -> str:
    """Twelve hexadecimal digits that change with any setting of the recipes that their training depends on."""
    fields = [getattr(each, name) for each in (recipe, *others) for name in TRAINING]
    without_addresses = re.sub(r" at 0x[0-9a-f]+", "", repr(fields))
    return hashlib.sha256(without_addresses.encode()).hexdigest()[:12]


def standardized_codes(model: LatentFlow, images: Images) -> Codes:
    """The images' codes, standardized by their own mean and standard deviation, which become those of the flow."""
    with torch.no_grad():
        z = codes(model.autoencoder, images)
        model.mean.copy_(z.mean(0))
        model.std.copy_(z.std(0))
        z = model.standardized(z)
    return Codes(z, z, images.label)
