"""The training step of a conditional VAE with an auxiliary classifier, which reads the label off its samples."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ae_utils.data.dataset import Batch
from ae_utils.training.schedules import constant
from ae_utils.training.step import GradientStep, LossTerms, Objective, learning_rates, set_learning_rates


class ConditionalDecoder(Protocol):
    """A model whose samples are ``output_activation(logits(z, label))``, with gradients."""

    @property
    def latent_dim(self) -> int: ...

    @property
    def output_activation(self) -> nn.Module: ...

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...


class AuxiliaryClassifierStep(GradientStep):
    """An update of the model, whose loss has a classification term, then one of the classifier on real images.

    ``classification``, in the loss with a factor ``weight``, is the cross-entropy in nats between the label that a
    sample from the prior is conditioned on and what ``classifier`` (images → logits (n, 10)) reads in it. Both kinds of
    images are shown to the classifier with Gaussian noise of up to ``noise_std``. Only the model is kept. The idea is
    that of AC-GAN (Odena, Olah, Shlens 2017), without a discriminator.
    """

    def __init__(self, model: nn.Module, classifier: nn.Module, objective: Objective, optimizer: Optimizer,
                 classifier_optimizer: Optimizer, *, weight: float = 10.0, noise_std: float = 0.6,
                 schedule: Callable[[float], float] = constant):  # fmt: skip
        super().__init__(model, self._with_classification, optimizer, schedule=schedule)
        self.base_objective, self.classifier, self.classifier_optimizer = objective, classifier, classifier_optimizer
        self.weight, self.noise_std, self.classifier_rates = weight, noise_std, learning_rates(classifier_optimizer)

    def train(self, batch: Batch, progress: float) -> LossTerms:
        """Both updates; raises ``Diverged`` when the model's loss is not finite."""
        terms = super().train(batch, progress)
        set_learning_rates(self.classifier_optimizer, self.classifier_rates, self.schedule(progress))
        self.classifier.train()
        half = _half(len(batch.label))
        loss = F.cross_entropy(self.classifier(self._noisy(batch.target[-half:])), batch.label[-half:])
        self.classifier_optimizer.zero_grad()
        loss.backward()
        self.classifier_optimizer.step()
        return {**terms, "classifier_loss": loss.detach()}

    def _with_classification(self, model: ConditionalDecoder, batch: Batch, progress: float) -> LossTerms:
        """The objective and ``classification``, over half as many samples as the batch has images, to save time."""
        terms, label = self.base_objective(model, batch, progress), batch.label[: _half(len(batch.label))]
        z = torch.randn(len(label), model.latent_dim, device=batch.x.device)
        self.classifier.eval().requires_grad_(False)
        samples = model.output_activation(model.logits(z, label))
        classification = F.cross_entropy(self.classifier(self._noisy(samples)), label)
        self.classifier.requires_grad_(True)
        return {**terms, "loss": terms["loss"] + self.weight * classification, "classification": classification}

    def _noisy(self, x: Tensor) -> Tensor:
        """Images with Gaussian noise, whose standard deviation is drawn for each image."""
        std = self.noise_std * torch.rand(len(x), 1, 1, 1, device=x.device)
        return (x + std * torch.randn_like(x)).clamp(0, 1)

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to continue, the classifier and its optimizer included."""
        return {
            **super().state_dict(),
            "classifier": self.classifier.state_dict(),
            "classifier_optimizer": self.classifier_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the weights and the states of both optimizers."""
        super().load_state_dict(state)
        self.classifier.load_state_dict(state["classifier"])
        self.classifier_optimizer.load_state_dict(state["classifier_optimizer"])


def _half(count: int) -> int:
    """Half of ``count`` images, rounded up; two of two, because BatchNorm cannot train on one."""
    return max(-(-count // 2), min(2, count))
