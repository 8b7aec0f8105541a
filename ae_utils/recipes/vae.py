"""System 11: variational autoencoders."""

from functools import partial

import torch
from torch import nn

from ae_utils.data.dataset import Images
from ae_utils.losses.vae import learned_prior_elbo, negative_elbo
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.metrics.likelihood import active_units, binary, elbo, log_likelihood
from ae_utils.models import VAE, PriorVAE
from ae_utils.networks.convolutional import conv_bn_act, conv_transpose_bn_act
from ae_utils.networks.dense import dense_decoder, dense_encoder, linear_bn_act
from ae_utils.networks.prior import FlowPrior
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.figures import reconstructions, samples
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adam, adamw


def dense_vae(latent_dim: int, width: int = 400) -> VAE:
    """784 → 400 → mu and logvar; z → 400 → 784 logits, with ReLU: the best-known example of a VAE."""
    encoder = dense_encoder((width, 2 * latent_dim))
    return VAE(encoder, dense_decoder((latent_dim, width), last=nn.Identity), latent_dim)


def small_vae(latent_dim: int) -> VAE:
    """784 → 256 → 256 → mu and logvar; a convolutional decoder of 0.3 million multiply-adds, which runs in a page."""
    encoder = nn.Sequential(
        nn.Flatten(), *linear_bn_act(784, 256), *linear_bn_act(256, 256), nn.Linear(256, 2 * latent_dim)
    )
    upsample = conv_transpose_bn_act((16, 8, 1), (4, 4))
    decoder = nn.Sequential(
        *linear_bn_act(latent_dim, 64), *linear_bn_act(64, 16 * 7 * 7), nn.Unflatten(1, (16, 7, 7)), *upsample
    )
    return VAE(encoder, decoder, latent_dim)


def conv_vae(latent_dim: int, width: int) -> VAE:
    """Three convolutions and two linear layers to mu and logvar, and their mirror image, with BatchNorm and SiLU."""
    channels, kernels, pixels = (1, 16, 32, 64), (4, 4, 3), 4 * 4
    layers = (*conv_bn_act(channels, kernels), nn.Flatten(), *linear_bn_act(64 * pixels, width))
    up = (*linear_bn_act(latent_dim, width), *linear_bn_act(width, 64 * pixels), nn.Unflatten(1, (64, 4, 4)))
    encoder = nn.Sequential(*layers, nn.Linear(width, 2 * latent_dim))
    return VAE(encoder, nn.Sequential(*up, *conv_transpose_bn_act(channels[::-1], kernels[::-1])), latent_dim)


def flow_prior_vae(latent_dim: int, width: int, prior_width: int, prior_layers: int) -> PriorVAE:
    """``conv_vae`` with a normalizing flow as its prior; channels last in memory, which saves a tenth of the time."""
    vae = conv_vae(latent_dim, width).to(memory_format=torch.channels_last)
    return PriorVAE(vae.encoder, vae.decoder, FlowPrior(latent_dim, prior_width, prior_layers), latent_dim)


def likelihood_quality(model: VAE, test: Images, *, samples: int = 50, count: int = 1000) -> dict[str, float]:
    """Minus the ELBO, log p(x) and active units on the binarized test images; quality of the reconstructions.

    log p(x), in nats, is the mean over ``count`` images, evenly spaced, estimated from ``samples`` codes each.
    """
    images = binary(test)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {
            "negative_elbo": -float(elbo(model, images).double().mean()),
            "log_likelihood": float(
                log_likelihood(model, images[:: -(-len(images) // count)], samples=samples).double().mean()
            ),
            "active_units": int(active_units(model, images).sum()),
            **reconstruction_quality(model, test),
        }


variational = partial(
    Recipe,
    objective=partial(negative_elbo, binarize=True),
    optimizer=partial(adam, lr=1e-3),
    batch_size=128,
    epochs=10,
    system=11,
    prior=True,
    evaluate=likelihood_quality,
    figures=(reconstructions, samples),
)

RECIPES = (
    variational("vae", "784-400-20, the best-known example of a VAE", dense_vae, settings={"latent_dim": 20}),
    variational(
        "vae-2d",
        "two latent dimensions and a decoder that runs in a page",
        small_vae,
        settings={"latent_dim": 2},
        optimizer=partial(adamw, lr=5e-3, weight_decay=0.0),
        schedule=one_cycle,
    ),
    variational(
        "vae-best",
        "highest log p(x) with a fixed prior: convolutions, BatchNorm, one-cycle",
        conv_vae,
        settings={"latent_dim": 32, "width": 256},
        optimizer=partial(adamw, lr=8e-3, weight_decay=0.0),
        schedule=one_cycle,
        epochs=11,
        system=0,
        evaluate=partial(likelihood_quality, samples=500, count=10_000),
    ),
    variational(
        "vae-flow-prior",
        "vae-best with a learned prior: a normalizing flow",
        flow_prior_vae,
        settings={"latent_dim": 32, "width": 256, "prior_width": 64, "prior_layers": 6},
        objective=partial(learned_prior_elbo, binarize=True),
        optimizer=partial(adamw, lr=8e-3, weight_decay=0.0),
        schedule=one_cycle,
        epochs=9,
        system=0,
        evaluate=partial(likelihood_quality, samples=500),
    ),
)
