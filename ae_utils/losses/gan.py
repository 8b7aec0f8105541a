"""Losses of generative adversarial networks (Goodfellow et al. 2014), in nats; positive logits mean "real"."""

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)), averaged over the batch; 2 log 2 = 1.386 where D is 1/2 everywhere."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-log D(fake), averaged over the batch: the non-saturating loss.

    The gradient of the saturating loss, log(1 - D(fake)), has the same sign but vanishes where D rejects the fakes.
    """
    return F.softplus(-fake_logits).mean()


def gradient_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """R1: squared norm of the gradient of the logits at real images (n, 1, h, w), averaged over the batch.

    ``real`` must require gradients. Mescheder, Geiger, Nowozin 2018.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()
