"""Terms and objectives of variational autoencoders, in nats per image.

Terms are sums over pixels or latent dimensions and keep one number for each image; the mean over the batch is taken
once, by the objective. So ``loss`` with beta = 1 is minus the ELBO. (A *mean* over pixels would silently train with
beta = 784.)
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.arguments import POSITIVE, SHARE, SIZE, WEIGHT, expects, same_shape
from ae_utils.data.images import Batch
from ae_utils.protocols import GivesPosterior

Likelihood = Callable[[Tensor, Tensor], Tensor]  # logits, target → (n,)


@same_shape
def bernoulli(logits: Tensor, target: Tensor) -> Tensor:
    """-log p(target|z) of each image when a pixel is white with probability sigmoid(logits): (n, 1, h, w) → (n,).

    A likelihood for black and white pixels. With grey ones it is a cross-entropy: fine to train on, but no
    likelihood, and never to be compared with one.
    """
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


@expects(std=POSITIVE)
@same_shape
def gaussian(logits: Tensor, target: Tensor, *, std: float = 0.1) -> Tensor:
    """-log p(target|z) of each image when pixels are N(sigmoid(logits), std²): (n, 1, h, w) → (n,).

    A density, so it may be negative. Squared error with a weight: ``std`` chooses it, as 1/beta would.
    """
    error = (torch.sigmoid(logits) - target).flatten(1)
    return (error.square() / (2 * std**2) + math.log(std * math.sqrt(2 * math.pi))).sum(1)


@same_shape
def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) ‖ N(0, I)) of each image: (n, latent_dim) twice → (n,). Kingma and Welling 2014, app. B."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def binarized(batch: Batch) -> Batch:
    """The batch with every pixel drawn black or white, with its grey value as probability.

    Drawn anew each time (dynamic binarisation: Salakhutdinov and Murray 2008). A target that is the input stays so.
    """
    x = torch.bernoulli(batch.x)
    return batch._replace(x=x, target=x if batch.target is batch.x else torch.bernoulli(batch.target))


@expects(beta=WEIGHT, warmup=SHARE)
def negative_elbo(
    model: nn.Module, batch: Batch, progress: float, *, beta: float = 1.0, warmup: float = 0.0, binarize: bool = False,
    likelihood: Likelihood = bernoulli,
) -> dict[str, Tensor]:  # fmt: skip
    """``reconstruction + beta * kl``, one z drawn for each image; with ``beta`` 1 minus the ELBO, in nats per image.

    ``reconstruction`` and ``kl`` are reported unweighted. With ``warmup`` beta rises from 0 in a straight line over
    that share of the training (Bowman et al. 2016). Kingma and Welling 2014; Higgins et al. 2017 for beta.
    """
    if binarize:
        batch = binarized(batch)
    answer = model(batch.x, batch.label)
    reconstruction = likelihood(answer.logits, batch.target).mean()
    kl = kl_to_prior(answer.mu, answer.logvar).mean()
    rise = min(1.0, progress / warmup) if warmup else 1.0
    return {"loss": reconstruction + beta * rise * kl, "reconstruction": reconstruction, "kl": kl}


def log_weights(answer: GivesPosterior, target: Tensor, likelihood: Likelihood = bernoulli) -> Tensor:
    """log p(target|z) + log p(z) - log q(z|x) of each image, z being the one drawn: its mean is the ELBO → (n,)."""
    std = torch.exp(0.5 * answer.logvar)
    eps = (answer.z - answer.mu) / std
    log_ratio = 0.5 * (eps.square() - answer.z.square() + answer.logvar).sum(1)  # log p(z) - log q(z|x)
    return log_ratio - likelihood(answer.logits, target)


@expects(samples=SIZE)
def importance_weighted(
    model: nn.Module,
    batch: Batch,
    progress: float,
    *,
    samples: int = 5,
    binarize: bool = False,
    likelihood: Likelihood = bernoulli,
) -> dict[str, Tensor]:
    """Minus the importance-weighted bound with ``samples`` codes an image, in nats per image; 1 is minus the ELBO.

    A tighter bound on log p(x) the more samples there are. ``kl`` is reported beside it. Burda, Grosse,
    Salakhutdinov 2016.
    """
    if binarize:
        batch = binarized(batch)
    x, target = (images.repeat_interleave(samples, 0) for images in (batch.x, batch.target))
    label = batch.label.repeat_interleave(samples, 0)
    answer = model(x, label)
    log_w = log_weights(answer, target, likelihood).view(-1, samples)
    bound = torch.logsumexp(log_w, 1) - math.log(samples)
    return {"loss": -bound.mean(), "kl": kl_to_prior(answer.mu, answer.logvar).mean()}
