"""Experiments of lesson 05: what drives the class out of a conditional VAE's code, and what its samples gain."""

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ae_utils.course.experiments.experiment import Experiment, Row, Setting
from ae_utils.course.experiments.training import mnist_once, train_steps
from ae_utils.data.dataset import Batches
from ae_utils.losses.vae import negative_elbo
from ae_utils.metrics.classifier import Classify
from ae_utils.metrics.conditional import (
    all_digits,
    class_information,
    conditional_accuracy,
    decode_with_labels,
    draw,
    random_other_labels,
    within_class_std,
)
from ae_utils.metrics.latent import codes, linear_probe
from ae_utils.models import CVAE
from ae_utils.networks.conditional import ConcatLabel, ConditionalLinear, ConditionalSequential
from ae_utils.networks.convolutional import conv_bn_act
from ae_utils.networks.dense import linear_bn_act
from ae_utils.recipes.conditional import auxiliary_classifier, classifiers
from ae_utils.training.auxiliary_classifier import AuxiliaryClassifierStep
from ae_utils.training.loop import flushed_denormals
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adamw

BATCH, RATE, WEIGHT = 128, 5e-3, 10.0  # batch size, learning rate, weight of the auxiliary classification
SAMPLES, PROBED, CHANNELS = 5000, 20_000, 32  # samples, images whose codes are classified, feature maps


class DecoderOnly(CVAE):
    """The same network, but its encoder gets the label 0 for every image."""

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().posterior(x, torch.zeros(len(x), dtype=torch.int64))


def hidden(width_in: int, width: int, layers: str) -> list[nn.Module]:
    """A hidden linear layer that gets the label: appended to its input, or as a scale and a shift of its units."""
    if layers == "conditional":
        return [ConditionalLinear(width_in, width)]
    return [ConcatLabel(), *linear_bn_act(width_in + 10, width)]


def conditional_vae(
    *, latent_dim: int, width: int, convolutions: bool, layers: str, label: str
) -> CVAE:  # fmt: skip
    """The lesson's first conditional VAE, and what lies between it and ``recipes.conditional.conditional_vae``.

    With ``layers`` "concat" the label is appended to the input of each network's first linear layer; with
    "conditional" it chooses a scale and a shift in every hidden linear layer, and is appended before the code.
    """
    before = [*conv_bn_act((1, 16, 32, 64), (4, 4, 3))] if convolutions else []
    features = 64 * 4 * 4 if convolutions else 784
    last: list[nn.Module] = [nn.Linear(width, 2 * latent_dim)]
    if layers == "conditional":
        last = [ConcatLabel(), nn.Linear(width + 10, 2 * latent_dim)]
    after: list[nn.Module] = [nn.Linear(width, 784), nn.Unflatten(1, (1, 28, 28))]
    if convolutions:
        maps = CHANNELS * 7 * 7
        second = [ConditionalLinear(width, maps)] if layers == "conditional" else linear_bn_act(width, maps)
        after = [*second, *upsampling()]
    encoder = ConditionalSequential(*before, nn.Flatten(), *hidden(features, width, layers), *last)
    decoder = ConditionalSequential(*hidden(latent_dim, width, layers), *after)
    return {"both": CVAE, "decoder": DecoderOnly}[label](encoder, decoder, latent_dim)


