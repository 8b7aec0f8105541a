"""Experiments of lesson 02: BatchNorm alone, the code size, and digits whose pixels are scrambled."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.course.experiments.lesson01 import pca_images
from ae_utils.course.experiments.training import mnist_once, train_steps
from ae_utils.data.dataset import Batches, Images
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.models import Autoencoder
from ae_utils.networks.convolutional import conv_decoder, conv_encoder, with_batchnorm
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.recipes.convolutional import conv_fast
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

SHORT: dict[str, int] = {"images": 10_000, "steps": 313, "batch_size": 32}  # one pass, as in the lesson


def dense(latent_dim: int) -> Autoencoder:
    """784 → 128 → latent_dim and back, with ReLU."""
    return Autoencoder(dense_encoder((128, latent_dim)), dense_decoder((latent_dim, 128)), latent_dim)


NETWORKS = {"conv-fast": conv_fast, "dense": dense}


@cache
def pca_error(latent_dim: int) -> float:
    """Test error of PCA, its pixels clipped to [0, 1]."""
    return float(mse(pca_images(latent_dim).clamp(0, 1), mnist_once("test").x).mean())


@torch.no_grad()
def dead_channels(model: Autoencoder, x: Tensor) -> float:
    """Fraction of the channels behind a ReLU that are 0 at every place for every image."""
    highest: list[Tensor] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], numbers: Tensor) -> None:
        highest.append(numbers.amax((0, 2, 3)))

    hooks = [layer.register_forward_hook(look) for layer in model.modules() if isinstance(layer, nn.ReLU)]
    model.eval()(x)
    for hook in hooks:
        hook.remove()
    return float((torch.cat(highest) == 0).double().mean())


def batchnorm(
    seed: int, folder: Path, *, norm: bool, lr: float, images: int, steps: int, batch_size: int
) -> Iterator[Row]:
    """The convolutional autoencoder at a constant learning rate, with or without BatchNorm."""
    torch.manual_seed(seed)
    halves = conv_encoder(64), conv_decoder(64)
    encoder, decoder = map(with_batchnorm, halves) if norm else halves
    model = Autoencoder(encoder, decoder, 64)
    step = GradientStep(model, mean_squared_error, adam(model.parameters(), lr=lr))
    train_steps(step, Batches(mnist_once("train")[:images], batch_size, shuffle=True, seed=seed), steps, seed=seed)
    test = mnist_once("test")
    error = float(mse(reconstruct(model, test), test.x).mean())
    yield {"error": error, "dead_channels": dead_channels(model, test.x[:1000])}


def short_training(
    seed: int, folder: Path, *, network: str, latent_dim: int, scrambled: bool, images: int, steps: int, batch_size: int
) -> Iterator[Row]:
    """A network's error beside PCA's, whose code is as large; the shuffle of the pixels is the same for all images."""
    order = torch.randperm(784, generator=torch.Generator().manual_seed(seed)) if scrambled else torch.arange(784)

    def arranged(images: Images) -> Images:
        return images.map(lambda x: x.flatten(1)[:, order].view_as(x))

    torch.manual_seed(seed)
    model = NETWORKS[network](latent_dim)
    optimizer = adam(model.parameters(), lr=1e-2, betas=(0.9, 0.95))
    step = GradientStep(model, mean_squared_error, optimizer, schedule=one_cycle)
    train = arranged(mnist_once("train")[:images])
    train_steps(step, Batches(train, batch_size, shuffle=True, seed=seed), steps, seed=seed)
    test = arranged(mnist_once("test"))
    error = float(mse(reconstruct(model, test), test.x).mean())
    yield {"error": error, "pca_error": pca_error(latent_dim)}


EXPERIMENTS = (
    Experiment(
        "lesson02-batchnorm",
        "What does BatchNorm do, when nothing else changes? And does it allow a higher learning rate?",
        batchnorm,
        settings={"norm": False, "lr": 1e-3, **SHORT},
        control="plain",
        changes={"BatchNorm": {"norm": True}, "plain, higher rate": {"lr": 1e-2}},
        combinations={"BatchNorm, higher rate": {"norm": True, "lr": 1e-2}},
    ),
    Experiment(
        "lesson02-code-size",
        "At which code sizes does the convolutional network gain most on PCA?",
        short_training,
        settings={"network": "conv-fast", "latent_dim": 64, "scrambled": False, **SHORT},
        control="64",
        changes={str(size): {"latent_dim": size} for size in (32, 16, 8, 2)},
    ),
    Experiment(
        "lesson02-scrambled",
        "Does the convolutional network need pixels that have neighbours, and a dense one not?",
        short_training,
        settings={"network": "conv-fast", "latent_dim": 64, "scrambled": False, **SHORT},
        control="convolutional, digits",
        changes={"convolutional, scrambled": {"scrambled": True}, "dense, digits": {"network": "dense"}},
        combinations={"dense, scrambled": {"network": "dense", "scrambled": True}},
    ),
)
