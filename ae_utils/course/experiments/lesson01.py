"""Experiments of lesson 01: what brings the training of a linear autoencoder to PCA's optimum."""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import Tensor

from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.course.experiments.training import mnist_once, train_steps
from ae_utils.data.dataset import Batches
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.models import Autoencoder
from ae_utils.recipes.linear import pca_like, set_mean
from ae_utils.training.schedules import constant, one_cycle
from ae_utils.training.step import GradientStep, adam

SCHEDULES = {"constant": constant, "one-cycle": one_cycle}


@cache
def fitted_pca(latent_dim: int) -> PCA:
    """PCA of MNIST's training images."""
    return PCA(latent_dim, svd_solver="covariance_eigh").fit(mnist_once("train").x.flatten(1).numpy())


@cache
def pca_images(latent_dim: int) -> Tensor:
    """PCA's reconstructions of the test images, (10,000, 1, 28, 28), which may leave [0, 1]."""
    pca, x = fitted_pca(latent_dim), mnist_once("test").x
    return torch.from_numpy(pca.inverse_transform(pca.transform(x.flatten(1).numpy()))).float().view_as(x)


@torch.no_grad()
def against_pca(model: Autoencoder, latent_dim: int) -> Row:
    """Test error divided by PCA's, and the cosine of the largest principal angle between the two subspaces."""
    x = mnist_once("test").x
    error, error_pca = (
        float((x_hat - x).square().double().mean()) for x_hat in (model(x).x_hat, pca_images(latent_dim))
    )
    columns = next(model.decoder.parameters()).numpy()  # the weight of the only linear layer, (784, latent_dim)
    angles = subspace_angles(fitted_pca(latent_dim).components_.T, columns)
    return {"error_ratio": error / error_pca, "worst_cosine": math.cos(angles[0])}


def linear_autoencoder(
    seed: int,
    folder: Path,
    *,
    latent_dim: int,
    images: int,
    steps: int,
    batch_size: int,
    centre: bool,
    schedule: str,
    lr: float,
    beta2: float,
    weight_decay: float,
) -> Iterator[Row]:
    """One training of 784 → latent_dim → 784 without activation functions."""
    train = mnist_once("train")[:images]
    torch.manual_seed(seed)
    model = pca_like(latent_dim)
    if centre:
        set_mean(model, train)
    optimizer = adam(model.parameters(), lr=lr, betas=(0.9, beta2), weight_decay=weight_decay)
    step = GradientStep(model, mean_squared_error, optimizer, schedule=SCHEDULES[schedule])
    train_steps(step, Batches(train, batch_size, shuffle=True, seed=seed), steps, seed=seed)
    yield against_pca(model, latent_dim)


EXPERIMENTS = (
    Experiment(
        "lesson01-pca-optimum",
        "Which part of the careful training brings it to PCA's optimum? One is taken back at a time.",
        linear_autoencoder,
        settings={
            "latent_dim": 32, "images": 60_000, "steps": 1180, "batch_size": 512, "centre": True,
            "schedule": "one-cycle", "lr": 1e-2, "beta2": 0.95, "weight_decay": 0.0,
        },
        control="careful",
        changes={
            "constant rate": {"schedule": "constant"},
            "lower rate": {"lr": 1e-3},
            "not centred": {"centre": False},
            "long memory": {"beta2": 0.999},
            "batches of 64": {"batch_size": 64},
            "weight decay": {"weight_decay": 1e-5},
        },
    ),
)  # fmt: skip
