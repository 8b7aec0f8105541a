"""Entry of the track ``frechet``: half the channels, and half the training images for the autoencoder."""

import dataclasses
from functools import partial

from ae_utils.data.dataset import Images
from ae_utils.models import Autoencoder
from ae_utils.recipes.speedrun import frechet_patches
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.training.step import adam


def first_half(model: Autoencoder, images: Images) -> Images:
    """The first half of the training images."""
    return images[: len(images) // 2]


AUTOENCODER = dataclasses.replace(
    frechet_patches.AUTOENCODER,
    name="patches-half",
    settings={"latent_dim": 64, "channels": 16},
    optimizer=partial(adam, lr=4e-2, betas=(0.9, 0.95)),
    inputs=first_half,
    batch_size=64,
)
ENTRY: Entry = frechet_patches.ENTRY.idea(
    "frechet-half",
    "the autoencoder has 16 channels and sees half the images once, in batches of 64, one-cycle to 4e-2; "
    "60 Gaussians per digit",
    autoencoder=AUTOENCODER,
    settings={**AUTOENCODER.settings, "components": 60},
)
