"""Entry of the track ``conditional``: the same mixture of Gaussians as on the track ``frechet``."""

import dataclasses

from ae_utils.recipes.speedrun import frechet_mixture
from ae_utils.recipes.speedrun.entry import Entry

ENTRY = Entry(
    "conditional",
    "40 Gaussians per digit, fitted to the codes of conv-fast by k-means, in place of the flow",
    dataclasses.replace(frechet_mixture.ENTRY.recipe, name="conditional-mixture"),
    autoencoder=frechet_mixture.ENTRY.autoencoder,
)
