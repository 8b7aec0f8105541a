"""System 11: variational autoencoders, and the digit classifier that judges pictures."""

from functools import partial

import torch
from torch import nn

from ae_utils.data.images import Images
from ae_utils.losses.classification import cross_entropy
from ae_utils.losses.variational import negative_elbo
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.metrics.likelihood import active_units, binary, elbo, log_likelihood
from ae_utils.models import VAE, Judge
from ae_utils.networks import dense_decoder, dense_encoder, hidden, strided, transposed
from ae_utils.recipes.pictures import reconstructions, samples
from ae_utils.recipes.recipe import Recipe
from ae_utils.training import adam, adamw, one_cycle


def dense_vae(latent_dim: int, width: int = 400) -> VAE:
    """784 → 400 → mu and logvar; z → 400 → 784 logits, ReLU between: the well-known example."""
    encoder = dense_encoder((width, 2 * latent_dim))
    return VAE(encoder, dense_decoder((latent_dim, width), last=nn.Identity), latent_dim)


def small_vae(latent_dim: int) -> VAE:
    """784 → 256 → 256 → mu and logvar; a convolutional decoder of 0.3 million multiply-adds, for sliders in a page."""
    encoder = nn.Sequential(nn.Flatten(), *hidden(784, 256), *hidden(256, 256), nn.Linear(256, 2 * latent_dim))
    grown = transposed((16, 8, 1), (4, 4))
    decoder = nn.Sequential(*hidden(latent_dim, 64), *hidden(64, 16 * 7 * 7), nn.Unflatten(1, (16, 7, 7)), *grown)
    return VAE(encoder, decoder, latent_dim)


def conv_vae(latent_dim: int, width: int) -> VAE:
    """Three convolutions and two linear layers down, their mirror image up, with BatchNorm and SiLU."""
    channels, kernels, pixels = (1, 16, 32, 64), (4, 4, 3), 4 * 4
    read = (*strided(channels, kernels), nn.Flatten(), *hidden(64 * pixels, width))
    written = (*hidden(latent_dim, width), *hidden(width, 64 * pixels), nn.Unflatten(1, (64, 4, 4)))
    encoder = nn.Sequential(*read, nn.Linear(width, 2 * latent_dim))
    return VAE(encoder, nn.Sequential(*written, *transposed(channels[::-1], kernels[::-1])), latent_dim)


def judge(feature_dim: int) -> Judge:
    """Three convolutions of stride 2, then ``feature_dim`` features and the ten classes."""
    convolutions = strided((1, 16, 32, 64), (5, 3, 3), nn.ReLU)
    features = hidden(64 * 4 * 4, feature_dim, nn.ReLU)
    return Judge(nn.Sequential(*convolutions, nn.Flatten(), nn.Dropout(0.2), *features), feature_dim)


def likelihood_quality(model: VAE, test: Images, *, samples: int = 50, count: int = 1000) -> dict[str, float]:
    """On the binarised test images minus the ELBO, log p(x) and active units; and the quality of the pictures.

    log p(x) is that of the first ``count`` images, estimated from ``samples`` codes each.
    """
    images = binary(test)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {
            "negative_elbo": -float(elbo(model, images).double().mean()),
            "log_likelihood": float(log_likelihood(model, images[:count], samples=samples).double().mean()),
            "active_units": int(active_units(model, images).sum()),
            **reconstruction_quality(model, test),
        }


def accuracy(model: Judge, test: Images) -> dict[str, float]:
    """The share of test digits that the judge names rightly."""
    wrong = (model.eval()(test.x).logits.argmax(1) != test.label).double().mean()
    return {"accuracy": 1 - float(wrong)}


variational = partial(
    Recipe,
    objective=partial(negative_elbo, binarize=True),
    optimizer=partial(adam, lr=1e-3),
    batch_size=128,
    epochs=10,
    system=11,
    evaluate=likelihood_quality,
    pictures=(reconstructions, samples),
)

RECIPES = (
    variational("vae", "784-400-20, the well-known example", dense_vae, settings={"latent_dim": 20}),
    variational(
        "vae-2d",
        "a code of two numbers, and a decoder that runs in a page",
        small_vae,
        settings={"latent_dim": 2},
        optimizer=partial(adamw, lr=5e-3, weight_decay=0.0),
        schedule=one_cycle,
    ),
    variational(
        "vae-best",
        "the lowest bound in three minutes: convolutions, BatchNorm, one-cycle",
        conv_vae,
        settings={"latent_dim": 32, "width": 256},
        optimizer=partial(adamw, lr=8e-3, weight_decay=0.0),
        schedule=one_cycle,
        epochs=11,
        system=0,
        evaluate=partial(likelihood_quality, samples=500, count=10_000),
    ),
    Recipe(
        "judge",
        "digit classifier whose features measure pictures",
        judge,
        settings={"feature_dim": 64},
        objective=partial(cross_entropy, shift=2),
        optimizer=partial(adamw, lr=5e-3, weight_decay=1e-2),
        schedule=one_cycle,
        batch_size=128,
        epochs=12,
        evaluate=accuracy,
        pictures=(),
    ),
)
