"""What a recipe consists of: everything that a name stands for, from the data to the number of epochs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ae_utils.data.csv import from_csv, mnist_csv
from ae_utils.data.dataset import Codes, Images, stratified
from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.recipes.figures import reconstructions
from ae_utils.training.schedules import constant
from ae_utils.training.step import GradientStep, Objective, RestorableStep, adam

published_adam = partial(adam, lr=1e-3, weight_decay=1e-5)
# Any: the kind of model that the recipe builds
Prepare = Callable[[Any, Images], None]
Evaluation = Callable[[Any, Images], dict[str, float]]
FigureOf = Callable[[Any, Images, str], Figure]
Embeddings = Callable[[Any, Images], Mapping[str, Tensor]]


def gradient_step(recipe: "Recipe", model: nn.Module) -> GradientStep:
    """The step of a recipe with one model, one objective and one optimizer."""
    return GradientStep(model, recipe.objective, recipe.optimizer(model.parameters()), schedule=recipe.schedule)


def mnist_images(data: Path | None) -> tuple[Images, Images]:
    """MNIST, or the images of a CSV file, of which a seventh of every class is held out for testing."""
    return (mnist("train"), mnist("test")) if data is None else _held_out(data)


def mnist_test() -> Images:
    """MNIST's test images."""
    return mnist("test")


def csv_images(data: Path | None) -> tuple[Images, Images]:
    """MNIST read from CSV files, which are written when they are first needed; or the images of another CSV file."""
    return (from_csv(mnist_csv("train")), from_csv(mnist_csv("test"))) if data is None else _held_out(data)


def _held_out(data: Path) -> tuple[Images, Images]:
    images = from_csv(data)
    if len(images) < 2:
        raise InvalidInput(f"{data} has a single row; at least two are needed, one of them to test on.")
    held_out = torch.zeros(len(images), dtype=torch.bool)
    held_out[stratified(images.label, max(1, len(images) // 7))] = True
    return images[~held_out], images[held_out]


def subset(images: Images, count: int) -> Images:
    """``count`` of the images, always the same ones, stratified by label."""
    return images[stratified(images.label, count)]


@dataclass(frozen=True)
class Recipe:
    """A system by name. ``model(**settings)`` builds it; everything else says how it is trained.

    ``system`` is the number of the published system, 0 for the course's own. ``prior`` says that codes from N(0, I)
    decode to samples. ``prepare(model, train)`` sets what is not
    trained by gradients, such as a mean. ``source(data)`` returns training and test images in [0, 1], ``own_test()``
    the test images where no other data are named; the model is trained on them in ``pixel_range``.
    ``evaluate(model, test)`` returns the metrics of ``metrics.json``, each of ``figures(model, test, title)`` a figure
    that is named after the function, and ``embeddings(model, train)`` codes of the training set by name, for t-SNE
    every 10 epochs. ``inputs(model, images)`` replaces the images by what the step is given, such as codes.
    """

    name: str
    summary: str
    model: Callable[..., nn.Module]
    epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    system: int = 0
    objective: Objective = mean_squared_error
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = published_adam
    schedule: Callable[[float], float] = constant
    step: Callable[["Recipe", Any], RestorableStep] = gradient_step
    prepare: Prepare | None = None
    evaluate: Evaluation = reconstruction_quality
    figures: tuple[FigureOf, ...] = (reconstructions,)
    batch_size: int = 64
    prior: bool = False
    source: Callable[[Path | None], tuple[Images, Images]] = mnist_images
    own_test: Callable[[], Images] = mnist_test
    pixel_range: tuple[float, float] = (0, 1)
    embeddings: Embeddings | None = None
    inputs: Callable[[Any, Images], Images | Codes] | None = None

    def build(self, **settings: Any) -> nn.Module:
        """The untrained model; ``settings`` replace the recipe's own."""
        return self.model(**{**self.settings, **settings})

    def images(self, data: Path | None = None, count: int | None = None) -> tuple[Images, Images]:
        """Training and test images in [0, 1], from ``data`` or from the recipe's own source.

        ``count`` keeps so many training images, and a sixth as many test images (10 at least), stratified by label and
        always the same ones. Raises ``InvalidInput`` for data that cannot be read or a count below 1.
        """
        if count is not None and count < 1:
            raise InvalidInput(f"--images expects a number of at least 1, but got {count}.")
        train, test = self.source(data)
        if count is None:
            return train, test
        return subset(train, count), subset(test, max(10, count // 6))
