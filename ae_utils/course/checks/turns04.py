"""Your turn in lesson 04: a draw from the approximate posterior, its KL divergence from the prior, the objective."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils import models
from ae_utils.course.checks.check import Wrong
from ae_utils.course.checks.your_turn import called, close, compare, your_turn
from ae_utils.data.dataset import Batch
from ae_utils.losses.vae import bernoulli, binarized, kl_to_prior
from ae_utils.networks.dense import dense_encoder

LOGVARS = (math.log(4.0), -12.0, 5.0)  # standard deviations of 2, .0025 and 12.2
DRAWS, MEAN = 20_000, 3.0
BETA = 4.0


# --- a draw from the posterior -------------------------------------------------------------------------------------


@your_turn(models.reparameterize)
def reparameterize(answer) -> str:
    """``answer(mu, logvar)``: a z for every mu, drawn from N(mu, exp(logvar)), with gradients to both."""
    mu = torch.full((DRAWS, len(LOGVARS)), MEAN, requires_grad=True)
    logvar = torch.tensor(LOGVARS).repeat(DRAWS, 1).requires_grad_()
    z, again = called(answer, mu, logvar), called(answer, mu, logvar)
    if not isinstance(z, Tensor):
        raise Wrong(f"a tensor is expected, but a {type(z).__name__} came back: return z alone")
    if z.shape != mu.shape:
        raise Wrong(f"z has the shape {tuple(z.shape)}, but one number is expected for every number of mu")
    if z.isnan().any():
        raise Wrong("z is not a number where logvar is negative, as it may be: take the exponential of half of it")
    if torch.equal(z, again):
        raise Wrong("two calls gave the same z: nothing random is drawn, eps is missing")
    _check_draws(z.detach())
    _check_gradients(z, mu, logvar)
    return "mean mu, variance exp(logvar), and gradients reach both"


def _check_draws(z: Tensor) -> None:
    eps = (z - MEAN) / torch.tensor(LOGVARS).mul(0.5).exp()  # should be standard normal in each column
    if min(float(eps.std(axis).max()) for axis in (0, 1)) < 0.01:
        raise Wrong("one eps is shared: every image and every dimension needs its own (torch.randn_like)")
    for mistake, std in _wrong_stds().items():
        if _spread(z[:, 0], std[0]) and _spread(z[:, 2], std[2]):
            raise Wrong(mistake)
    first = eps[:, 0]
    if abs(first.mean() - 0.5) < 0.02 and abs(first.std() - 12**-0.5) < 0.02:
        raise Wrong("eps is drawn between 0 and 1: torch.rand is uniform, torch.randn is normal")
    if abs(z[:, 0].mean()) < 0.2 and _spread(z[:, 0], MEAN + 2.0):
        raise Wrong("mu is multiplied by eps, too: only std is")
    if _spread(z[:, 0], 2.0) and not (_spread(z[:, 1], math.exp(-6)) and _spread(z[:, 2], math.exp(2.5))):
        raise Wrong("logvar is clipped: very narrow or very wide posteriors are not drawn as asked, nor trained")
    if abs(eps.mean(0)).max() > 0.05 and _spread(z[:, 0], 2.0):
        raise Wrong(f"the mean should be mu = {MEAN:g}, but it is {z[:, 0].mean():.1f}")
    if abs(eps.mean(0)).max() > 0.05 or abs(eps.std(0) - 1).max() > 0.05:
        got = f"mean {z[:, 0].mean():.1f} and standard deviation {z[:, 0].std():.1f}"
        raise Wrong(f"the numbers differ: mean {MEAN:g} and standard deviation 2 are asked for, {got} were drawn")
    if abs(eps.abs().mean(0) - (2 / math.pi) ** 0.5).max() > 0.02:
        raise Wrong("mean and variance are right, but the distribution is not normal: eps comes from torch.randn")


def _wrong_stds() -> dict[str, list[float]]:
    return {
        "exp(logvar) is the variance: the standard deviation is its root": [math.exp(v) for v in LOGVARS],
        "logvar itself is used as the standard deviation: it is a logarithm": [abs(v) for v in LOGVARS],
        "half of logvar is used as the standard deviation: its exponential is missing": [abs(v) / 2 for v in LOGVARS],
        "eps is not scaled: its standard deviation should be exp(logvar / 2)": [1.0] * len(LOGVARS),
        "eps is divided by std, or the sign of logvar is wrong": [math.exp(-v / 2) for v in LOGVARS],
        "half of the variance is not the standard deviation: the factor 1/2 belongs inside the exponential": [
            math.exp(v) / 2 for v in LOGVARS
        ],
        "a quarter of logvar is in the exponent: one half is enough": [math.exp(v / 4) for v in LOGVARS],
    }


def _spread(column: Tensor, std: float) -> bool:
    """Whether a column has this standard deviation, within 5 %."""
    return bool(abs(column.std() / std - 1) < 0.05)


def _check_gradients(z: Tensor, mu: Tensor, logvar: Tensor) -> None:
    if not z.requires_grad:
        raise Wrong("the right distribution, but no gradient reaches mu and logvar: no sample(), no_grad or detach")
    to_mu, to_logvar = torch.autograd.grad(z.sum(), (mu, logvar), allow_unused=True)
    for name, gradient in (("mu", to_mu), ("logvar", to_logvar)):
        if gradient is None or not gradient.any():
            raise Wrong(f"the right distribution, but no gradient reaches {name}: detach or no_grad cuts it off")
    if not close(to_mu, torch.ones_like(mu)) or not torch.allclose(to_logvar, 0.5 * (z - mu).detach(), 1e-3, 1e-4):
        raise Wrong("the right distribution, but its gradients are not: something on the way is detached")


# --- its KL divergence from the prior ------------------------------------------------------------------------------


@your_turn(kl_to_prior)
def kl_divergence(answer) -> str:
    """``answer(mu, logvar)``: KL(N(mu, exp(logvar)) ‖ N(0, I)) of each image, (n, latent_dim) twice → (n,)."""
    for count, size in ((6, 5), (2, 3)):
        mu, logvar = torch.randn(2, count, size)
        _check_kl(answer, mu.requires_grad_(), logvar.requires_grad_())
    wide = torch.tensor([[12.0, -20.0, 8.0]])
    mu = torch.tensor([[5.0, 0.1, -3.0]])
    if not close(called(answer, mu, wide), kl_to_prior(mu, wide)):
        raise Wrong("logvar is clipped: what lies beyond costs another KL, and gets no gradient")
    return "it agrees with torch.distributions, one number per image"


def _check_kl(answer: Any, mu: Tensor, logvar: Tensor) -> None:
    result, wanted, terms = called(answer, mu, logvar), kl_to_prior(mu, logvar), _kl_terms(mu, logvar)
    count, size = mu.shape
    if not isinstance(result, Tensor):
        raise Wrong(f"a tensor is expected, but a {type(result).__name__} came back")
    if not result.shape:
        raise Wrong("one number for all images came back: keep one for each; the batch is averaged later, and once")
    if result.shape == mu.shape:
        raise Wrong("one number per dimension came back: sum over the dimensions, axis 1")
    if result.shape == (size,):
        raise Wrong("the sum runs over the images: sum over the dimensions, axis 1")
    if result.shape != (count,):
        raise Wrong(f"one number per image, of shape ({count},), is expected, but the shape is {tuple(result.shape)}")
    if result.isnan().any():
        raise Wrong("the result is not a number: logvar is the logarithm already, and may be negative")
    sums = {sentence: term.sum(1) for sentence, term in _wrong_terms(mu, logvar).items()}
    means = {"this is the mean over dimensions, a silent beta: sum them": terms.mean(1)}
    compare(result, wanted, means | sums, "half of mu² + variance - 1 - log variance, summed over the dimensions")
    gradients = (
        torch.autograd.grad(result.sum(), (mu, logvar), allow_unused=True) if result.requires_grad else (None,) * 2
    )
    expected = torch.autograd.grad(wanted.sum(), (mu, logvar))
    for name, found, right in zip(("mu", "logvar"), gradients, expected, strict=True):
        if found is None or not close(found, right):
            raise Wrong(f"the value is right, but not its gradient for {name}: something on the way is detached")


def _kl_terms(mu: Tensor, logvar: Tensor) -> Tensor:
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def _wrong_terms(mu: Tensor, logvar: Tensor) -> dict[str, Tensor]:
    var, std = logvar.exp(), torch.exp(0.5 * logvar)
    kl, square = _kl_terms(mu, logvar), mu.square()
    return {
        "the sign is wrong: a KL divergence is never negative": -kl,
        "the half in front is missing": 2 * kl,
        "the half stands twice": kl / 2,
        "at the prior (mu = 0, logvar = 0) it must be 0: the 1 is missing": kl + 0.5,
        "at the prior (mu = 0, logvar = 0) it must be 0: the 1 is subtracted, not added": kl + 1,
        "exp(logvar) is the variance already, not the standard deviation: it is not squared again": (
            0.5 * (square + var.square() - 1 - logvar)
        ),
        "logvar is taken for the logarithm of the standard deviation": 0.5 * (square + var.square() - 1 - 2 * logvar),
        "the variance belongs here, exp(logvar), not the standard deviation": 0.5 * (square + std - 1 - logvar),
        "two terms cancel: the variance is exp(logvar), and its logarithm is logvar": 0.5 * (square - 1),
        "subtract the logarithm: with a plus, ever narrower posteriors are rewarded": 0.5 * (square + var - 1 + logvar),
        "logvar is taken for the standard deviation: its exponential is the variance": 0.5
        * (square + logvar.square() - 1 - logvar.square().log()),
        "logvar is taken for the standard deviation in one term: exp(logvar) is the variance": 0.5
        * (square + logvar.square() - 1 - logvar),
        "the last term is missing: log variance": 0.5 * (square + var - 1),
        "the variance itself is missing": 0.5 * (square - 1 - logvar),
        "mu counts by its square: a mean at -1 is as far from 0 as one at 1": 0.5 * (mu + var - 1 - logvar),
        "mu counts by its square, not by its absolute value": 0.5 * (mu.abs() + var - 1 - logvar),
        "the square of mu is subtracted: a mean far from 0 must cost more": 0.5 * (-square + var - 1 - logvar),
        "mu is missing: a mean far from 0 must cost something": 0.5 * (var - 1 - logvar),
        "the variance is subtracted: it is added": 0.5 * (square - var - 1 - logvar),
        "this is KL(p ‖ q), from the prior to the posterior: the other way round is asked for": (
            0.5 * ((square + 1) / var - 1 + logvar)
        ),
        "mu and logvar are swapped": _kl_terms(logvar, mu),
    }


# --- the objective -------------------------------------------------------------------------------------------------


def own_vae_objective(model, batch, progress, beta=1.0):
    """Minus the ELBO of the binarized batch, and its two terms, in nats per image; ``beta`` weights the KL."""
    batch = binarized(batch)
    output = model(batch.x)
    reconstruction = bernoulli(output.logits, batch.target).mean()
    kl = kl_to_prior(output.mu, output.logvar).mean()
    return {"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}


class _Toy(models.VAE):
    """A small VAE whose decoder ignores the code, so that chance changes nothing; it keeps its encoder's last input."""

    def __init__(self) -> None:
        encoder, linear = dense_encoder((8, 8), nn.Tanh), nn.Linear(4, 784)
        nn.init.zeros_(linear.weight).requires_grad_(False)  # whose gradient would depend on z
        nn.init.normal_(linear.bias)
        super().__init__(encoder, nn.Sequential(linear, nn.Unflatten(1, (1, 28, 28))), 4)
        for parameter in encoder.parameters():
            nn.init.normal_(parameter, std=0.3)  # so that no image's posterior is near the prior
        self.given = torch.zeros(0)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.given = x
        return super().posterior(x, label)


