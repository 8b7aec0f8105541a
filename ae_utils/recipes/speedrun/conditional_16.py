"""Entry of the track ``conditional``: half the channels, more Gaussians, and samples that keep closer to them."""

import dataclasses
from functools import partial

from ae_utils.recipes.speedrun import conditional_patches, frechet_patches
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.training.step import adam

AUTOENCODER = dataclasses.replace(
    frechet_patches.AUTOENCODER,
    name="patches-16",
    settings={"latent_dim": 64, "channels": 16},
    optimizer=partial(adam, lr=4e-2, betas=(0.9, 0.95)),
)
ENTRY: Entry = conditional_patches.ENTRY.idea(
    "conditional-16",
    "the autoencoder has 16 channels, one-cycle to 4e-2; 60 Gaussians per digit, their standard deviations times 0.97",
    autoencoder=AUTOENCODER,
    settings={**AUTOENCODER.settings, "components": 60, "temperature": 0.97},
)
