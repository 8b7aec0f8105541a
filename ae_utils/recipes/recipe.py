"""What a recipe is: everything that a name stands for, from the data to the number of epochs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ae_utils.data.images import Images
from ae_utils.data.mnist import mnist
from ae_utils.data.table import from_csv, mnist_csv
from ae_utils.losses.reconstruction import mean_squared_error
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.recipes.pictures import reconstructions
from ae_utils.training import GradientStep, adam, constant

published_adam = partial(adam, lr=1e-3, weight_decay=1e-5)


def gradient_step(recipe: "Recipe", model: nn.Module) -> GradientStep:
    """The step of a recipe with one model, one objective and one optimizer."""
    return GradientStep(model, recipe.objective, recipe.optimizer(model.parameters()), schedule=recipe.schedule)


@dataclass(frozen=True)
class Recipe:
    """A system by name. ``model(**settings)`` builds it; everything else says how it is trained.

    ``system`` numbers the published system that the recipe stands for, 0 where it is the course's own. ``prepare``
    may fit what is not trained by gradients (a mean, say) to the training images. ``from_csv`` reads MNIST by way of
    a CSV file, ``signed`` maps pixels to [-1, 1]. ``evaluate(model, test)`` gives the numbers of ``metrics.json``;
    each of ``pictures``, called as ``picture(model, test, title)``, gives a figure named after it.
    """

    name: str
    summary: str
    model: Callable[..., nn.Module]
    epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    system: int = 0
    objective: Callable = mean_squared_error
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = published_adam
    schedule: Callable[[float], float] = constant
    step: Callable[["Recipe", nn.Module], Any] = gradient_step
    prepare: Callable[[nn.Module, Images], None] | None = None
    evaluate: Callable[[nn.Module, Images], dict[str, float]] = reconstruction_quality
    pictures: tuple[Callable[[nn.Module, Images, str], Any], ...] = (reconstructions,)
    batch_size: int = 64
    from_csv: bool = False
    signed: bool = False

    def build(self, **settings) -> nn.Module:
        """The untrained model; ``settings`` replace the recipe's own."""
        return self.model(**{**self.settings, **settings})

    def images(self, data: Path | None = None, count: int | None = None) -> tuple[Images, Images]:
        """Training and test images in [0, 1]: MNIST, or a CSV of yours whose last seventh is held out as the test.

        ``count`` keeps the first so many training images, and a sixth as many test images (10 at least).
        Raises ``ValueError`` for a CSV that cannot be read or a count below 1.
        """
        if count is not None and count < 1:
            raise ValueError(f"--images expects a number of at least 1, but got {count}.")
        train, test = self._all_images(data)
        if count is None:
            return train, test
        return train[:count], test[: max(10, count // 6)]

    def _all_images(self, data: Path | None) -> tuple[Images, Images]:
        if data is not None:
            images = from_csv(data)
            held_out = max(1, len(images) // 7)
            if len(images) < 2:
                raise ValueError(f"{data} has a single row; at least two are needed, one of them to test on.")
            return images[:-held_out], images[-held_out:]
        if self.from_csv:
            return from_csv(mnist_csv("train")), from_csv(mnist_csv("test"))
        return mnist("train"), mnist("test")
