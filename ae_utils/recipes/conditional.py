"""System 16 on clean digits: conditional VAEs, with and without an auxiliary classifier."""

from functools import cache, partial

import torch
from matplotlib.figure import Figure
from torch import nn

from ae_utils import plots
from ae_utils.data.dataset import Images
from ae_utils.data.mnist import mnist
from ae_utils.losses.vae import negative_elbo
from ae_utils.metrics.classifier import Classify, classify_with, nearest_neighbour_classifier, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, conditional_report, decode_with_labels, draw
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.models import CVAE
from ae_utils.networks.conditional import ConcatLabel, ConditionalLinear, ConditionalSequential
from ae_utils.networks.convolutional import conv_bn_act
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.figures import reconstructions
from ae_utils.training.auxiliary_classifier import AuxiliaryClassifierStep
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adamw


def conditional_vae(latent_dim: int, width: int, channels: int = 32) -> CVAE:
    """Convolutions that see the image alone, and linear layers that are all conditioned on the label."""
    encoder = ConditionalSequential(
        *conv_bn_act((1, 16, 32, 64), (4, 4, 3)),
        nn.Flatten(),
        ConditionalLinear(64 * 4 * 4, width),
        ConcatLabel(),
        nn.Linear(width + 10, 2 * latent_dim),
    )
    decoder = ConditionalSequential(
        ConditionalLinear(latent_dim, width),
        ConditionalLinear(width, channels * 7 * 7),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # channels / 2 × 14 × 14
        nn.BatchNorm2d(channels // 2),
        nn.SiLU(),
        nn.Conv2d(channels // 2, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )
    return CVAE(encoder, decoder, latent_dim)


def auxiliary_classifier() -> nn.Sequential:
    """A small digit classifier: two convolutions of stride 2, then logits (batch, 10)."""
    return nn.Sequential(*conv_bn_act((1, 12, 24), (5, 3), nn.ReLU), nn.Flatten(), nn.Linear(24 * 7 * 7, 10))


def auxiliary_classifier_step(recipe: Recipe, model: nn.Module) -> AuxiliaryClassifierStep:
    """The recipe's own objective and optimizer, and an auxiliary classifier with an optimizer of the same kind."""
    classifier = auxiliary_classifier().to(next(model.parameters()).device)
    optimizers = (recipe.optimizer(network.parameters()) for network in (model, classifier))
    return AuxiliaryClassifierStep(model, classifier, recipe.objective, *optimizers, schedule=recipe.schedule)


@cache
def classifiers() -> dict[str, Classify]:
    """The two classifiers that read samples: the frozen convolutional one, and nearest neighbours."""
    return {
        "classifier": classify_with(pretrained_classifier()),
        "nearest_neighbours": nearest_neighbour_classifier(mnist("train")),
    }


def conditional_quality(model: CVAE, test: Images) -> dict[str, float]:
    """Conditional accuracies and within-class std (``conditional_report``), and quality of the reconstructions."""
    return conditional_report(model, classifiers(), test) | reconstruction_quality(model, test)


def samples_by_label(model: CVAE, test: Images, title: str) -> Figure:
    """Eight rows of samples, one column for each label."""
    return plots.image_grid(draw(model, all_digits(80)), 10, title=title)


def same_code_ten_labels(model: CVAE, test: Images, title: str) -> Figure:
    """The codes of eight test images, one per row, each decoded with all ten labels."""
    shown = test[torch.arange(8).repeat_interleave(10)]
    return plots.image_grid(decode_with_labels(model, shown, all_digits(80)), 10, title=title)


conditional = partial(
    Recipe,
    model=conditional_vae,
    settings={"latent_dim": 8, "width": 256},
    optimizer=partial(adamw, lr=5e-3, weight_decay=0.0),
    schedule=one_cycle,
    batch_size=128,
    epochs=6,
    system=16,
    prior=True,
    evaluate=conditional_quality,
    figures=(reconstructions, samples_by_label, same_code_ten_labels),
)

RECIPES = (
    conditional(
        "cvae-plain",
        "conditional VAE: every linear layer is conditioned on the label",
        objective=partial(negative_elbo, beta=4.0),
    ),
    conditional(
        "cvae",
        "the same with an auxiliary classifier that reads its samples",
        objective=partial(negative_elbo, beta=2.5),
        step=auxiliary_classifier_step,
    ),
)
