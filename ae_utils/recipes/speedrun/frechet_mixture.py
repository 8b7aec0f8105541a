"""Entry of the track ``frechet``: a mixture of Gaussians in place of the flow."""

from ae_utils.models import Autoencoder
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.convolutional import conv_fast
from ae_utils.recipes.speedrun import mse_conv_fast
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.recipes.speedrun.mixture import LatentMixture, fit_mixture


def mixture_of_conv_fast(latent_dim: int, components: int) -> LatentMixture:
    """A mixture over the codes of ``conv-fast``, unfitted."""
    autoencoder: Autoencoder = conv_fast(latent_dim)
    return LatentMixture(autoencoder, components)


ENTRY = Entry(
    "frechet",
    "40 Gaussians per digit, fitted to the codes of conv-fast by k-means, in place of the flow",
    Recipe(
        "frechet-mixture",
        "mixture of Gaussians on the codes of conv-fast",
        mixture_of_conv_fast,
        epochs=0,
        settings={"latent_dim": 64, "components": 40},
        prepare=fit_mixture,
        prior=True,
    ),
    autoencoder=mse_conv_fast.ENTRY.recipe,
)
