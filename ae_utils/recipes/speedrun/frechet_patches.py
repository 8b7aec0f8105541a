"""Entry of the track ``frechet``: the mixture on the codes of a cheaper autoencoder."""

from functools import partial

from ae_utils.recipes.base import Recipe
from ae_utils.recipes.speedrun import frechet_mixture
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.recipes.speedrun.mixture import LatentMixture
from ae_utils.recipes.speedrun.patches import patch_autoencoder
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam

AUTOENCODER = Recipe(
    "patches",
    "autoencoder of patches, one epoch",
    patch_autoencoder,
    settings={"latent_dim": 64, "channels": 32},
    optimizer=partial(adam, lr=2e-2, betas=(0.9, 0.95)),
    schedule=partial(one_cycle, warmup=0.15),
    batch_size=128,
    epochs=1,
)


def mixture_of_patches(latent_dim: int, channels: int, components: int, temperature: float = 1.0) -> LatentMixture:
    """A mixture over the codes of ``patch_autoencoder``, unfitted."""
    return LatentMixture(patch_autoencoder(latent_dim, channels), components, temperature=temperature)


ENTRY: Entry = frechet_mixture.ENTRY.idea(
    "frechet-patches",
    "the autoencoder works on patches of 4×4 pixels, 32 channels at 7×7, and is trained for a single epoch",
    autoencoder=AUTOENCODER,
    model=mixture_of_patches,
    settings={**AUTOENCODER.settings, "components": 40},
)
