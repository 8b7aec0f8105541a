"""Systems 1–4: autoencoders of linear layers."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from ae_utils.data.dataset import Images
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import Center, dense_decoder, dense_encoder
from ae_utils.recipes.base import Recipe, csv_images
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam


def vanilla(latent_dim: int) -> Autoencoder:
    """784 → latent_dim → 784. Published without activation functions; here ReLU on the code, a sigmoid at the end."""
    encoder = dense_encoder((latent_dim,)).append(nn.ReLU())
    return Autoencoder(encoder, dense_decoder((latent_dim,)), latent_dim)


def linear(
    latent_dim: int, activation: type[nn.Module] = nn.ReLU, hidden: Sequence[int] = (128, 64, 12)
) -> Autoencoder:
    """784 → the ``hidden`` widths → latent_dim and its mirror image, with a sigmoid on the pixels."""
    widths = (*hidden, latent_dim)
    encoder, decoder = dense_encoder(widths, activation), dense_decoder(widths[::-1], activation)
    return Autoencoder(encoder, decoder, latent_dim)


def deep(latent_dim: int) -> Autoencoder:
    """784 → 128 → 64 → 32 → 16 → 12 → latent_dim and its mirror image; tanh on the pixels, in [-1, 1]."""
    widths = (128, 64, 32, 16, 12, latent_dim)
    return Autoencoder(
        dense_encoder(widths), dense_decoder(widths[::-1], last=nn.Tanh), latent_dim, pixel_range=(-1, 1)
    )


def pca_like(latent_dim: int) -> Autoencoder:
    """A linear layer each way on centered pixels, whose optimum is PCA's subspace (Baldi and Hornik 1989)."""
    encoder = nn.Sequential(nn.Flatten(), Center(-1), nn.Linear(784, latent_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, 784), Center(+1), nn.Unflatten(1, (1, 28, 28)))
    return Autoencoder(encoder, decoder, latent_dim)


def set_mean(model: Autoencoder, train: Images) -> None:
    """Set the mean image of a ``pca_like`` model to that of the training images."""
    for layer in model.modules():
        if isinstance(layer, Center):
            layer.mean.copy_(train.x.mean(0).flatten())


RECIPES = (
    Recipe(
        "pca-ae",
        "linear autoencoder on centered pixels: finds PCA's subspace",
        pca_like,
        settings={"latent_dim": 32},
        prepare=set_mean,
        optimizer=partial(adam, lr=1e-2, betas=(0.9, 0.95)),  # with 0.999 the error converges before the subspace
        schedule=one_cycle,
        batch_size=512,
        epochs=10,
        system=1,
    ),
    Recipe("vanilla", "one hidden layer, code size 32", vanilla, epochs=10, settings={"latent_dim": 32}, system=1),
    Recipe("linear-3d", "linear layers, code size 3", linear, epochs=20, settings={"latent_dim": 3}, system=2),
    Recipe("linear-5d", "linear layers, code size 5", linear, epochs=13, settings={"latent_dim": 5}, system=3),
    Recipe(
        "deep-3d",
        "seven layers each way, from CSV, pixels in [-1, 1]",
        deep,
        settings={"latent_dim": 3},
        source=csv_images,
        pixel_range=(-1, 1),
        epochs=20,
        system=4,
    ),
    Recipe(
        "linear-3d-fast",
        "faster variant of linear-3d: SiLU, larger batches, one-cycle",
        partial(linear, activation=nn.SiLU),
        settings={"latent_dim": 3},
        optimizer=partial(adam, lr=8e-3),
        schedule=one_cycle,
        batch_size=256,
        epochs=10,
    ),
    Recipe(
        "linear-3d-best",
        "better than linear-3d in half the time: linear-3d-fast with hidden layers 256, 128, 64",
        partial(linear, activation=nn.SiLU, hidden=(256, 128, 64)),
        settings={"latent_dim": 3},
        optimizer=partial(adam, lr=8e-3, betas=(0.9, 0.95)),
        schedule=one_cycle,
        batch_size=256,
        epochs=10,
    ),
)
