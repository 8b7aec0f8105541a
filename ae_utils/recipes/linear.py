"""Systems 1–4: autoencoders of linear layers."""

from functools import partial

from torch import nn

from ae_utils.data.images import Images
from ae_utils.models import Autoencoder
from ae_utils.networks import Shift, dense_decoder, dense_encoder
from ae_utils.recipes.recipe import Recipe, csv_images
from ae_utils.training import adam, one_cycle


def vanilla(latent_dim: int) -> Autoencoder:
    """784 → latent_dim → 784. Published without an activation or a width: here ReLU on the code, Sigmoid on pixels."""
    encoder = dense_encoder((latent_dim,)).append(nn.ReLU())
    return Autoencoder(encoder, dense_decoder((latent_dim,)), latent_dim)


def linear(latent_dim: int, activation: type[nn.Module] = nn.ReLU) -> Autoencoder:
    """784 → 128 → 64 → 12 → latent_dim and its mirror image, Sigmoid on the pixels."""
    widths = (128, 64, 12, latent_dim)
    encoder, decoder = dense_encoder(widths, activation), dense_decoder(widths[::-1], activation)
    return Autoencoder(encoder, decoder, latent_dim)


def deep(latent_dim: int) -> Autoencoder:
    """784 → 128 → 64 → 32 → 16 → 12 → latent_dim and its mirror image, Tanh on the pixels, which lie in [-1, 1]."""
    widths = (128, 64, 32, 16, 12, latent_dim)
    return Autoencoder(dense_encoder(widths), dense_decoder(widths[::-1], last=nn.Tanh), latent_dim, signed=True)


def pca_like(latent_dim: int) -> Autoencoder:
    """One linear layer each way on centred pixels: its best answer is PCA (Baldi and Hornik 1989)."""
    encoder = nn.Sequential(nn.Flatten(), Shift(-1), nn.Linear(784, latent_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, 784), Shift(+1), nn.Unflatten(1, (1, 28, 28)))
    return Autoencoder(encoder, decoder, latent_dim)


def centre(model: Autoencoder, train: Images) -> None:
    """Give a ``pca_like`` model the mean training image."""
    for layer in model.modules():
        if isinstance(layer, Shift):
            layer.mean.copy_(train.x.mean(0).flatten())


RECIPES = (
    Recipe(
        "pca-ae",
        "linear autoencoder on centred pixels: finds PCA's subspace",
        pca_like,
        settings={"latent_dim": 32},
        prepare=centre,
        optimizer=partial(adam, lr=1e-2, betas=(0.9, 0.95)),  # with 0.999 the error is right before the subspace
        schedule=one_cycle,
        batch_size=512,
        epochs=10,
        system=1,
    ),
    Recipe("vanilla", "one hidden layer, 32 numbers", vanilla, epochs=10, settings={"latent_dim": 32}, system=1),
    Recipe("linear-3d", "linear layers, 3 numbers", linear, epochs=20, settings={"latent_dim": 3}, system=2),
    Recipe("linear-5d", "linear layers, 5 numbers", linear, epochs=13, settings={"latent_dim": 5}, system=3),
    Recipe(
        "deep-3d",
        "seven layers each way, from CSV, pixels in [-1, 1]",
        deep,
        settings={"latent_dim": 3},
        source=csv_images,
        signed=True,
        epochs=20,
        system=4,
    ),
    Recipe(
        "linear-3d-fast",
        "the widths of linear-3d, trained better: SiLU, bigger batches, one-cycle",
        partial(linear, activation=nn.SiLU),
        settings={"latent_dim": 3},
        optimizer=partial(adam, lr=8e-3),
        schedule=one_cycle,
        batch_size=256,
        epochs=10,
    ),
)
