"""The first entry of the track ``frechet``: latent flow matching, with the training of its autoencoder."""

from functools import partial

from ae_utils.losses.flow import flow_matching
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.flow import averaged_step, latent_flow
from ae_utils.recipes.speedrun import mse_conv_fast
from ae_utils.recipes.speedrun.entry import Entry, standardized_codes
from ae_utils.training.schedules import cosine
from ae_utils.training.step import adamw

ENTRY = Entry(
    "frechet",
    "the recipe latent-flow: flow matching on the codes of conv-fast, guidance 1.25, 16 epochs of batches of 256",
    Recipe(
        "frechet-latent-flow",
        "flow matching on the codes of conv-fast",
        latent_flow,
        settings={"latent_dim": 64, "width": 256, "blocks": 3},
        objective=flow_matching,
        optimizer=partial(adamw, lr=2e-3, weight_decay=0.0),
        schedule=cosine,
        step=averaged_step,
        inputs=standardized_codes,
        batch_size=256,
        epochs=16,
        prior=True,
    ),
    autoencoder=mse_conv_fast.ENTRY.recipe,
)
