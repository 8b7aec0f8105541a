"""Experiments of lesson 03: what becomes of a code that is wider than the image, by what keeps it from copying."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.course.experiments.training import mnist_once
from ae_utils.data.dataset import Batches, Images
from ae_utils.data.noise import gaussian
from ae_utils.losses.regularized import contractive, denoising, sparse_kl, sparse_l1
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.metrics.latent import active_fraction, codes, linear_probe, selectivity, sensitivity
from ae_utils.models import Autoencoder
from ae_utils.recipes.regularized import wide
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

LATENT_DIM, THRESHOLD, KEPT = 1024, 0.1, 50  # threshold: activations above it count as active; kept: when ablating
LABELLED, COUNTS, DRAWS = 10_000, (100, 1000), 5  # the probe's labels are drawn from the first 10,000 digits
ACTIVATIONS: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid}
REGULARIZERS: dict[str, Callable[..., Any]] = {
    "none": partial(sparse_l1, weight=0.0),
    "L1": partial(sparse_l1, weight=0.02),
    "KL": partial(sparse_kl, weight=0.05),
    "contractive": partial(contractive, weight=0.1),
    "denoising": partial(denoising, corrupt=gaussian),
}


def trained_wide(seed: int, objective: Callable[..., Any], activation: type[nn.Module]) -> Autoencoder:
    """The lesson's wide net after its one epoch."""
    torch.manual_seed(seed)
    model = wide(LATENT_DIM, activation)
    step = GradientStep(model, objective, adam(model.parameters(), lr=5e-3, weight_decay=1e-5), schedule=one_cycle)
    fit(step, Batches(mnist_once("train"), 128, shuffle=True, seed=seed), epochs=1, seed=seed)
    return model


@cache
def foreign() -> dict[str, Images]:
    """Test digits, and what no net has seen: the digits upside down, and with their pixels in one random order."""
    order = torch.randperm(784, generator=torch.Generator().manual_seed(0))
    test = mnist_once("test")
    return {
        "error": test,
        "error_upside_down": test.map(lambda x: x.flip(2)),
        "error_scrambled": test.map(lambda x: x.flatten(1)[:, order].view_as(x)),
    }


def reconstruction_errors(model: Autoencoder) -> dict[str, float]:
    """Squared error per pixel on digits and on images that are none."""
    return {
        name: float(mse(reconstruct(model, images), images.x).double().mean()) for name, images in foreign().items()
    }


def probed(z: Tensor, test_z: Tensor, seed: int) -> dict[int, Tensor]:
    """Accuracies of the probe in percent, one for each draw, by the number of labels; no two seeds share draws."""
    labels = mnist_once("train").label[:LABELLED], mnist_once("test").label
    return {
        count: 100 * linear_probe(z, labels[0], test_z, labels[1], count=count, draws=DRAWS, seed=DRAWS * seed).double()
        for count in COUNTS
    }


@cache
def probed_pixels(seed: int) -> dict[int, Tensor]:
    """The same on the pixels themselves."""
    return probed(mnist_once("train").x[:LABELLED].flatten(1), mnist_once("test").x.flatten(1), seed)


def probe_report(z: Tensor, test_z: Tensor, seed: int) -> dict[str, float]:
    """Mean over the draws of a probe's accuracy and of its gain over the pixels, and the gain's standard deviation."""
    report: dict[str, float] = {}
    for count, accuracy in probed(z, test_z, seed).items():
        gain = accuracy - probed_pixels(seed)[count]
        report |= {
            f"probe_{count}": float(accuracy.mean()), f"probe_{count}_std": float(accuracy.std()),
            f"gain_{count}": float(gain.mean()), f"gain_{count}_std": float(gain.std()),
        }  # fmt: skip
    return report


def activity(z: Tensor) -> dict[str, float]:
    """How active the units of codes (n, units) are: pairs of image and unit, whole units, and means of units.

    ``active`` counts pairs. Units are counted as fractions: ``never_on`` on no image, ``always_on`` on every one, and
    ``dead``, exactly 0 on every image, so that no gradient reaches them. The mean activations of the middle 80 % of the
    units lie between ``mean_low`` and ``mean_high``.
    """
    highest, lowest, mean = z.amax(0), z.amin(0), z.double().mean(0)
    low, high = torch.quantile(mean, torch.tensor([0.1, 0.9], dtype=mean.dtype))
    return {
        "active": active_fraction(z, threshold=THRESHOLD),
        "never_on": float((highest <= THRESHOLD).double().mean()),
        "always_on": float((lowest > THRESHOLD).double().mean()),
        "dead": float((highest == 0).double().mean()),
        "mean_activation": float(mean.mean()),
        "mean_low": float(low),
        "mean_high": float(high),
    }


@torch.no_grad()
def keep_strongest(model: Autoencoder, z: Tensor, rest: Tensor, count: int) -> Tensor:
    """Images of codes (n, units) of which all but ``count`` units are set to their value in ``rest`` (units,).

    Those are kept that are farthest from it.
    """
    distance = (z - rest).abs()
    least = distance.topk(count, dim=1).values[:, -1:]
    return model.decode(torch.where(distance >= least, z, rest))


def ablation(model: Autoencoder, z: Tensor, mean: Tensor, target: Tensor) -> dict[str, float]:
    """Squared error per pixel where all but the 50 strongest units are set to zero, and to their mean."""
    values = {"ablated_to_zero": torch.zeros_like(mean), "ablated_to_mean": mean}
    return {
        name: float(mse(keep_strongest(model, z, rest, KEPT), target).double().mean()) for name, rest in values.items()
    }


def measured(model: Autoencoder, seed: int) -> Row:
    """All columns of a net."""
    train, test = mnist_once("train"), mnist_once("test")
    z, test_z = codes(model, train), codes(model, test)
    return {
        **reconstruction_errors(model),
        **probe_report(z[:LABELLED], test_z, seed),
        **activity(z),
        "selectivity": float(selectivity(test_z, test.label).double().mean()),
        "sensitivity": sensitivity(model, test),
        **ablation(model, test_z, z.mean(0), test.x),
    }


def net(seed: int, folder: Path, *, activation: str, regularizer: str, trained: bool) -> Iterator[Row]:
    """One wide net, trained for one epoch, or left as it was initialized."""
    torch.manual_seed(seed)
    if trained:
        yield measured(trained_wide(seed, REGULARIZERS[regularizer], ACTIVATIONS[activation]), seed)
    else:
        yield measured(wide(LATENT_DIM, ACTIVATIONS[activation]), seed)


EXPERIMENTS = (
    Experiment(
        "lesson03-nets",
        "What do sparsity, contraction and noise do to a code that is wider than the image?",
        net,
        settings={"activation": "ReLU", "regularizer": "none", "trained": True},
        control="no penalty",
        changes={
            "L1": {"regularizer": "L1"},
            "denoising": {"regularizer": "denoising"},
            "no penalty, sigmoid": {"activation": "sigmoid"},
            "untrained": {"trained": False},
        },
        combinations={
            "KL": {"activation": "sigmoid", "regularizer": "KL"},
            "contractive": {"activation": "sigmoid", "regularizer": "contractive"},
            "denoising, sigmoid": {"activation": "sigmoid", "regularizer": "denoising"},
            "untrained, sigmoid": {"activation": "sigmoid", "trained": False},
        },
    ),
)
