"""The step of a conditional VAE with a helper: a digit classifier, trained beside it, reads what it draws."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ae_utils.data.images import Batch
from ae_utils.training import GradientStep, Objective, Terms, constant


class DrawsLogits(Protocol):
    """A model that draws with gradients: ``to_image(logits(z, label))``."""

    @property
    def latent_dim(self) -> int: ...

    @property
    def to_image(self) -> nn.Module: ...

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...


class HelpedStep(GradientStep):
    """One update of the model, whose loss has a term more, then one of the helper; both in one ``fit``.

    The term ``told``, times ``weight``, is the cross-entropy in nats with which ``helper`` (images → logits (n, 10))
    reads samples from the prior as the labels they were asked for; the helper itself learns from the real images. It
    reads both through noise of up to ``noise_std``: what is to be read all the same must be written clearly. Only the
    model is kept. The idea is that of AC-GAN (Odena, Olah, Shlens 2017), without an adversary.
    """

    def __init__(self, model: nn.Module, helper: nn.Module, objective: Objective, optimizer: Optimizer,
                 helper_optimizer: Optimizer, *, weight: float = 10.0, noise_std: float = 0.6,
                 schedule: Callable[[float], float] = constant):  # fmt: skip
        super().__init__(model, self._helped, optimizer, schedule=schedule)
        self.given, self.helper, self.helper_optimizer = objective, helper, helper_optimizer
        self.weight, self.noise_std, self.helper_rate = weight, noise_std, helper_optimizer.param_groups[0]["lr"]

    def train(self, batch: Batch, progress: float) -> Terms:
        """Both updates; raises ``Diverged`` when the model's loss is not finite."""
        terms = super().train(batch, progress)
        self.helper_optimizer.param_groups[0]["lr"] = self.helper_rate * self.schedule(progress)
        self.helper.train()
        half = _half(len(batch.label))
        loss = F.cross_entropy(self.helper(self._noisy(batch.target[-half:])), batch.label[-half:])
        self.helper_optimizer.zero_grad()
        loss.backward()
        self.helper_optimizer.step()
        return {**terms, "helper": loss.detach()}

    def _helped(self, model: DrawsLogits, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The objective and ``told``; only half as many digits are drawn as are shown, which halves the cost."""
        terms, label = self.given(model, batch, progress), batch.label[: _half(len(batch.label))]
        z = torch.randn(len(label), model.latent_dim, device=batch.x.device)
        self.helper.eval().requires_grad_(False)
        told = F.cross_entropy(self.helper(self._noisy(model.to_image(model.logits(z, label)))), label)
        self.helper.requires_grad_(True)
        return {**terms, "loss": terms["loss"] + self.weight * told, "told": told}

    def _noisy(self, x: Tensor) -> Tensor:
        """Images with noise, of another strength for each."""
        std = self.noise_std * torch.rand(len(x), 1, 1, 1, device=x.device)
        return (x + std * torch.randn_like(x)).clamp(0, 1)

    def state_dict(self) -> dict[str, Any]:
        """Everything a later ``load_state_dict`` needs to go on, the helper and its optimizer included."""
        return {
            **super().state_dict(),
            "helper": self.helper.state_dict(),
            "helper_optimizer": self.helper_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the weights and the states of both optimizers back."""
        super().load_state_dict(state)
        self.helper.load_state_dict(state["helper"])
        self.helper_optimizer.load_state_dict(state["helper_optimizer"])


def _half(count: int) -> int:
    """Half of ``count`` images, rounded up, but two where there are two: BatchNorm cannot train on one."""
    return max(-(-count // 2), min(2, count))
