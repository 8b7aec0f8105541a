"""Checks of lesson 03: the Jacobian of two layers, a penalty that went negative, noise that helps, a perfect denoiser,
and what a restoration gains."""

from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, images, same
from ae_utils.data.dataset import Batches
from ae_utils.data.mnist import mnist
from ae_utils.losses.regularized import denoising, kl_to_target
from ae_utils.metrics.images import psnr
from ae_utils.metrics.latent import codes, linear_probe
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

RHO = 0.1
MIN_GAIN = 1.0  # points


@check
def deep_jacobian(answer) -> str:
    """``answer(h, z, first, second)``: squared Frobenius norm of dz/dx of each image, for a hidden layer and a code,
    h = ReLU(first · x + a) and z = sigmoid(second · h + b)."""
    generator = torch.Generator().manual_seed(1)
    x, first, second = (torch.randn(shape, generator=generator) for shape in ((6, 5), (7, 5), (4, 7)))
    h = torch.relu(x @ first.T)
    z = torch.sigmoid(h @ second.T)
    result = given(answer(h.clone(), z.clone(), first.clone(), second.clone()))
    if not isinstance(result, Tensor) or result.shape != (6,):
        raise Wrong(f"one number for each of the six images is expected, but {_shape(result)} came back")
    derivative, active = z * (1 - z), (h > 0).to(h.dtype)
    outer, inner = derivative[:, :, None] * second, active[:, :, None] * first  # (n, 4, 7) and (n, 7, 5)
    if same(result, outer.square().sum((1, 2)) * inner.square().sum((1, 2))):
        raise Wrong("the norm of a product is not the product of the norms: multiply the matrices first")
    if same(result, outer.square().sum((1, 2)) + inner.square().sum((1, 2))):
        raise Wrong("by the chain rule, the Jacobian is the product of the two layers' Jacobians, not a pair of them")
    if same(result, (outer @ first).square().sum((1, 2))):
        raise Wrong("ReLU has a derivative, too: which hidden units does a change of x reach the code through?")
    if same(result, (second @ inner).square().sum((1, 2))):
        raise Wrong("the derivative of the sigmoid is missing: z (1 - z)")
    if same(result, (outer @ (h[:, :, None] * first)).square().sum((1, 2))):
        raise Wrong("h is the value of the ReLU, not its derivative, which is 0 or 1")
    if same(result, (outer @ ((h * (1 - h))[:, :, None] * first)).square().sum((1, 2))):
        raise Wrong("h (1 - h) is the derivative of a sigmoid: h comes from a ReLU")
    if same(result, (outer @ inner).square().sum((1, 2)).sqrt()):
        raise Wrong("this is the norm of the Jacobian: the penalty is its square")
    if same(result, (outer @ inner).sum((1, 2)).square()):
        raise Wrong("the entries of the Jacobian are squared before they are summed")
    if not same(result, (outer @ inner).square().sum((1, 2)), 1e-3):
        raise Wrong("the numbers differ from those of automatic differentiation")
    return "it agrees with automatic differentiation"


@check
def perfect_denoiser(answer) -> str:
    """``answer(x, clean, std)``: for noisy x (n, d), the mean of the clean points (m, d) it may have come from."""
    generator = torch.Generator().manual_seed(1)
    clean = torch.randn(9, 6, generator=generator)
    x = clean[:5] + 0.7 * torch.randn(5, 6, generator=generator)
    for std in (0.7, 2.0):
        result = given(answer(x.clone(), clean.clone(), std))
        if not isinstance(result, Tensor) or result.shape != x.shape:
            raise Wrong(f"one point for each of the five is expected, (5, 6), but {_shape(result)} came back")
        distance = torch.cdist(x, clean)
        for sentence, logits in {
            "the distance is squared in a normal density": -distance / (2 * std**2),
            "the variance of the noise is std²: divide by 2 · std²": -distance.square() / (2 * std),
            "a normal density has 2 · std² under the squared distance: the 2 is missing": -distance.square() / std**2,
            "the weights are the same at all noise levels: std does not enter": -distance.square() / 2,
            "far points have the largest weights: a sign is wrong": distance.square() / (2 * std**2),
        }.items():
            if same(result, logits.softmax(1) @ clean):
                raise Wrong(sentence)
        logits = -distance.square() / (2 * std**2)
        if same(result, logits.exp() @ clean):
            raise Wrong("the weights of a mean add up to 1: divide by their sum")
        if same(result, clean[distance.argmin(1)]):
            raise Wrong("that is the nearest clean point, not the mean of all that it may have come from")
        if same(result, clean.mean(0).expand_as(x)):
            raise Wrong("all clean points count alike here: those nearby are more probable")
        if same(result, logits.softmax(0) @ clean):
            raise Wrong("the weights add up to 1 over the noisy points: normalize over the clean ones")
        if same(result, (logits / x.shape[1]).softmax(1) @ clean):
            raise Wrong("the squared distance of two points is the sum over their d numbers, not the mean")
        if not same(result, logits.softmax(1) @ clean):
            raise Wrong("it is not the mean of the clean points, weighted by how probable each makes x")
    far = given(answer(torch.full((1, 784), 30.0), torch.rand(4, 784, generator=generator), 0.1))
    if not torch.isfinite(far).all():
        raise Wrong("right nearby, but far away all densities round to 0 and it gives nan: softmax is safe")
    return "the mean of all clean points, each weighted by how probable it makes the noisy one"


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
    if same(result, kl_to_target(on.mean(0), RHO).mean(), 1e-2):
        raise Wrong("this is the mean over the units: the penalty is their sum")
    if not same(result, kl_to_target(on.mean(0), RHO).sum(), 1e-2):
        raise Wrong(
            "finite and positive, but another number: which activation function gives values in [0, 1] in the lesson?"
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


@check
def restoration_gain(answer) -> str:
    """``answer(restore, clean, alter)``: by how many dB restoring brings altered images nearer to the clean ones."""
    clean = (torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1)) > 0.7).float()
    result = torch.as_tensor(given(answer(_toy_restore, clean, _toy_alter)), dtype=torch.float32)
    altered = _toy_alter(clean)
    restored = _toy_restore(altered)
    before, after = psnr(altered, clean), psnr(restored, clean)
    if result.ndim:
        raise Wrong(f"one number for all images is expected, but {_shape(result)} came back: take the mean")
    mistakes = {
        "the sign is wrong: restored minus altered, so that a gain is positive": (before - after).mean(),
        "this is the PSNR after restoring; what was it before?": after.mean(),
        "the model is to be shown the altered images, not the clean ones": (
            psnr(_toy_restore(clean), clean) - before
        ).mean(),
        "compare with the clean images: nearness to the altered ones is nothing to be proud of": (
            psnr(restored, altered) - before
        ).mean(),
    }
    for sentence, mistake in mistakes.items():
        if same(result, mistake, 1e-3):
            raise Wrong(sentence)
    if not same(result, (after - before).mean(), 1e-3):
        raise Wrong(
            f"here it is {(after - before).mean():.2f} dB (mean over images of each one's), but you get {result:.2f}"
        )
    return "the gain in dB, against the clean images"


def _toy_alter(x: Tensor) -> Tensor:
    ramp = torch.linspace(0.2, 0.6, len(x)).view(-1, 1, 1, 1)  # every image differs, so the mean of dB matters
    return x * (1 - ramp) + 0.3 * ramp


def _toy_restore(x: Tensor) -> Tensor:
    return (1.05 * x - 0.01).clamp(0, 1)


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
