"""The training step of a GAN: generator and discriminator are updated in turn, through the same ``fit``."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ae_utils.data.dataset import Batch
from ae_utils.losses.gan import discriminator_loss, generator_loss, gradient_penalty
from ae_utils.protocols import Decodes
from ae_utils.training.schedules import constant
from ae_utils.training.step import LossTerms, learning_rates, raise_if_diverged, set_learning_rates


class AdversarialStep:
    """One batch of real images: an update of the discriminator, then one of the generator, on the same fakes.

    ``schedule(progress)`` is a factor on both learning rates. In every ``r1_every``-th batch the discriminator's loss
    has ``r1_gamma / 2`` times the gradient penalty R1, multiplied by ``r1_every`` (lazy regularization: Karras et al.
    2020); 0 switches it off. ``ema_decay`` is the decay of the exponential moving average of the generator's weights
    (Yazıcı et al. 2019); ``model`` is the generator with these averaged weights.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer, *, schedule: Callable[[float], float] = constant,
        r1_gamma: float = 0.2, r1_every: int = 16, ema_decay: float = 0.999,
    ):  # fmt: skip
        self.generator, self.discriminator = generator, discriminator
        self.optimizers = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        self.learning_rates = {name: learning_rates(optimizer) for name, optimizer in self.optimizers.items()}
        self.schedule, self.r1_gamma, self.r1_every = schedule, r1_gamma, r1_every
        self.averaged = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))
        self.steps, self._recalibrated_at = 0, -1
        self._recalibrated: nn.Module = generator  # until ``model`` is asked for

    def train(self, batch: Batch, progress: float) -> LossTerms:
        """Both updates; raises ``Diverged`` when a loss is not finite (on a GPU ``fit`` does, after the epoch)."""
        for name, optimizer in self.optimizers.items():
            set_learning_rates(optimizer, self.learning_rates[name], self.schedule(progress))
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
        """One gradient step of the discriminator; ``fake`` is detached, so no gradient reaches the generator."""
        penalize = self.r1_gamma > 0 and self.steps % self.r1_every == 0
        real = real.detach().requires_grad_(penalize)
        real_logits = self.discriminator(real)
        loss = discriminator_loss(real_logits, self.discriminator(fake))
        penalty = gradient_penalty(real_logits, real) if penalize else 0.0
        self._descend("discriminator", loss, loss + self.r1_gamma / 2 * self.r1_every * penalty)
        return loss.detach()

    def update_generator(self, fake: Tensor) -> Tensor:
        """One gradient step of the generator; the discriminator's weights stay as they are."""
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self.discriminator(fake))
        self._descend("generator", loss, loss)
        self.discriminator.requires_grad_(True)
        return loss.detach()

    def _descend(self, network: str, loss: Tensor, objective: Tensor) -> None:
        raise_if_diverged(f"{network}'s loss", loss)
        self.optimizers[network].zero_grad()
        objective.backward()
        self.optimizers[network].step()

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> LossTerms:
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
        """The averaged generator in evaluation mode, with BatchNorm statistics of the averaged weights."""
        if self._recalibrated_at != self.steps:
            self._recalibrated, self._recalibrated_at = recalibrate_batchnorm(self.averaged.module), self.steps
        return self._recalibrated

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to continue; ``model`` is the averaged generator."""
        owners = {"generator": self.generator, "discriminator": self.discriminator, "averaged": self.averaged}
        return {
            "model": self.model.state_dict(), "steps": self.steps,
            "networks": {name: owner.state_dict() for name, owner in owners.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore both networks, the averaged weights and both optimizers."""
        self.steps, self._recalibrated_at = state["steps"], -1
        self.generator.load_state_dict(state["networks"]["generator"])
        self.discriminator.load_state_dict(state["networks"]["discriminator"])
        self.averaged.load_state_dict(state["networks"]["averaged"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def _noise(network: nn.Module, count: int, **options: Any) -> Tensor:
    """Codes from N(0, I) for a generator → (count, latent_dim); ``options`` are those of ``torch.randn``."""
    return torch.randn(count, cast(Decodes, network).latent_dim, **options)


@torch.no_grad()
def recalibrate_batchnorm(generator: nn.Module, *, batches: int = 20, batch_size: int = 250) -> nn.Module:
    """A copy in evaluation mode whose BatchNorm statistics are means over ``batches`` of fixed codes from N(0, I)."""
    generator = copy.deepcopy(generator).train()
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches rather than a moving one
    device, random = next(generator.parameters()).device, torch.Generator().manual_seed(0)
    for _ in range(batches if norms else 0):
        generator(_noise(generator, batch_size, generator=random).to(device))
    return generator.eval()
