"""Muon for matrices and Adam for the rest, as one optimizer."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.training.step import adam


class MuonAndAdam(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for weights with two dimensions, Adam for biases, convolutions and BatchNorm.

    ``torch.optim.Muon`` takes matrices only. Raises ``InvalidInput`` where torch has no Muon (before version 2.9).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, adam_lr: float):
        if not hasattr(torch.optim, "Muon"):
            raise InvalidInput(f"torch {torch.__version__} has no Muon; version 2.9 is the first that has it.")
        parameters = list(parameters)
        matrices = [each for each in parameters if each.ndim == 2]
        others = [each for each in parameters if each.ndim != 2]
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(matrices, lr=lr, weight_decay=0.0),
            adam(others, lr=adam_lr, betas=(0.9, 0.95)),
        )
        super().__init__(parameters, {})
        self.param_groups = [group for each in self.optimizers for group in each.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override] # no loss comes back
        """One step of both; a ``closure`` is not supported and ignored."""
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"optimizers": [each.state_dict() for each in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the states of both."""
        for each, saved in zip(self.optimizers, state["optimizers"], strict=True):
            each.load_state_dict(saved)
        self.param_groups = [group for each in self.optimizers for group in each.param_groups]