def upsampling() -> list[nn.Module]:
    """Features (batch, 32 · 7 · 7) → logits (batch, 1, 28, 28) by two convolutions and pixel shuffles."""
    return [
        nn.Unflatten(1, (CHANNELS, 7, 7)),
        nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # 16 × 14 × 14
        nn.BatchNorm2d(CHANNELS // 2),
        nn.SiLU(),
        nn.Conv2d(CHANNELS // 2, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    ]


@cache
def readers() -> dict[str, Classify]:
    """The two classifiers that read samples, made once."""
    return {"cnn": classifiers()["classifier"], "neighbours": classifiers()["nearest_neighbours"]}


def measured(model: CVAE, seed: int) -> Row:
    """What the lesson measures of a model: the class in its code, its samples, and its loss on the test images."""
    train, test = mnist_once("train"), mnist_once("test")
    label, other = all_digits(SAMPLES), random_other_labels(test[:SAMPLES].label, seed=seed)
    samples, decoded = draw(model, label, seed=seed), decode_with_labels(model, test[:SAMPLES], other)
    few = train[:2000]
    probe = linear_probe(codes(model, few), few.label, codes(model, test), test.label, draws=3, seed=seed)
    step = GradientStep(model, negative_elbo, adamw(model.parameters()))
    batches = [step.evaluate(batch) for batch in Batches(test, 1000)]
    terms = {name: float(torch.stack([batch[name] for batch in batches]).mean()) for name in batches[0]}
    return {
        "class_in_code": float(probe.mean()),
        "leaked_nats": class_information(model, train[:PROBED], test, seed=seed),
        "accuracy": conditional_accuracy(readers()["cnn"], samples, label),
        "accuracy_neighbours": conditional_accuracy(readers()["neighbours"], samples, label),
        "other_label": conditional_accuracy(readers()["cnn"], decoded, other),
        "kl": terms["kl"],
        "reconstruction": terms["reconstruction"],
        "negative_elbo": terms["loss"],
        "within_class_std": within_class_std(samples, label),
    }


def leakage(
    seed: int, folder: Path, *, latent_dim: int, width: int, beta: float, layers: str, convolutions: bool, label: str,
    auxiliary: bool, steps: int,
) -> Iterator[Row]:  # fmt: skip
    """A conditional VAE with these settings, trained and measured."""
    torch.manual_seed(seed)
    model = conditional_vae(latent_dim=latent_dim, width=width, convolutions=convolutions, layers=layers, label=label)
    objective, optimizer = partial(negative_elbo, beta=beta), adamw(model.parameters(), lr=RATE)
    step = GradientStep(model, objective, optimizer, schedule=one_cycle)
    if auxiliary:
        classifier = auxiliary_classifier()
        optimizers = optimizer, adamw(classifier.parameters(), lr=RATE)
        step = AuxiliaryClassifierStep(model, classifier, objective, *optimizers, weight=WEIGHT, schedule=one_cycle)
    with flushed_denormals():
        train_steps(step, Batches(mnist_once("train"), BATCH, shuffle=True, seed=seed), steps, seed=seed)
    yield measured(model, seed)


FIRST: dict[str, Setting] = {
    "latent_dim": 20, "width": 400, "beta": 1.0, "layers": "concat", "convolutions": False, "label": "both",
    "auxiliary": False, "steps": 469,
}  # fmt: skip
SMALL_BETA: dict[str, Setting] = {"latent_dim": 8, "beta": 4.0}
RECIPE: dict[str, Setting] = {**SMALL_BETA, "width": 256, "layers": "conditional", "convolutions": True}

EXPERIMENTS = (
    Experiment(
        "lesson05-leakage",
        "Which change drives the class out of a conditional VAE's code?",
        leakage,
        FIRST,
        control="first",
        changes={
            "beta 4": {"beta": 4.0},
            "code size 8": {"latent_dim": 8},
            "label in every layer": {"layers": "conditional"},
            "label in the decoder only": {"label": "decoder"},
            "width 256": {"width": 256},
            "auxiliary classifier": {"auxiliary": True},
            "convolutions": {"convolutions": True},
        },
        combinations={
            "4 times the steps": {"steps": 1876},  # one setting, but the only row that is trained for longer
            "code size 8, beta 4": SMALL_BETA,
            "code size 8, beta 4, label in the decoder only": {**SMALL_BETA, "label": "decoder"},
            "code size 8, beta 4, label in every layer": {**SMALL_BETA, "layers": "conditional"},
            "code size 8, beta 4, auxiliary classifier": {**SMALL_BETA, "auxiliary": True},
            "recipe": RECIPE,
            "recipe, label at the input": {**RECIPE, "layers": "concat"},
        },
    ),
)
