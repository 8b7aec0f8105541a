"""An objective measured by itself: it is given outputs that we choose in place of the model's own.

This works because an objective calls ``model(x, label)`` and nothing else of the model.
"""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ae_utils.course.probes.finding import Skipped
from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput
from ae_utils.training.step import LossTerms, Objective

MOST_IMAGES = 16


class Replay(nn.Module):
    """Stands in for ``model`` and returns ``output``, whatever it is given; raises ``Skipped`` for other calls."""

    def __init__(self, model: nn.Module, output: Any):
        super().__init__()
        self.model, self.output = model, output

    def forward(self, x: Tensor, label: Tensor | None = None, *others: Any, **options: Any) -> Any:
        if others or options:
            raise Skipped("the objective calls the model with more than the images and their labels")
        return self.output

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("model"), name)


class Case(NamedTuple):
    """A model, copied, in evaluation mode, its objective, and a batch of at most 16 images."""

    model: nn.Module
    objective: Objective
    batch: Batch

    def terms(self, output: Any, batch: Batch | None = None) -> LossTerms:
        """The terms of the objective for an ``output`` of our choice; raises ``Skipped`` where it wants the model."""
        try:
            return self.objective(Replay(self.model, output), batch or self.batch, 1.0)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise Skipped(f"the objective does not work with outputs of our choice ({type(error).__name__})") from None

    def loss(self, output: Any, batch: Batch | None = None) -> Tensor:
        """The loss for an ``output`` of our choice."""
        return self.terms(output, batch)["loss"]


def case(model: nn.Module, objective: Objective, batch: Batch) -> Case:
    """The case of a probe: nothing that is done with it changes the caller's model.

    Raises ``InvalidInput`` for fewer than two images, a model that cannot be copied, or an objective that does not
    return ``{"loss": scalar, …}``.
    """
    if len(batch.x) < 2:
        raise InvalidInput(f"a probe expects a batch of two or more images, but got {len(batch.x)}.")
    x = batch.x[:MOST_IMAGES]
    target = x if batch.target is batch.x else batch.target[:MOST_IMAGES]
    made = Case(_copied(model).eval(), objective, Batch(x, target, batch.label[:MOST_IMAGES]))
    with torch.no_grad():
        terms = objective(made.model, made.batch, 1.0)
    if not isinstance(terms, dict) or not isinstance(terms.get("loss"), Tensor) or terms["loss"].ndim:
        raise InvalidInput('expected objective(model, batch, progress) to return a dictionary with a scalar "loss".')
    return made


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except RuntimeError:  # a tensor with a graph among its attributes
        raise InvalidInput(
            "expected a model that copy.deepcopy can copy: does it keep a tensor with a graph?"
        ) from None


def output_of(examined: Case) -> Any:
    """What the model returns for the batch, detached; raises ``Skipped`` unless it is a ``NamedTuple`` of tensors."""
    try:
        with torch.no_grad():
            output: Any = examined.model(examined.batch.x, examined.batch.label)
    except TypeError:
        raise Skipped("the model is not called as model(x, label)") from None
    if not hasattr(output, "_asdict"):
        raise Skipped("the model does not return a NamedTuple with x_hat or logits")
    return output._replace(**{name: part.detach() for name, part in output._asdict().items()})


def picture_field(output: Any) -> str:
    """``x_hat`` or ``logits``, whichever of the output holds images; raises ``Skipped`` where none does."""
    for name in ("x_hat", "logits"):
        if getattr(output, name, torch.empty(0)).ndim > 2:
            return name
    raise Skipped("the output holds no images x_hat or logits")


def black_and_white(batch: Batch) -> Batch:
    """The batch with every pixel at an end of its range: an objective that draws such pixels then draws the same."""
    low = -1.0 if float(batch.target.min()) < 0 else 0.0

    def ends(pixels: Tensor) -> Tensor:
        return torch.where(pixels > (1 + low) / 2, 1.0, low)

    x = ends(batch.x)
    return batch._replace(x=x, target=x if batch.target is batch.x else ends(batch.target))