@your_turn(own_vae_objective)
def vae_objective(answer) -> str:
    """``answer(model, batch, progress, beta)``: minus the ELBO of the binarized batch and its two terms, as scalars."""
    model = _Toy()
    for count in (3, 2):
        x, target = torch.bernoulli(torch.rand(2, count, 1, 28, 28))
        _check_terms(answer, model, Batch(x, target, torch.arange(count)))
    x = 0.2 + 0.6 * torch.rand(2, 1, 28, 28)
    terms = answer(model, Batch(x, x, torch.arange(2)), 0.0)
    if not torch.equal(model.given, model.given.round()):
        raise Wrong("grey images reach the model: batch = binarized(batch) comes first")
    logits = model.logits(torch.zeros(2, 4))
    if close(terms["reconstruction"], bernoulli(logits, x).mean()):
        raise Wrong("the model is given the binarized images, but compared with the grey ones")
    if not close(terms["reconstruction"], bernoulli(logits, model.given).mean()):
        raise Wrong("the images are binarized once more before they are compared: the model was given others")
    return "both terms in nats per image, and beta on the KL alone"


def _check_terms(answer: Any, model: _Toy, batch: Batch) -> None:
    found = {beta: _scalars(called(answer, model, batch, 0.3, beta)) for beta in (1.0, BETA)}
    plain = _scalars(called(answer, model, batch, 0.9))
    with torch.random.fork_rng(devices=[]):
        wanted = own_vae_objective(model, batch, 0.0)
    output = model(batch.x)
    for terms in (*found.values(), plain):
        mistakes = _wrong_reconstructions(output.logits, batch)
        compare(terms["reconstruction"], wanted["reconstruction"], mistakes, "reconstruction is the mean of bernoulli")
    for beta, terms in found.items():
        compare(terms["kl"], wanted["kl"], _wrong_kls(output.mu, output.logvar, beta), "kl is the mean of kl_to_prior")
    reconstruction, kl = wanted["reconstruction"], wanted["kl"]
    for beta, terms in found.items():
        mistakes = _wrong_losses(reconstruction, kl, beta)
        compare(terms["loss"], reconstruction + beta * kl, mistakes, "loss is reconstruction + beta * kl")
    if not close(plain["loss"], reconstruction + kl):
        raise Wrong("beta depends on progress, or its default is not 1")
    _check_graph(model, found[BETA]["loss"], reconstruction + BETA * kl)


