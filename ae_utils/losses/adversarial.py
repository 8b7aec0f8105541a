"""Losses of generative adversarial networks (Goodfellow et al. 2014), in nats; logits > 0 mean "real"."""

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)), averaged over the batch; 2 log 2 = 1.386 for a discriminator that guesses."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-log D(fake), averaged over the batch: the non-saturating form, whose gradient is large where fakes are bad.

    The saturating form, log(1 - D(fake)), pulls the same way but hardly at all just then.
    """
    return F.softplus(-fake_logits).mean()


def gradient_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Squared norm of the logits' gradient at real images (n, 1, h, w), averaged over the batch.

    ``real`` must require gradients. It keeps the discriminator from growing ever steeper around the data (R1:
    Mescheder, Geiger, Nowozin 2018).
    """
    (slope,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()
