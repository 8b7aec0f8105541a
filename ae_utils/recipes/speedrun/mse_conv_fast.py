"""The first entry of the track ``mse``: the course's own fast convolutional autoencoder, as the recipe conv-fast."""

from functools import partial

from ae_utils.recipes.base import Recipe
from ae_utils.recipes.convolutional import conv_fast
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam

ENTRY = Entry(
    "mse",
    "the recipe conv-fast: BatchNorm, SiLU, one-cycle to 2e-2, batches of 128, 4 epochs",
    Recipe(
        "mse-conv-fast",
        "convolutions with BatchNorm, SiLU and a pixel shuffle",
        conv_fast,
        settings={"latent_dim": 64},
        optimizer=partial(adam, lr=2e-2, betas=(0.9, 0.95)),
        schedule=partial(one_cycle, warmup=0.15),
        batch_size=128,
        epochs=4,
    ),
)
