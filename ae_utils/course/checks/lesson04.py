"""Checks of lesson 04: a beta as pixel noise, the aggregate posterior, the importance-weighted bound, a fitted q."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.losses.vae import bernoulli
from ae_utils.models import VAE
from ae_utils.networks.dense import dense_decoder, dense_encoder

GRID = torch.linspace(-7, 7, 561)
STEPS = 400
CLOSED = 0.8  # of the encoder's gap to the best Gaussian


@check
def pixel_noise(answer) -> str:
    """``answer(beta, pixels)``: the std of Gaussian pixels for which squared errors / pixels + beta * KL is an ELBO."""
    for beta, pixels in ((1.0, 1), (4.0, 1), (0.5, 784)):
        result, wanted = float(given(answer(beta, pixels))), math.sqrt(beta * pixels / 2)
        mistakes = {
            "this is the variance: the standard deviation is its root": wanted**2,
            "the 2 in front of the variance is missing: a Gaussian's exponent is the square over 2 s²": wanted * 2**0.5,
            "the 2 is on the wrong side: compare 1 / (2 s²) with 1 / (pixels * beta)": wanted * 2,
            "beta is upside down: a larger beta trusts the pixels less": math.sqrt(pixels / beta / 2),
            "pixels is upside down: a mean gives the error less weight": math.sqrt(beta / pixels / 2),
            "dividing the error by the number of pixels changes its weight, too": math.sqrt(beta / 2),
            "pixels is under the root, as beta is": pixels * math.sqrt(beta / 2),
        }
        for sentence, value in mistakes.items():
            if math.isclose(result, value, rel_tol=1e-4) and not math.isclose(value, wanted, rel_tol=1e-4):
                raise Wrong(sentence)
        if not math.isclose(result, wanted, rel_tol=1e-4):
            raise Wrong(f"for beta = {beta:g} and pixels = {pixels} the std is {wanted:.3f}, but yours is {result:.3f}")
    return "beta is a statement about how noisy the pixels are"


@check
def aggregate_posterior(answer) -> str:
    """``answer(mu, logvar)``: mean and variance of each number of a code of a random image, (n, d) twice → two (d,)."""
    mu, logvar = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([[[2.0]], [[0.8]]])
    result, variances = given(answer(mu, logvar)), logvar.exp()
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("two tensors are expected: the mean and the variance of each number of the code")
    mean, variance = (given(part) for part in result)
    if mean.shape != (3,) or variance.shape != (3,):
        raise Wrong(f"one mean and one variance per number are expected, not {_shape(mean)} and {_shape(variance)}")
    if not same(mean, mu.mean(0)):
        raise Wrong("the mean is not right: the noise has mean 0, so only mu counts")
    between = (mu.var(0), mu.var(0, unbiased=False))
    if any(same(variance, part) for part in between):
        raise Wrong("this is how far the means lie apart: the width of each cloud adds to it")
    for wrong, sentence in (
        (variances.mean(0), "this is the mean width of the clouds: how far their centres lie apart adds to it"),
        *((part + logvar.mean(0).exp(), "average the variances, not their logarithms") for part in between),
        *((part + torch.exp(0.5 * logvar).mean(0), "variances add up, standard deviations do not") for part in between),
        *((part + torch.exp(0.5 * logvar).mean(0) ** 2, "square first, then average") for part in between),
        *((part + variances.sum(0), "take the mean of the variances, not their sum") for part in between),
        *(((part + variances.mean(0)).sqrt(), "this is the root of the variance: leave it away") for part in between),
    ):
        if same(variance, wrong):
            raise Wrong(sentence)
    if not any(same(variance, part + variances.mean(0)) for part in between):
        wanted = float(between[0][0] + variances.mean(0)[0])
        raise Wrong(f"the first number's variance is {wanted:.3f}, but yours {float(variance[0]):.3f}")
    return "the law of total variance: between the clouds, plus within them"


@check
def importance_bound(answer) -> str:
    """``answer(log_w)``: the importance-weighted bound of each image from log weights (n, samples) → (n,)."""
    log_w = torch.randn(6, 8, generator=torch.Generator().manual_seed(1)) - 2
    result, wanted = given(answer(log_w)), log_w.logsumexp(1) - math.log(8)
    if not isinstance(result, Tensor) or result.shape != (6,):
        raise Wrong(f"one bound for each of six images is expected, but {_shape(result)} came back")
    if same(result, log_w.mean(1)):
        raise Wrong("the mean of the logarithms is the ELBO again: average the weights, then take the logarithm")
    if same(result, log_w.logsumexp(1)):
        raise Wrong("this is the logarithm of a sum: for the mean over 8 samples, log 8 is still to come off")
    if same(result, log_w.exp().mean(1)):
        raise Wrong("this is the mean weight: its logarithm is asked for")
    if same(result, log_w.max(1).values):
        raise Wrong("the best sample alone is no bound: average all weights")
    if not same(result, wanted):
        raise Wrong(f"for the first image the bound is {wanted[0]:.4f}, but you get {float(result[0]):.4f}")
    if not given(answer(log_w - 500)).isfinite().all():
        raise Wrong("right for these, but exp(-500) is 0 in 32 bits and its logarithm infinite: use logsumexp")
    return "the right bound, and safe where weights are tiny"


@check
def fitted_posterior(answer) -> str:
    """``answer(model, x, steps)``: mu and logvar (n, latent_dim) of the best Gaussian q for each image."""
    model, x = _toy()
    before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    start = _elbos(model, x, *model.posterior(x))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        result = given(answer(model, x, STEPS))
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("two tensors are expected: mu and logvar")
    mu, logvar = (torch.as_tensor(given(part)).detach() for part in result)
    if mu.shape != (len(x), 1) or logvar.shape != (len(x), 1):
        raise Wrong(f"mu and logvar of shape ({len(x)}, 1) are expected, not {_shape(mu)} and {_shape(logvar)}")
    if not torch.equal(before, nn.utils.parameters_to_vector(model.parameters())):
        raise Wrong("the model's weights have changed: only mu and logvar are given to the optimizer")
    found, best = _elbos(model, x, mu, logvar), _best(model, x)
    if same(found, start):
        raise Wrong("this is what the encoder returned: the steps have changed nothing")
    if (found < start - 0.01).any():
        raise Wrong("the ELBO of some images has fallen: is minus the ELBO minimised, with both of its terms?")
    closed = ((found - start) / (best - start)).min().item()
    if closed < CLOSED:
        reasons = "optimise mu and logvar on both terms, draw z anew in each step, and sum over the images"
        raise Wrong(f"for one image only {closed:.2f} of the gap is closed: {reasons}")
    return f"at least {CLOSED:g} of the amortisation gap is closed for every image"


@torch.no_grad()
def _log_terms(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x|z) + log p(z) of each image on the grid (n, points), and the grid's spacing."""
    logits = model.logits(GRID[:, None])
    log_likelihood = torch.stack([-bernoulli(logits, image.expand(len(GRID), -1, -1, -1)) for image in x])
    return log_likelihood + Normal(0.0, 1.0).log_prob(GRID), GRID[1] - GRID[0]


