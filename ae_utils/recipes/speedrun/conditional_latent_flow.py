"""The first entry of the track ``conditional``: the same latent flow as on the track ``frechet``."""

import dataclasses

from ae_utils.recipes.speedrun import frechet_latent_flow
from ae_utils.recipes.speedrun.entry import Entry

ENTRY = Entry(
    "conditional",
    "the recipe latent-flow: flow matching on the codes of conv-fast, guidance 1.25, 16 epochs of batches of 256",
    dataclasses.replace(frechet_latent_flow.ENTRY.recipe, name="conditional-latent-flow"),
    autoencoder=frechet_latent_flow.ENTRY.autoencoder,
)
