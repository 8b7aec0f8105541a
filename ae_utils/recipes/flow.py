"""Latent flow matching: samples from noise, through the latent space of a trained convolutional autoencoder."""

from functools import partial

import torch
from matplotlib.figure import Figure
from torch import nn

from ae_utils import plots
from ae_utils.data.dataset import Codes, Images
from ae_utils.data.mnist import mnist
from ae_utils.data.weights import metadata, read_weights
from ae_utils.losses.flow import flow_matching
from ae_utils.metrics.classifier import class_probabilities, features, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, draw
from ae_utils.metrics.latent import codes
from ae_utils.metrics.samples import FrechetDistance, confident_fraction, nearest_distance, precision_and_recall
from ae_utils.models import LatentFlow
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.recipes.base import Recipe, gradient_step
from ae_utils.recipes.convolutional import conv_fast
from ae_utils.training.averaged import AveragedStep
from ae_utils.training.schedules import cosine
from ae_utils.training.step import adamw

AUTOENCODER = "conv-fast"
SAMPLES = 10_000


def latent_flow(latent_dim: int, width: int, blocks: int) -> LatentFlow:
    """A flow on the codes of ``conv-fast``: residual blocks of ``width``, untrained."""
    return LatentFlow(conv_fast(latent_dim), VelocityNetwork(latent_dim, width, blocks))


def load_autoencoder(model: LatentFlow, train: Images) -> None:
    """Load the trained autoencoder that comes with the course, and set mean and std to those of its training codes.

    Raises ``CheckpointError`` when its weights are missing or damaged.
    """
    device = next(model.parameters()).device
    model.autoencoder.load_state_dict(read_weights(AUTOENCODER))
    z = codes(model.autoencoder, train.to(device))
    model.mean.copy_(z.mean(0))
    model.std.copy_(z.std(0))


def standardized_codes(model: LatentFlow, images: Images) -> Codes:
    """The images' standardized codes, which the flow is trained on."""
    with torch.no_grad():
        z = model.standardized(codes(model.autoencoder, images))
    return Codes(z, z, images.label)


def averaged_step(recipe: Recipe, model: nn.Module) -> AveragedStep:
    """The recipe's gradient step with an exponential moving average of the weights."""
    return AveragedStep(gradient_step(recipe, model))


def flow_quality(model: LatentFlow, test: Images) -> dict[str, float]:
    """Of 10,000 samples with labels: Fréchet distance, conditional accuracy, precision, recall, distance to training.

    ``real_…`` are the same of the test images, ``autoencoder_cpu_seconds`` is what training the autoencoder took.
    """
    classifier, train, label = pretrained_classifier(), mnist("train"), all_digits(SAMPLES)
    sets = {"": (draw(model, label), label), "real_": (test.x, test.label)}
    distance, real = FrechetDistance(classifier, train.x), features(classifier, train.x[:SAMPLES])
    report: dict[str, float] = {}
    for prefix, (images, digits) in sets.items():
        probabilities = class_probabilities(classifier, images)
        precision, recall = precision_and_recall(features(classifier, images), real)
        report |= {
            f"{prefix}frechet": distance(images),
            f"{prefix}conditional_accuracy": float((probabilities.argmax(1) == digits).double().mean()),
            f"{prefix}confident_fraction": confident_fraction(probabilities),
            f"{prefix}precision": precision,
            f"{prefix}recall": recall,
            f"{prefix}nearest_distance": float(nearest_distance(images[:1000], train.x).median()),
        }
    return report | {"autoencoder_cpu_seconds": metadata(AUTOENCODER)["cpu_seconds"]}


def samples_by_label(model: LatentFlow, test: Images, title: str) -> Figure:
    """Ten rows of samples, one column for each label."""
    return plots.image_grid(draw(model, all_digits(100)), 10, title=title)


RECIPES = (
    Recipe(
        "latent-flow",
        "flow matching on the codes of conv-fast, with labels",
        latent_flow,
        settings={"latent_dim": 64, "width": 256, "blocks": 3},
        objective=flow_matching,
        optimizer=partial(adamw, lr=2e-3, weight_decay=0.0),
        schedule=cosine,
        step=averaged_step,
        prepare=load_autoencoder,
        inputs=standardized_codes,
        batch_size=256,
        epochs=16,
        prior=True,
        evaluate=flow_quality,
        figures=(samples_by_label,),
    ),
)