def _elbos(model: VAE, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The ELBO of each image, by an integral over the grid → (n,)."""
    log_joint, spacing = _log_terms(model, x)
    log_q = Normal(mu, torch.exp(0.5 * logvar)).log_prob(GRID)
    q = log_q.exp() * spacing
    bounds = (q * (log_joint - log_q)).sum(1).detach()
    return torch.where(q.sum(1) > 0.99, bounds, -torch.inf)  # a q beyond the grid, or one that is not a number


def _best(model: VAE, x: Tensor) -> Tensor:
    """The largest ELBO of each image that a Gaussian can have → (n,)."""
    log_joint, spacing = _log_terms(model, x)
    parameters = torch.zeros(2, len(x), 1, requires_grad=True)
    optimizer = torch.optim.Adam([parameters], lr=0.05)
    with torch.enable_grad():
        for _ in range(500):
            log_q = Normal(parameters[0], torch.exp(0.5 * parameters[1])).log_prob(GRID)
            loss = -(log_q.exp() * (log_joint - log_q) * spacing).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return _elbos(model, x, *parameters.detach())


def _toy() -> tuple[VAE, Tensor]:
    """A small VAE with a code of one number, whose encoder knows nothing, and four black-and-white images."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder, decoder = dense_encoder((8, 2), nn.Tanh), dense_decoder((1, 8), nn.Tanh, nn.Identity)
        model = VAE(encoder, decoder, 1)
        with torch.no_grad():
            nn.utils.vector_to_parameters(
                0.7 * nn.utils.parameters_to_vector(decoder.parameters()), decoder.parameters()
            )
            z = torch.tensor([[-1.5], [-0.5], [0.6], [1.4]])
            x = torch.bernoulli(model.decode(z))
    return model.eval(), x


def _shape(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
