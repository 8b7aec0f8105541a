"""Ideas for the speedrun that were tried with one seed and are no entries; most of them led nowhere."""

import dataclasses
from functools import partial
from typing import Any

from ae_utils.recipes.speedrun import (
    conditional_16,
    conditional_patches,
    frechet_half,
    frechet_patches,
    likelihood_patches,
    mse_conv_fast,
    mse_muon_48,
)
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.recipes.speedrun.muon import MuonAndAdam
from ae_utils.recipes.speedrun.patches import patch_autoencoder
from ae_utils.training.step import adam

MSE, PATCHES = mse_conv_fast.ENTRY, {"latent_dim": 64, "channels": 32}
muon = partial(MuonAndAdam, lr=0.1, adam_lr=4e-2)
fast_adam = partial(adam, lr=4e-2, betas=(0.9, 0.95))
more_steps: dict[str, Any] = {"optimizer": fast_adam, "batch_size": 64}
mse_patches = partial(MSE.idea, model=patch_autoencoder, settings=PATCHES)


def smaller(entry: Entry, name: str, changed: str, *, channels: int, components: int) -> Entry:
    """A mixture on ``frechet-half``'s autoencoder with other numbers of channels and of components."""
    autoencoder = dataclasses.replace(entry.autoencoder or entry.recipe, settings={**PATCHES, "channels": channels})
    return entry.idea(
        name, changed, autoencoder=autoencoder, settings={**autoencoder.settings, "components": components}
    )


IDEAS: tuple[Entry, ...] = (
    MSE.idea("mse-one-epoch", "conv-fast, 1 epoch of batches of 64, one-cycle to 4e-2", epochs=1, **more_steps),
    MSE.idea("mse-two-epochs", "conv-fast, 2 epochs of batches of 64, one-cycle to 4e-2", epochs=2, **more_steps),
    mse_patches("mse-patches", "patches of 4×4 pixels, 1 epoch of batches of 128, one-cycle to 2e-2", epochs=1),
    mse_patches(
        "mse-patches-4e-2", "patches, 1 epoch of batches of 128, one-cycle to 4e-2", epochs=1, optimizer=fast_adam
    ),
    mse_patches(
        "mse-patches-64",
        "patches, 1 epoch of batches of 64, one-cycle to 4e-2",
        epochs=1,
        optimizer=fast_adam,
        batch_size=64,
    ),
    mse_patches(
        "mse-patches-muon",
        "patches, 1 epoch of batches of 128, Muon to 0.1 for the linear layers",
        epochs=1,
        optimizer=muon,
    ),
    mse_patches(
        "mse-patches-muon-64",
        "patches, 1 epoch of batches of 64, Muon to 0.1 for the linear layers",
        epochs=1,
        optimizer=muon,
        batch_size=64,
    ),
    mse_patches(
        "mse-patches-2", "patches, 2 epochs of batches of 64 to 4e-2", epochs=2, optimizer=fast_adam, batch_size=64
    ),
    mse_muon_48.ENTRY.idea(
        "mse-muon", "conv-fast, 1 epoch of batches of 64, Muon to 0.1 for the linear layers", batch_size=64
    ),
    likelihood_patches.ENTRY.idea("likelihood-patches-1", "patches, 1 epoch", epochs=1),
    likelihood_patches.ENTRY.idea("likelihood-patches-6", "patches, 6 epochs: not with every seed", epochs=6),
    smaller(
        frechet_half.ENTRY,
        "frechet-8-channels",
        "frechet-half with 8 channels instead of 16",
        channels=8,
        components=60,
    ),
    smaller(
        frechet_half.ENTRY,
        "frechet-20-gaussians",
        "frechet-half with 20 Gaussians per digit instead of 60",
        channels=16,
        components=20,
    ),
    conditional_patches.ENTRY.idea(
        "conditional-half",
        "the autoencoder of frechet-half, 60 Gaussians per digit, standard deviations times 0.97",
        autoencoder=frechet_half.AUTOENCODER,
        settings={**frechet_half.AUTOENCODER.settings, "components": 60, "temperature": 0.97},
    ),
    smaller(
        conditional_16.ENTRY,
        "conditional-20-gaussians",
        "conditional-16 with 20 Gaussians per digit, temperature 1",
        channels=16,
        components=20,
    ),
    frechet_patches.ENTRY.idea(
        "frechet-48-numbers",
        "frechet-patches with codes of 48 numbers",
        settings={"latent_dim": 48, "channels": 32, "components": 40},
        autoencoder=dataclasses.replace(frechet_patches.AUTOENCODER, settings={"latent_dim": 48, "channels": 32}),
    ),
)
