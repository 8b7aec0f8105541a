"""Terms and objectives of variational autoencoders, in nats per image.

Terms are summed over pixels or latent dimensions, one number for each image; the objective averages over the batch
once. So ``loss`` with beta = 1 is minus the ELBO. (A *mean* over pixels would silently train with beta = 784.)
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput
from ae_utils.protocols import GivesPosterior

Likelihood = Callable[[Tensor, Tensor], Tensor]  # logits, target → (n,)


def bernoulli(logits: Tensor, target: Tensor) -> Tensor:
    """-log p(target|z) of each image when a pixel is white with probability sigmoid(logits): (n, 1, h, w) → (n,).

    A likelihood for binary pixels. With grey ones it is a cross-entropy: fine to train on, but no likelihood, and not
    to be compared with one.
    """
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


def gaussian(logits: Tensor, target: Tensor, *, std: float = 0.1) -> Tensor:
    """-log p(target|z) of each image when pixels are N(sigmoid(logits), std²): (n, 1, h, w) → (n,).

    A density, so it may be negative: a squared error whose weight ``std`` chooses, as 1/beta would. Raises
    ``InvalidInput`` for two shapes, which arithmetic would broadcast.
    """
    if logits.shape != target.shape:
        raise InvalidInput(f"expected one shape, but got {tuple(logits.shape)} and {tuple(target.shape)}.")
    error = (torch.sigmoid(logits) - target).flatten(1)
    return (error.square() / (2 * std**2) + math.log(std * math.sqrt(2 * math.pi))).sum(1)


def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) ‖ N(0, I)) of each image: (n, latent_dim) twice → (n,). Kingma and Welling 2014, app. B.

    Raises ``InvalidInput`` for two shapes, which arithmetic would broadcast.
    """
    if mu.shape != logvar.shape:
        raise InvalidInput(f"expected one shape, but got mu {tuple(mu.shape)} and logvar {tuple(logvar.shape)}.")
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def binarized(batch: Batch) -> Batch:
    """The batch with every pixel drawn black or white, its grey value being the probability of white.

    Drawn anew each time (dynamic binarization: Salakhutdinov and Murray 2008). A target that is the input stays so.
    """
    x = torch.bernoulli(batch.x)
    return batch._replace(x=x, target=x if batch.target is batch.x else torch.bernoulli(batch.target))


def negative_elbo(
    model: nn.Module, batch: Batch, progress: float, *, beta: float = 1.0, warmup: float = 0.0, binarize: bool = False,
    likelihood: Likelihood = bernoulli,
) -> dict[str, Tensor]:  # fmt: skip
    """``reconstruction + beta * kl`` with one z per image, in nats per image; with ``beta`` 1 minus the ELBO.

    ``reconstruction`` and ``kl`` are reported unweighted. With ``warmup`` beta rises linearly from 0 over that fraction
    of the training (Bowman et al. 2016). Kingma and Welling 2014; Higgins et al. 2017 for beta.
    """
    if binarize:
        batch = binarized(batch)
    output = model(batch.x, batch.label)
    reconstruction = likelihood(output.logits, batch.target).mean()
    kl = kl_to_prior(output.mu, output.logvar).mean()
    ramp = min(1.0, progress / warmup) if warmup else 1.0
    return {"loss": reconstruction + beta * ramp * kl, "reconstruction": reconstruction, "kl": kl}


def learned_prior_elbo(
    model: nn.Module, batch: Batch, progress: float, *, binarize: bool = False, likelihood: Likelihood = bernoulli
) -> dict[str, Tensor]:
    """Minus the ELBO of a ``PriorVAE``, in nats per image: ``reconstruction + kl``, both for one z drawn per image.

    With a learned prior the KL has no closed form: ``kl`` is log q(z|x) - log p(z), whose mean it is.
    """
    if binarize:
        batch = binarized(batch)
    output = model(batch.x, batch.label)
    reconstruction = likelihood(output.logits, batch.target).mean()
    kl = kl_of(output).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def log_posterior(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log q(z|x) of codes under N(mu, exp(logvar)), in nats: (n, latent_dim) three times → (n,)."""
    return -0.5 * ((z - mu).square() / logvar.exp() + logvar + math.log(2 * math.pi)).sum(1)


def kl_of(output: GivesPosterior) -> Tensor:
    """KL(q(z|x) ‖ p(z)) of each image → (n,): in closed form where p(z) is N(0, I), else from the z drawn.

    With the ``log_prior`` of a learned prior it is log q(z|x) - log p(z), whose mean over z is the KL.
    """
    if hasattr(output, "log_prior"):
        return log_posterior(output.z, output.mu, output.logvar) - output.log_prior
    return kl_to_prior(output.mu, output.logvar)


def log_weights(output: GivesPosterior, target: Tensor, likelihood: Likelihood = bernoulli) -> Tensor:
    """log p(target|z) + log p(z) - log q(z|x) of each image for the z that was drawn → (n,); its mean is the ELBO.

    log p(z) is the output's ``log_prior`` where the model has learned it, else that of N(0, I).
    """
    if hasattr(output, "log_prior"):
        return -kl_of(output) - likelihood(output.logits, target)
    std = torch.exp(0.5 * output.logvar)
    eps = (output.z - output.mu) / std
    log_ratio = 0.5 * (eps.square() - output.z.square() + output.logvar).sum(1)  # log p(z) - log q(z|x)
    return log_ratio - likelihood(output.logits, target)


def importance_weighted(
    model: nn.Module,
    batch: Batch,
    progress: float,
    *,
    samples: int = 5,
    binarize: bool = False,
    likelihood: Likelihood = bernoulli,
) -> dict[str, Tensor]:
    """Minus the importance-weighted bound with ``samples`` codes per image, in nats; with one code minus the ELBO.

    The bound on log p(x) is tighter with more samples. ``kl`` is reported beside it. Each image is encoded once.
    Burda, Grosse, Salakhutdinov 2016. Raises ``InvalidInput`` for fewer than one sample.
    """
    if samples < 1:
        raise InvalidInput(f"importance_weighted expects at least one sample per image, but got {samples}.")
    if binarize:
        batch = binarized(batch)
    output = model(batch.x, batch.label, samples=samples)
    log_w = log_weights(output, batch.target.repeat_interleave(samples, 0), likelihood).view(-1, samples)
    bound = torch.logsumexp(log_w, 1) - math.log(samples)
    return {"loss": -bound.mean(), "kl": kl_of(output).mean()}
