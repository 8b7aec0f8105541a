"""Systems 5–7: convolutional autoencoders with a code of 64 × 1 × 1, flattened to 64 numbers."""

from torch import nn

from ae_utils.models import Autoencoder
from ae_utils.networks import conv_decoder, conv_encoder, maxpool_encoder, normalized
from ae_utils.recipes.recipe import Recipe


def conv(latent_dim: int) -> Autoencoder:
    """Three convolutions down, three transposed ones up.

    Published without paddings: here 1 around the 3×3 layers, and an output padding of 1, so that 28×28 comes back.
    """
    return Autoencoder(conv_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


def conv_batchnorm(latent_dim: int) -> Autoencoder:
    """``conv`` with BatchNorm before every ReLU, and Tanh on the pixels, which lie in [-1, 1].

    Published as Conv–BatchNorm–ReLU down, ConvTranspose–BatchNorm–ReLU up. The last layer of either half has neither:
    a ReLU would cut off half of what code and pixels can say.
    """
    encoder, decoder = normalized(conv_encoder(latent_dim)), normalized(conv_decoder(latent_dim))
    decoder[-1] = nn.Tanh()
    return Autoencoder(encoder, decoder, latent_dim, signed=True)


def conv_maxpool(latent_dim: int) -> Autoencoder:
    """``conv`` with max-pooling in the encoder instead of strides; the decoder is the same."""
    return Autoencoder(maxpool_encoder(latent_dim), conv_decoder(latent_dim), latent_dim)


RECIPES = (
    Recipe("conv", "convolutions, 64 numbers", conv, epochs=13, settings={"latent_dim": 64}, system=5),
    Recipe(
        "conv-batchnorm",
        "convolutions with BatchNorm, from CSV, pixels in [-1, 1]",
        conv_batchnorm,
        settings={"latent_dim": 64},
        from_csv=True,
        signed=True,
        epochs=10,
        system=6,
    ),
    Recipe(
        "conv-maxpool",
        "convolutions with max-pooling instead of strides",
        conv_maxpool,
        settings={"latent_dim": 64},
        epochs=13,
        system=7,
    ),
)