def _scalars(terms: Any) -> dict[str, Tensor]:
    names = ("loss", "reconstruction", "kl")
    if not isinstance(terms, dict) or not set(names) <= set(terms):
        raise Wrong("a dictionary with loss, reconstruction and kl is expected")
    for name in names:
        if not isinstance(terms[name], Tensor):
            raise Wrong(f"{name} is a {type(terms[name]).__name__}: leave it a tensor, which has a gradient")
        if terms[name].shape:
            raise Wrong(f"{name} has the shape {tuple(terms[name].shape)}: average over the batch, once")
    return {name: terms[name] for name in names}


def _wrong_reconstructions(logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    per_image = bernoulli(logits, batch.target)
    return {
        "the reconstruction is a mean over pixels: sum them, or beta is silently 784": per_image.mean() / 784,
        "the reconstruction is summed over the batch: take the mean over the images": per_image.sum(),
        "the sign of the reconstruction is wrong: it is minus a log-likelihood": -per_image.mean(),
        "the logits are compared with batch.x: with batch.target, which other lessons set to another image": (
            bernoulli(logits, batch.x).mean()
        ),
        "bernoulli takes the logits themselves: the sigmoid is in it": bernoulli(logits.sigmoid(), batch.target).mean(),
    }


def _wrong_kls(mu: Tensor, logvar: Tensor, beta: float) -> dict[str, Tensor]:
    per_image = kl_to_prior(mu, logvar)
    return {
        "report the KL itself, unweighted, so that runs with different beta can be compared": beta * per_image.mean(),
        "the KL is averaged over the dimensions: sum them": per_image.mean() / mu.shape[1],
        "the KL is averaged over pixels, too: it has none": per_image.mean() / 784,
        "the KL is summed over the batch: take the mean over the images": per_image.sum(),
        "the sign of the KL is wrong: it is never negative": -per_image.mean(),
        "mu and logvar are swapped": kl_to_prior(logvar, mu).mean(),
    }


def _wrong_losses(reconstruction: Tensor, kl: Tensor, beta: float) -> dict[str, Tensor]:
    return {
        "beta is ignored": reconstruction + kl,
        "beta multiplies the reconstruction: it belongs to the KL": beta * reconstruction + kl,
        "beta on both terms only scales the loss: it belongs to the KL alone": beta * (reconstruction + kl),
        "the KL is missing in the loss": reconstruction,
        "the reconstruction is missing in the loss": beta * kl,
        "the KL is subtracted: it is added, so that it becomes small": reconstruction - beta * kl,
        "the sign of the loss is wrong: it is minus the ELBO": -(reconstruction + beta * kl),
        "the terms are multiplied: add them": reconstruction * beta * kl,
        "beta is added, not multiplied": reconstruction + beta + kl,
        "the KL is divided by beta: multiply it": reconstruction + kl / beta,
        "the loss is a mean of its terms: add them": (reconstruction + beta * kl) / 2,
    }


def _check_graph(model: nn.Module, loss: Tensor, wanted: Tensor) -> None:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not loss.requires_grad:
        raise Wrong("the loss has no graph to go back through: detach, no_grad or item cuts it off")
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    for one, other in zip(found, torch.autograd.grad(wanted, parameters), strict=True):
        if not close(torch.zeros_like(other) if one is None else one, other):
            raise Wrong("the loss is right, but not its gradient: one of its terms is detached")
