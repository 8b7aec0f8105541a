"""Experiments of lesson 07: two recipes with five seeds, and two settings that share seeds and images."""

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.course.experiments.training import mnist_once
from ae_utils.course.scoreboard.measure import EvaluatedModel, EvaluationContext
from ae_utils.data.dataset import Batches
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.recipes.convolutional import conv_fast
from ae_utils.recipes.registry import get
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

SEEDS = (0, 1, 2, 3, 4)
LATENT_DIM, IMAGES = 64, 60_000


@cache
def context() -> EvaluationContext:
    """What the scoreboard measures with, loaded once."""
    return EvaluationContext()


def recipes(seed: int, folder: Path, *, recipe: str, images: int) -> Iterator[Row]:
    """A recipe on fewer images, measured as on the scoreboard."""
    chosen, everything = get(recipe), context()
    torch.manual_seed(seed)
    step = chosen.step(chosen, chosen.build())
    train = Batches(everything.train[:images], chosen.batch_size, shuffle=True, seed=seed)
    fit(step, train, epochs=chosen.epochs, seed=seed)
    report: dict[str, Any] = {"parameters": None, "cpu_seconds": None, "test": {}}
    evaluated = EvaluatedModel(chosen, step.model, everything, report)
    error = float(mse(evaluated.x_hat, everything.test.x).mean())
    yield {"mse": error, "frechet_samples": everything.frechet(evaluated.samples)}


def few_images(seed: int, folder: Path, *, lr: float, images: int, epochs: int, batch_size: int) -> Iterator[Row]:
    """``conv-fast``'s network on few images; the seed draws these, the first weights and the order of the batches."""
    picked = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(seed))[:images]
    torch.manual_seed(seed)
    model = conv_fast(LATENT_DIM)
    optimizer = adam(model.parameters(), lr=lr, betas=(0.9, 0.95))
    step = GradientStep(model, mean_squared_error, optimizer, schedule=partial(one_cycle, warmup=0.15))
    fit(step, Batches(mnist_once("train")[picked], batch_size, shuffle=True, seed=seed), epochs=epochs, seed=seed)
    test = mnist_once("test")
    yield {"mse": float(mse(reconstruct(model, test), test.x).mean())}


EXPERIMENTS = (
    Experiment(
        "lesson07-seeds",
        "Are the samples of linear-3d-fast worse than those of linear-3d, or did one seed decide?",
        recipes,
        {"recipe": "linear-3d", "images": 20_000},
        control="linear-3d",
        changes={"linear-3d-fast": {"recipe": "linear-3d-fast"}},
        seeds=SEEDS,
    ),
    Experiment(
        "lesson07-pairs",
        "How much does it help to give two learning rates the same seeds, where a seed also draws the images?",
        few_images,
        {"lr": 1e-2, "images": 1000, "epochs": 8, "batch_size": 32},
        control="1e-2",
        changes={"2e-2": {"lr": 2e-2}},
        seeds=SEEDS,
    ),
)
