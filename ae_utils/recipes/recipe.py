"""What a recipe is: everything that a name stands for, from the data to the number of epochs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ae_utils.data.images import Images, stratified
from ae_utils.data.mnist import mnist
from ae_utils.data.table import from_csv, mnist_csv
from ae_utils.errors import InvalidInput
from ae_utils.losses.reconstruction import mean_squared_error
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.recipes.pictures import reconstructions
from ae_utils.training import GradientStep, Objective, RestorableStep, adam, constant

published_adam = partial(adam, lr=1e-3, weight_decay=1e-5)
# Any stands for the kind of model that the recipe builds
Prepare = Callable[[Any, Images], None]
Evaluation = Callable[[Any, Images], dict[str, float]]
Picture = Callable[[Any, Images, str], Figure]
Embeddings = Callable[[Any, Images], Mapping[str, Tensor]]


def gradient_step(recipe: "Recipe", model: nn.Module) -> GradientStep:
    """The step of a recipe with one model, one objective and one optimizer."""
    return GradientStep(model, recipe.objective, recipe.optimizer(model.parameters()), schedule=recipe.schedule)


def mnist_images(data: Path | None) -> tuple[Images, Images]:
    """MNIST, or a CSV of yours, of which a seventh of every class is held out as the test."""
    return (mnist("train"), mnist("test")) if data is None else _held_out(data)


def mnist_test() -> Images:
    """MNIST's test images."""
    return mnist("test")


def csv_images(data: Path | None) -> tuple[Images, Images]:
    """MNIST too, but read from CSV files, which are written when they are first needed; or a CSV of yours."""
    return (from_csv(mnist_csv("train")), from_csv(mnist_csv("test"))) if data is None else _held_out(data)


def _held_out(data: Path) -> tuple[Images, Images]:
    images = from_csv(data)
    if len(images) < 2:
        raise InvalidInput(f"{data} has a single row; at least two are needed, one of them to test on.")
    held_out = torch.zeros(len(images), dtype=torch.bool)
    held_out[stratified(images.label, max(1, len(images) // 7))] = True
    return images[~held_out], images[held_out]


def few(images: Images, count: int) -> Images:
    """``count`` of the images, the same ones each time, in which every class keeps its share."""
    return images[stratified(images.label, count)]


@dataclass(frozen=True)
class Recipe:
    """A system by name. ``model(**settings)`` builds it; everything else says how it is trained.

    ``system`` numbers the published system that the recipe stands for, 0 where it is the course's own. ``prepare``
    may fit what is not trained by gradients (a mean, say) to the training images. ``source(data)`` gives training and
    test images, ``own_test()`` the test images alone where there are no other data, ``signed`` maps pixels to [-1, 1].
    ``evaluate(model, test)`` gives the numbers of ``metrics.json``; each of ``pictures``, called as
    ``picture(model, test, title)``, a figure named after it; ``embeddings(model, train)`` codes of the whole training
    set by name, for t-SNE pictures every 10 epochs.
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
    pictures: tuple[Picture, ...] = (reconstructions,)
    batch_size: int = 64
    source: Callable[[Path | None], tuple[Images, Images]] = mnist_images
    own_test: Callable[[], Images] = mnist_test
    signed: bool = False
    embeddings: Embeddings | None = None

    def build(self, **settings: Any) -> nn.Module:
        """The untrained model; ``settings`` replace the recipe's own."""
        return self.model(**{**self.settings, **settings})

    def images(self, data: Path | None = None, count: int | None = None) -> tuple[Images, Images]:
        """Training and test images in [0, 1], from ``data`` or from the recipe's own source.

        ``count`` keeps so many training images, and a sixth as many test images (10 at least): the same ones each time,
        and of every class its share. Raises ``InvalidInput`` for data that cannot be read or a count below 1.
        """
        if count is not None and count < 1:
            raise InvalidInput(f"--images expects a number of at least 1, but got {count}.")
        train, test = self.source(data)
        if count is None:
            return train, test
        return few(train, count), few(test, max(10, count // 6))
