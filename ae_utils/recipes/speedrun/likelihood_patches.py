"""Entry of the track ``likelihood``: a VAE of patches, whose epochs cost half as much."""

from ae_utils.recipes.speedrun import likelihood_flow_prior
from ae_utils.recipes.speedrun.patches import patch_vae

ENTRY = likelihood_flow_prior.ENTRY.idea(
    "likelihood-patches",
    "encoder and decoder work on patches of 4×4 pixels, 32 channels at 7×7; 7 epochs",
    model=patch_vae,
    settings={"latent_dim": 32, "channels": 32, "width": 256, "prior_width": 64, "prior_layers": 6},
    epochs=7,
)
