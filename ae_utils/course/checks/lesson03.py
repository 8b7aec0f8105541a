"""Checks of lesson 03: the KL sparsity term, the derivative of tanh, a penalty that went negative, noise that helps."""

from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, images, same
from ae_utils.data.dataset import Batches
from ae_utils.data.mnist import mnist
from ae_utils.losses.regularized import denoising, kl_to_target
from ae_utils.metrics.latent import codes, linear_probe
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

RHO = 0.1
MIN_GAIN = 1.0  # points


@check
def kl_sparsity(answer) -> str:
    """``answer(activation, rho)``: KL(Bernoulli(rho) ‖ Bernoulli(activation)) summed over units (units,) → scalar."""
    q = torch.linspace(0.05, 0.95, 13)
    result = _scalar(answer(q, RHO))
    wanted = kl_to_target(q, RHO)
    if same(result, wanted.mean(), 1e-3):
        raise Wrong("this is the mean over units: sum them, so that the term counts nats per image")
    if same(result, (q * torch.log(q / RHO) + (1 - q) * torch.log((1 - q) / (1 - RHO))).sum(), 1e-3):
        raise Wrong("the two distributions are swapped: rho comes first, and weighs the logarithms")
    if same(result, (RHO * torch.log(RHO / q)).sum(), 1e-3):
        raise Wrong(
            "that is the half about being on: a unit is off in a fraction 1 - rho of the images, which counts too"
        )
    if not same(result, wanted.sum(), 1e-3):
        raise Wrong(f"for activations from 0.05 to 0.95 the term is {wanted.sum():.3f}, but yours is {result:.3f}")
    ends = _scalar(answer(torch.tensor([0.0, 1.0]), RHO))
    if not torch.isfinite(ends):
        raise Wrong(f"it holds inside, but for a unit that is always off or always on it gives {float(ends)}")
    if _scalar(answer(torch.full((5000,), RHO), RHO)) < -1e-2 or ends < 0:
        raise Wrong("a KL divergence is never negative, but yours is")
    return "finite everywhere, never negative, and 0 exactly at the target"


@check
def tanh_jacobian(answer) -> str:
    """``answer(z, weight)``: squared Frobenius norm of dz/dx of each image for z = tanh(weight · x + bias)."""
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(shape, generator=generator) for shape in ((6, 5), (4, 5)))
    z = torch.tanh(x @ weight.T)
    result, rows = given(answer(z, weight)), weight.square().sum(1)
    derivative = 1 - z.square()
    if not isinstance(result, Tensor) or result.shape != (6,):
        raise Wrong(f"one number for each of the six images is expected, but {_shape(result)} came back")
    if same(result, (z * (1 - z)).square() @ rows):
        raise Wrong("z(1 - z) is the derivative of the sigmoid; what is that of tanh, written with its value?")
    if same(result, derivative @ rows):
        raise Wrong("the derivative multiplies every entry of the Jacobian, and the norm squares the entries")
    if same(result, derivative.square() @ weight.abs().sum(1)):
        raise Wrong("the weights are squared before they are summed, not made positive")
    if not same(result, derivative.square() @ rows):
        raise Wrong("the numbers differ from those of automatic differentiation")
    return "it agrees with the full Jacobian"


@check
def repaired_penalty(answer) -> str:
    """``answer(a, rho)``: KL sparsity of what the encoder gives *before* any activation, (batch, units) → scalar."""
    generator = torch.Generator().manual_seed(1)
    a = 3 * torch.randn(50, 8, generator=generator) + torch.linspace(-6, 6, 8)
    result, on = _scalar(answer(a, RHO)), torch.sigmoid(a)
    if not torch.isfinite(result):
        raise Wrong(f"it gives {float(result)}: a logarithm still receives a number outside [0, 1]")
    if result < 0:
        raise Wrong(f"it gives {float(result):.2f}, below zero: are the activations in [0, 1] now?")
    if same(result, kl_to_target(torch.sigmoid(a.mean(0)), RHO).sum(), 1e-2):
        raise Wrong("each image has an activation of its own: the sigmoid comes first, then the mean")
    if same(result, kl_to_target(torch.relu(a).mean(0).clamp(0, 1), RHO).sum(), 1.0):
        raise Wrong("cutting the mean off hides the trouble: above 1 the penalty is constant and its gradient 0")
    if not same(result, kl_to_target(on.mean(0), RHO).sum(), 1e-2):
        raise Wrong(
            "it is finite and positive, but not the KL divergence: which activation function gives values in [0, 1]?"
        )
    return "the formula was right all along; the activations were not in [0, 1]"


@check
def helpful_noise(corrupt) -> str:
    """``corrupt``: a corruption whose denoising autoencoder's code serves a probe better than one without noise."""
    x = mnist("test").x[:500]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noisy = images(corrupt(x.clone()), 500)
    if (noisy - x).abs().mean() < 1e-4:
        raise Wrong("it hands the images back unchanged: there is nothing to undo")
    if noisy.std(0).max() < 1e-3:
        raise Wrong("nothing of the digit is left: all images look the same now")
    gain = 100 * (_probe(corrupt) - _probe(_nothing))
    if gain < MIN_GAIN:
        raise Wrong(
            f"the probe gains {gain:.1f} points, {MIN_GAIN:g} is expected: try another strength or another kind"
        )
    return "the probe gains more than a point over the code of a net without noise"


def _nothing(x: Tensor) -> Tensor:
    return x


@lru_cache(maxsize=8)
def _probe(corrupt) -> float:
    """Accuracy from 1,000 labels on the code of an autoencoder trained for seconds to undo ``corrupt``."""
    train, test = mnist("train")[:10_000], mnist("test")[:2000]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Autoencoder(dense_encoder((800,)).append(nn.ReLU()), dense_decoder((800,)), 800)
        optimizer = adam(model.parameters(), lr=5e-3)
        step = GradientStep(model, partial(denoising, corrupt=corrupt), optimizer, schedule=one_cycle)
        fit(step, Batches(train, 64, shuffle=True), epochs=2, seed=0)
    return float(linear_probe(codes(model, train), train.label, codes(model, test), test.label).mean())


def _scalar(value) -> Tensor:
    value = torch.as_tensor(given(value)).detach()
    if value.ndim:
        raise Wrong(f"one number is expected, but {_shape(value)} came back")
    return value


def _shape(value) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
