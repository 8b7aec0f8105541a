"""Checks of lesson 04: the closed-form KL, the missing eps, a beta-VAE, the importance-weighted bound."""

import math

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.data.dataset import Batch
from ae_utils.losses.vae import kl_to_prior, negative_elbo
from ae_utils.models import VAE
from ae_utils.networks.dense import dense_decoder, dense_encoder

BETA = 4.0


@check
def gaussian_kl(answer) -> str:
    """``answer(mu, logvar)``: KL(N(mu, exp(logvar)) ‖ N(0, I)) of each image, (n, latent_dim) twice → (n,)."""
    generator = torch.Generator().manual_seed(1)
    mu, logvar = torch.randn(2, 6, 5, generator=generator)
    result, wanted = given(answer(mu, logvar)), kl_to_prior(mu, logvar)
    if not isinstance(result, Tensor) or result.shape not in (wanted.shape, torch.Size([])):
        raise Wrong(f"six images give six numbers, but {_shape(result)} came back: sum over the dimensions, axis 1")
    if not result.ndim:
        raise Wrong("one number for all images came back: keep one for each; the batch is averaged later, and once")
    for guess, sentence in _kl_mistakes(mu, logvar):
        if same(result, guess):
            raise Wrong(sentence)
    if not same(result, wanted):
        raise Wrong(f"for the first image torch.distributions gives {wanted[0]:.4f}, and yours {float(result[0]):.4f}")
    return "it agrees with torch.distributions"


def _kl_mistakes(mu: Tensor, logvar: Tensor) -> list[tuple[Tensor, str]]:
    var = logvar.exp()
    kl = kl_to_prior(mu, logvar)
    return [
        (-kl, "the sign is wrong: a KL divergence is never negative"),
        (kl / mu.shape[1], "this is the mean over dimensions, a silent beta: sum them"),
        (2 * kl, "the half in front is missing"),
        (
            0.5 * (mu.square() + var.square() - 1 - 2 * logvar).sum(1),
            "exp(logvar) is the variance already, not the standard deviation: it is not squared again",
        ),
        (0.5 * (mu.square() + torch.exp(0.5 * logvar) - 1 - logvar).sum(1), "the variance belongs here, not std"),
        (0.5 * (mu.square() + var - logvar).sum(1), "at the prior (mu = 0, logvar = 0) it must be 0: what is missing?"),
        (0.5 * (mu + var - 1 - logvar).sum(1), "mu counts by its square: a centre at -1 is as far from 0 as one at 1"),
    ]


@check
def repaired_draw(answer) -> str:
    """``answer(mu, logvar)``: a z for every mu, drawn from N(mu, exp(logvar)), with gradients to both."""
    mu = torch.full((400, 50), 3.0, requires_grad=True)
    logvar = torch.full((400, 50), math.log(4.0), requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        z, again = given(answer(mu, logvar)), given(answer(mu, logvar))
    if not isinstance(z, Tensor) or z.shape != mu.shape:
        raise Wrong(f"z of the shape of mu is expected, but {_shape(z)} came back")
    if torch.equal(z, again):
        raise Wrong("two calls gave the same z: nothing random is drawn")
    if min(float(z.detach().std(axis).max()) for axis in (0, 1)) < 1e-3:
        raise Wrong("one eps is shared: every image and every dimension needs its own (torch.randn_like)")
    off, spread = float(z.detach().mean()) - 3, float(z.detach().std())
    if abs(spread - 4) < 0.2:
        raise Wrong("the distribution is too wide: exp(logvar) is the variance; the standard deviation is its root")
    if off > 0.5 and abs(spread - 2 / math.sqrt(12)) < 0.05:
        raise Wrong("eps is drawn between 0 and 1: torch.rand is uniform, torch.randn normal")
    if abs(off) > 0.1 or abs(spread - 2) > 0.1:
        raise Wrong(f"mean 3 and standard deviation 2 are asked for, {off + 3:.1f} and {spread:.1f} were drawn")
    if not z.requires_grad:
        raise Wrong("the right distribution, but no gradient reaches mu and logvar: no sample(), no no_grad, no detach")
    gradients = torch.autograd.grad(z.sum(), (mu, logvar), allow_unused=True)
    if any(part is None or not part.abs().max() for part in gradients):
        raise Wrong("gradients must reach both mu and logvar; one of them gets none")
    return "the right distribution, and gradients reach mu and logvar"


@check
def beta_objective(answer) -> str:
    """``answer(model, batch, progress)``: the terms of a VAE's objective with beta = 4, on the batch as it is."""
    model, batch = _toy()
    wanted = _seeded(negative_elbo, model, batch, BETA)
    result = given(_seeded(answer, model, batch))
    if not isinstance(result, dict) or not {"loss", "reconstruction", "kl"} <= set(result):
        raise Wrong("a dictionary with loss, reconstruction and kl is expected")
    loss, reconstruction, kl = (torch.as_tensor(result[name]).detach() for name in ("loss", "reconstruction", "kl"))
    if loss.ndim or reconstruction.ndim or kl.ndim:
        raise Wrong("every term is one number: average over the batch, once")
    if same(reconstruction, wanted["reconstruction"] / 784, 1e-3):
        raise Wrong("the reconstruction is a mean over pixels: sum them, or beta is 784 times what you think")
    if same(kl, wanted["kl"] / model.latent_dim, 1e-3):
        raise Wrong("the KL is a mean over dimensions: sum them")
    if same(kl, BETA * wanted["kl"], 1e-2):
        raise Wrong("report the KL itself, unweighted: only so can two runs with different beta be compared")
    if not same(reconstruction, wanted["reconstruction"], 0.1) or not same(kl, wanted["kl"], 1e-2):
        expected = f"{wanted['reconstruction']:.1f} and {wanted['kl']:.2f}"
        raise Wrong(f"reconstruction and kl are {expected} here, but yours {reconstruction:.1f} and {kl:.2f}")
    if same(loss, BETA * reconstruction + kl, 0.1):
        raise Wrong("beta multiplies the KL, not the reconstruction")
    if same(loss, BETA * (reconstruction + kl), 0.1):
        raise Wrong("beta on both terms only scales the loss: it multiplies the KL alone")
    if same(loss, reconstruction + kl, 0.1):
        raise Wrong("this is beta = 1, minus the ELBO; what does beta = 4 change?")
    if not same(loss, wanted["loss"], 0.1):
        raise Wrong(f"the loss of this batch is {wanted['loss']:.1f}, but yours {loss:.1f}")
    return "a beta-VAE, with both terms in nats"


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


def _seeded(objective, model: nn.Module, batch: Batch, beta: float | None = None):
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        return objective(model, batch, 1.0) if beta is None else objective(model, batch, 1.0, beta=beta)


def _toy() -> tuple[VAE, Batch]:
    """A small random VAE and a batch of three black-and-white images."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = VAE(dense_encoder((16, 8), nn.Tanh), dense_decoder((4, 16), nn.Tanh, nn.Identity), 4)
        x = torch.bernoulli(torch.rand(3, 1, 28, 28))
    return model.eval(), Batch(x, x, torch.tensor([1, 2, 3]))


def _shape(value) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
