"""The step of two players: a generator and a discriminator, trained in turn through the same ``fit``."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ae_utils.arguments import SHARE, SIZE, WEIGHT, expects
from ae_utils.data.images import Batch
from ae_utils.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from ae_utils.protocols import Decodes
from ae_utils.training import Terms, constant, refuse_diverged


class AdversarialStep:
    """One batch of real images: an update of the discriminator, then one of the generator, on the same fakes.

    ``schedule(progress)`` is a factor on both learning rates. Every ``penalty_every`` batches the discriminator pays
    ``penalty / 2`` times the gradient penalty, counted ``penalty_every`` times; 0 switches it off. ``average`` is the
    decay of the running average of the generator's weights (Yazıcı et al. 2019), and ``model`` that averaged
    generator: the one to look at and to keep.
    """

    @expects(penalty=WEIGHT, penalty_every=SIZE, average=SHARE)
    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer, *, schedule: Callable[[float], float] = constant,
        penalty: float = 0.2, penalty_every: int = 16, average: float = 0.999,
    ):  # fmt: skip
        self.generator, self.discriminator = generator, discriminator
        self.optimizers = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        self.rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in self.optimizers.items()}
        self.schedule, self.penalty, self.penalty_every = schedule, penalty, penalty_every
        self.averaged = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(average))
        self.steps, self._shown_at = 0, -1
        self._shown: nn.Module = generator  # until somebody asks for the averaged one

    def train(self, batch: Batch, progress: float) -> Terms:
        """Both updates; raises ``Diverged`` when a loss is not finite (on a GPU ``fit`` does, after the epoch)."""
        for name, optimizer in self.optimizers.items():
            optimizer.param_groups[0]["lr"] = self.rates[name] * self.schedule(progress)
        self.generator.train()
        self.discriminator.train()
        fake = self.generator(_noise(self.generator, len(batch.x), device=batch.x.device))
        terms = {
            "discriminator_loss": self.update_discriminator(batch.x, fake.detach()),
            "generator_loss": self.update_generator(fake),
        }
        self.averaged.update_parameters(self.generator)
        self.steps += 1
        return terms

    def update_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """One step towards telling real from fake images; ``fake`` comes detached, so the generator stays."""
        punish = self.penalty > 0 and self.steps % self.penalty_every == 0
        real = real.detach().requires_grad_(punish)
        real_logits = self.discriminator(real)
        loss = discriminator_loss(real_logits, self.discriminator(fake))
        slope = gradient_penalty(real_logits, real) if punish else 0.0
        self._descend("discriminator", loss, loss + self.penalty / 2 * self.penalty_every * slope)
        return loss.detach()

    def update_generator(self, fake: Tensor) -> Tensor:
        """One step towards fakes that pass for real; the discriminator is only asked, and stays as it is."""
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self.discriminator(fake))
        self._descend("generator", loss, loss)
        self.discriminator.requires_grad_(True)
        return loss.detach()

    def _descend(self, player: str, loss: Tensor, objective: Tensor) -> None:
        refuse_diverged(f"{player}'s loss", loss)
        self.optimizers[player].zero_grad()
        objective.backward()
        self.optimizers[player].step()

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> Terms:
        """Both losses on a batch of real images and as many fakes of the averaged generator."""
        self.discriminator.eval()
        z = _noise(self.generator, len(batch.x), device=batch.x.device)
        real_logits, fake_logits = self.discriminator(batch.x), self.discriminator(self.model(z))
        return {
            "discriminator_loss": discriminator_loss(real_logits, fake_logits),
            "generator_loss": generator_loss(fake_logits),
        }

    @property
    def model(self) -> nn.Module:
        """The averaged generator in evaluation mode, its BatchNorm statistics collected for the averaged weights."""
        if self._shown_at != self.steps:
            self._shown, self._shown_at = _settled(self.averaged.module), self.steps
        return self._shown

    def state_dict(self) -> dict[str, Any]:
        """Everything a later ``load_state_dict`` needs to go on; ``model`` is the averaged generator, to be used."""
        owners = {"generator": self.generator, "discriminator": self.discriminator, "averaged": self.averaged}
        return {
            "model": self.model.state_dict(), "steps": self.steps,
            "players": {name: owner.state_dict() for name, owner in owners.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take both players, their average and both optimizers back."""
        self.steps, self._shown_at = state["steps"], -1
        self.generator.load_state_dict(state["players"]["generator"])
        self.discriminator.load_state_dict(state["players"]["discriminator"])
        self.averaged.load_state_dict(state["players"]["averaged"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def _noise(player: nn.Module, count: int, **options: Any) -> Tensor:
    """Codes from N(0, I) for a generator → (count, latent_dim); ``options`` are those of ``torch.randn``."""
    return torch.randn(count, cast(Decodes, player).latent_dim, **options)


@torch.no_grad()
def _settled(generator: nn.Module, *, batches: int = 20, batch_size: int = 250) -> nn.Module:
    """A copy whose BatchNorm statistics are the means over fresh codes, always the same ones."""
    generator = copy.deepcopy(generator).train()
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches rather than a running one
    device, random = next(generator.parameters()).device, torch.Generator().manual_seed(0)
    for _ in range(batches if norms else 0):
        generator(_noise(generator, batch_size, generator=random).to(device))
    return generator.eval()
