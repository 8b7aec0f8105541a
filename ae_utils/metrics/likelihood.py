"""Likelihoods of variational autoencoders, in nats per image, and how many dimensions of the code they use."""

import math

import torch
from torch import Tensor
from torch.distributions import Normal

from ae_utils.data.dataset import Batch, Batches, Images, check_unit_range
from ae_utils.losses.vae import Likelihood, bernoulli, kl_to_prior, log_posterior
from ae_utils.protocols import Variational

DECODED_AT_ONCE = 1000  # more exceed the processor's cache and take half as long again


def binary(images: Images, *, seed: int = 0) -> Images:
    """Images with every pixel drawn black or white, its grey value being the probability of white; fixed by the seed.

    A likelihood of binary pixels needs binary pixels.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return images.map(lambda x: torch.bernoulli(check_unit_range(x)))


@torch.no_grad()
def elbo(model: Variational, images: Images, *, likelihood: Likelihood = bernoulli) -> Tensor:
    """The evidence lower bound of each image in nats, with one z drawn → (n,).

    The KL is in closed form where the prior is N(0, I), else that of the z drawn.
    """
    model.eval()
    parts = []
    for batch in Batches(images, 1000):
        output = model(batch.x, batch.label)
        kl = kl_to_prior(output.mu, output.logvar)
        if hasattr(output, "log_prior"):
            kl = log_posterior(output.z, output.mu, output.logvar) - output.log_prior
        parts.append(-likelihood(output.logits, batch.target) - kl)
    return torch.cat(parts)


@torch.no_grad()
def log_likelihood(
    model: Variational, images: Images, *, samples: int = 500, likelihood: Likelihood = bernoulli
) -> Tensor:
    """An estimate of log p(x) of each image in nats, from ``samples`` codes drawn from q(z|x) → (n,).

    log of the mean of p(x|z) p(z) / q(z|x), in chunks and by log-sum-exp. In expectation a lower bound that rises with
    ``samples``. Burda, Grosse, Salakhutdinov 2016.
    """
    model.eval()
    return torch.cat([_estimates(model, batch, samples, likelihood) for batch in Batches(images, 100)])


def _estimates(model: Variational, batch: Batch, samples: int, likelihood: Likelihood) -> Tensor:
    mu, logvar = model.posterior(batch.x, batch.label)
    posterior, log_prior = Normal(mu, torch.exp(0.5 * logvar)), getattr(model, "prior", _standard_normal)
    total = torch.full((len(mu),), -math.inf, device=mu.device)
    chunk = DECODED_AT_ONCE // len(mu)
    for start in range(0, samples, chunk):
        repeats = min(chunk, samples - start)
        z = posterior.sample((repeats,))  # (repeats, images, latent_dim)
        logits = model.logits(z.flatten(0, 1), batch.label.repeat(repeats))
        log_p_x = -likelihood(logits, batch.target.repeat(repeats, 1, 1, 1)).view(repeats, -1)
        log_p_z = log_prior(z.flatten(0, 1)).view(repeats, -1)
        log_w = log_p_x + log_p_z - posterior.log_prob(z).sum(2)
        total = torch.logaddexp(total, log_w.logsumexp(0))
    return total - math.log(samples)


def _standard_normal(z: Tensor) -> Tensor:
    return Normal(0.0, 1.0).log_prob(z).sum(1)


@torch.no_grad()
def active_units(model: Variational, images: Images, *, threshold: float = 0.01) -> Tensor:
    """Which dimensions of the code carry information: those whose mu varies over images → (latent_dim,).

    True where the variance of mu exceeds ``threshold``; a collapsed dimension has mu = 0 for every image. Burda,
    Grosse, Salakhutdinov 2016.
    """
    model.eval()
    mu = torch.cat([model.encode(batch.x, batch.label) for batch in Batches(images, 1000)])
    return mu.var(0) > threshold
