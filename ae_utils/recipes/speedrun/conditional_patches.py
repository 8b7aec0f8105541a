"""Entry of the track ``conditional``: the same model as ``frechet-patches``."""

import dataclasses

from ae_utils.recipes.speedrun import frechet_patches
from ae_utils.recipes.speedrun.entry import Entry

ENTRY = Entry(
    "conditional",
    frechet_patches.ENTRY.changed,
    dataclasses.replace(frechet_patches.ENTRY.recipe, name="conditional-patches"),
    autoencoder=frechet_patches.ENTRY.autoencoder,
)
