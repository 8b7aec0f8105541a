"""The tracks of the speedrun: what is measured of a trained model, and the limits that it must keep."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import classify_with, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, conditional_accuracy, draw, within_class_std
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.metrics.likelihood import binary, log_likelihood
from ae_utils.metrics.samples import FrechetDistance, nearest_distance
from ae_utils.recipes.base import mnist_images, subset

DRAWN, COMPARED, EVERY, SAMPLES = 10_000, 1000, 10, 500


@dataclass(frozen=True)
class Limit:
    """A bound on a metric: at most ``bound``, or at least where ``least``; ``form`` and ``title`` are for tables."""

    title: str
    bound: float
    form: str
    least: bool = False

    def keeps(self, value: float) -> bool:
        """Whether a value keeps the limit; a value that is not a number does not."""
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"{self.title} {'≥' if self.least else '≤'} {self.bound:{self.form}}"


class Context:
    """What is the same for every entry: the images, ``images`` of them in quick tests, and the digit classifier."""

    def __init__(self, images: int | None = None):
        self.train, self.test = mnist_images(None)
        if images is not None:
            self.train, self.test = subset(self.train, images), subset(self.test, max(100, images // 6))
        self.label = all_digits(min(DRAWN, len(self.test)))

    classifier = cached_property(lambda self: pretrained_classifier())
    frechet = cached_property(lambda self: FrechetDistance(self.classifier, self.train.x))
    real_std = cached_property(lambda self: within_class_std(self.test.x, self.test.label))
    real_distance = cached_property(lambda self: self.distance(self.test.x))

    def distance(self, images: Tensor) -> float:
        """The median distance of the first 1,000 images to their nearest training images."""
        return float(nearest_distance(images[:COMPARED], self.train.x).median())


Measure = Callable[[Any, Context], dict[str, float]]  # Any: the kind of model that the track is about


@dataclass(frozen=True)
class Track:
    """One question: its ``limits`` by metric, in the order of the tables, and the protocol they are measured by."""

    name: str
    title: str
    limits: Mapping[str, Limit]
    protocol: str
    metrics: Measure

    def measure(self, model: Any, context: Context) -> dict[str, float]:
        """Every metric of the track for a trained model, the same each time."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.metrics(model.eval(), context)

    def passed(self, metrics: Mapping[str, Any]) -> bool:
        """Whether all limits are kept."""
        return all(limit.keeps(float(metrics[name])) for name, limit in self.limits.items())


def _reconstruction(model: Any, context: Context) -> dict[str, float]:
    return {
        "mse": float(mse(reconstruct(model, context.test), context.test.x).double().mean()),
        "code_size": _code_size(model, context.test),
    }


@torch.no_grad()
def _code_size(model: Any, images: Images) -> int:
    """How many numbers ``encode`` returns for an image."""
    return model.encode(images.x[:2], images.label[:2]).flatten(1).shape[1]


def _likelihood(model: Any, context: Context) -> dict[str, float]:
    images = binary(context.test)[::EVERY]
    return {"log_likelihood": float(log_likelihood(model, images, samples=SAMPLES).double().mean())}


def _samples(model: Any, context: Context) -> dict[str, float]:
    images = draw(model, context.label)
    return {"frechet": context.frechet(images), "distance_ratio": context.distance(images) / context.real_distance}


def _conditional(model: Any, context: Context) -> dict[str, float]:
    images = draw(model, context.label)
    return {
        "conditional_accuracy": conditional_accuracy(classify_with(context.classifier), images, context.label),
        "within_class_ratio": within_class_std(images, context.label) / context.real_std,
        "distance_ratio": context.distance(images) / context.real_distance,
    }


NO_COPIES = Limit("distance to training images / that of test images", 2 / 3, ".2f", least=True)
DISTANCE = (
    "The distance is the median of 1,000 samples to the nearest of the 60,000 training images, over that of 1,000 test "
    "images: samples that are copies of training images have a distance of 0."
)
TRACKS = {
    track.name: track
    for track in (
        Track(
            "mse",
            "Squared error from 64 numbers",
            {"mse": Limit("MSE", 0.0020, ".5f"), "code_size": Limit("code size", 64, ".0f")},
            "Squared error per pixel of the reconstructions of all 10,000 test images, clipped to [0, 1]. The code "
            "size is how many numbers `encode` returns for an image.",
            _reconstruction,
        ),
        Track(
            "likelihood",
            "Likelihood",
            {"log_likelihood": Limit("log p(x)", -88.0, ".2f", least=True)},
            "In nats, on every tenth test image (1,000 in all), binarized once (seed 0), importance-weighted with "
            f"{SAMPLES} codes each. The model is trained on binary pixels.",
            _likelihood,
        ),
        Track(
            "frechet",
            "Fréchet distance of samples",
            {"frechet": Limit("Fréchet distance", 2.0, ".2f"), "distance_ratio": NO_COPIES},
            "Squared Fréchet distance of 10,000 samples to all training images, in the whitened features of the digit "
            f"classifier that comes with the course; real test digits: 0.35. {DISTANCE}",
            _samples,
        ),
        Track(
            "conditional",
            "The digit that is asked for",
            {
                "conditional_accuracy": Limit("accuracy", 0.985, ".4f", least=True),
                "within_class_ratio": Limit("variety", 0.90, ".3f", least=True),
                "distance_ratio": NO_COPIES,
            },
            "10,000 samples, 1,000 of each digit. Accuracy is the fraction that the digit classifier reads as the "
            "digit asked for; variety a pixel's standard deviation within a class over that of the real test digits "
            "(over that of a model's own reconstructions a decoder that ignores its code would have a ratio of 1). "
            f"{DISTANCE}",
            _conditional,
        ),
    )
}


def get_track(name: str) -> Track:
    """The track of that name; raises ``InvalidInput`` for an unknown one."""
    if name not in TRACKS:
        raise InvalidInput(f"there is no track {name!r}; the tracks are {', '.join(TRACKS)}.")
    return TRACKS[name]
