"""What a training does with one batch: the gradient step of one model, one objective and one optimizer."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput
from ae_utils.training.schedules import constant

LossTerms = dict[str, Tensor]  # scalars by name
Objective = Callable[[Any, Batch, float], LossTerms]  # (model, batch, progress); Any: each reads its own kind of output


class Diverged(InvalidInput):
    """The loss became NaN or infinite."""


class Step(Protocol):
    """What ``fit`` trains: a ``GradientStep``, or anything else with these methods.

    ``model`` is the network to be evaluated and kept; ``state_dict`` holds its weights under ``"model"``.
    """

    @property
    def model(self) -> nn.Module: ...

    def train(self, batch: Batch, progress: float) -> LossTerms: ...

    def evaluate(self, batch: Batch) -> LossTerms: ...

    def state_dict(self) -> dict[str, Any]: ...


class RestorableStep(Step, Protocol):
    """A step that can continue from what its ``state_dict`` saved."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class GradientStep:
    """One model, one objective, one optimizer.

    ``schedule(progress)`` is a factor on the optimizer's learning rates.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, optimizer: torch.optim.Optimizer, *,
        schedule: Callable[[float], float] = constant,
    ):  # fmt: skip
        self.model, self.objective, self.optimizer, self.schedule = model, objective, optimizer, schedule
        self.learning_rates = learning_rates(optimizer)

    def train(self, batch: Batch, progress: float) -> LossTerms:
        """One gradient step; ``progress`` runs from 0 to 1 over the training. Returns the terms, detached.

        Raises ``Diverged`` before the weights change when the loss is not finite. On a GPU, where reading the loss
        would wait for all queued work, ``fit`` looks at it once per epoch instead.
        """
        if not self.model.training:
            self.model.train()
        set_learning_rates(self.optimizer, self.learning_rates, self.schedule(progress))
        terms = self.objective(self.model, batch, progress)
        raise_if_diverged("loss", terms["loss"])
        self.optimizer.zero_grad()
        terms["loss"].backward()
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def evaluate(self, batch: Batch) -> LossTerms:
        """The terms of a batch with ``progress`` 1, in evaluation mode and without gradients."""
        self.model.eval()
        with torch.no_grad():
            return {name: term.detach() for name, term in self.objective(self.model, batch, 1.0).items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to continue."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the weights and the optimizer's state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def learning_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """The learning rate of each parameter group."""
    return [group["lr"] for group in optimizer.param_groups]


def set_learning_rates(optimizer: torch.optim.Optimizer, rates: Sequence[float], factor: float) -> None:
    """Set each parameter group's learning rate to ``factor`` times its entry of ``rates``."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def raise_if_diverged(name: str, loss: Tensor) -> None:
    """Raise ``Diverged`` for a loss that is not finite, if it can be read without waiting: on a CPU."""
    if loss.device.type == "cpu" and not math.isfinite(loss.item()):
        raise Diverged(f"the {name} became {loss.item()}")


def adam(
    parameters: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), fused where the device allows (on a CPU a third faster for small dense networks)."""
    return _fused(torch.optim.Adam, parameters, lr=lr, weight_decay=weight_decay, **options)


def adamw(
    parameters: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """AdamW (decoupled weight decay: Loshchilov and Hutter 2019), fused where the device allows.

    The default decay is 0, which makes it Adam; that of ``torch.optim.AdamW`` is 0.01.
    """
    return _fused(torch.optim.AdamW, parameters, lr=lr, weight_decay=weight_decay, **options)


def _fused(
    optimizer: Callable[..., torch.optim.Optimizer], parameters: Iterable[nn.Parameter], **options: Any
) -> torch.optim.Optimizer:
    parameters = list(parameters)
    try:
        return optimizer(parameters, fused=True, **options)
    except RuntimeError:  # a device, or an older torch, without the fused kernel
        return optimizer(parameters, **options)
