"""A gradient step that also keeps an exponential moving average of the weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ae_utils.data.dataset import Batch
from ae_utils.training.step import GradientStep, LossTerms


class AveragedStep:
    """A ``GradientStep`` whose ``model`` is the exponential moving average of the trained weights.

    The decay grows as (1 + n) / (10 + n) with the number n of steps, up to ``ema_decay``, so that the first weights are
    soon forgotten. For networks without BatchNorm, whose statistics would be those of the trained weights.
    """

    def __init__(self, step: GradientStep, *, ema_decay: float = 0.999):
        def average(averaged: Sequence[Tensor], trained: Sequence[Tensor], count: Tensor | int) -> None:
            decay = min(ema_decay, (1 + int(count)) / (10 + int(count)))
            torch._foreach_lerp_(list(averaged), list(trained), 1 - decay)

        self.step = step
        self.averaged = AveragedModel(step.model, multi_avg_fn=torch.no_grad()(average))

    @property
    def model(self) -> nn.Module:
        """The model with averaged weights."""
        return self.averaged.module

    def train(self, batch: Batch, progress: float) -> LossTerms:
        """One gradient step, then an update of the average; raises ``Diverged`` when the loss is not finite."""
        terms = self.step.train(batch, progress)
        self.averaged.update_parameters(self.step.model)
        return terms

    def evaluate(self, batch: Batch) -> LossTerms:
        """The terms of a batch with the averaged weights."""
        return GradientStep(self.model, self.step.objective, self.step.optimizer).evaluate(batch)

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to continue; ``model`` holds the averaged weights."""
        return {
            "model": self.model.state_dict(), "trained": self.step.state_dict(), "averaged": self.averaged.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the trained and the averaged weights, and the optimizer's state."""
        self.step.load_state_dict(state["trained"])
        self.averaged.load_state_dict(state["averaged"])
