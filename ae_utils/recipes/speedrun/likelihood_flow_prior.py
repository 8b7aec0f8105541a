"""The first entry of the track ``likelihood``: a short training of the recipe vae-flow-prior."""

from functools import partial

from ae_utils.losses.vae import learned_prior_elbo
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.recipes.vae import flow_prior_vae
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adamw

ENTRY = Entry(
    "likelihood",
    "a VAE with a normalizing flow as its prior, as the recipe vae-flow-prior, 5 epochs instead of 9",
    Recipe(
        "likelihood-flow-prior",
        "convolutional VAE with a learned prior",
        flow_prior_vae,
        settings={"latent_dim": 32, "width": 256, "prior_width": 64, "prior_layers": 6},
        objective=partial(learned_prior_elbo, binarize=True),
        optimizer=partial(adamw, lr=8e-3, weight_decay=0.0),
        schedule=one_cycle,
        batch_size=128,
        epochs=5,
        prior=True,
    ),
)
