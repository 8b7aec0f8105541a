"""Your turn in lesson 03: an L1 penalty, the KL divergence to a target, the squared Jacobian, a step of a denoiser."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong
from ae_utils.course.checks.your_turn import called, close, compare, your_turn
from ae_utils.data.dataset import Batch
from ae_utils.losses.regularized import kl_to_target, sparse_l1, squared_error, squared_jacobian
from ae_utils.models import AutoencoderOutput
from ae_utils.networks.denoiser import denoising_step

TERMS = ("loss", "reconstruction", "l1")


# --- the L1 penalty ------------------------------------------------------------------------------------------------


class _Model(nn.Module):
    """Returns the same reconstructions and codes for any images, and keeps what it was called with."""

    def __init__(self, count: int, units: int):
        super().__init__()
        self.x_hat, self.z = nn.Parameter(torch.rand(count, 1, 28, 28)), nn.Parameter(torch.randn(count, units))
        self.calls: list[Tensor] = []

    def forward(self, x: Tensor, label: Tensor | None = None) -> AutoencoderOutput:
        self.calls.append(x)
        return AutoencoderOutput(1 * self.x_hat, 1 * self.z)


@your_turn(sparse_l1)
def l1(answer) -> str:
    """``answer(model, batch, progress, *, weight)``: loss, reconstruction and l1 of a batch, as a dictionary."""
    for count, units, weight in ((5, 7, 0.3), (4, 9, 2.0), (3, 4, 0.0)):
        model = _Model(count, units)
        batch = Batch(torch.rand(count, 1, 28, 28), torch.rand(count, 1, 28, 28), torch.arange(count))
        terms = called(functools.partial(answer, weight=weight), model, batch, 0.5)
        _check_call(model, batch)
        wanted = sparse_l1(model, batch, 0.5, weight=weight)
        _check_terms(terms)
        compare(terms["reconstruction"], wanted["reconstruction"], _wrong_errors(model, batch), "see squared_error")
        compare(terms["l1"], wanted["l1"], _wrong_penalties(model.z.detach(), weight), "a sum of absolute values")
        compare(terms["loss"], wanted["loss"], _wrong_losses(wanted, weight), "reconstruction + weight * l1")
        _same_gradients(terms["loss"], wanted["loss"], {"x_hat": model.x_hat, "z": model.z})
    return "the error of an image plus the price of its code; the penalty is logged without its weight"


def _check_call(model: _Model, batch: Batch) -> None:
    if not model.calls:
        raise Wrong("the model is not called: model(batch.x, batch.label) returns x_hat and z")
    if not torch.equal(model.calls[0], batch.x):
        raise Wrong("the model gets other images than batch.x: the target is only compared with")


def _check_terms(terms: Any) -> None:
    if not isinstance(terms, dict) or set(terms) != set(TERMS):
        found = sorted(map(str, terms)) if isinstance(terms, dict) else f"a {type(terms).__name__}"
        raise Wrong(f"a dictionary with loss, reconstruction and l1 is expected, but there is {found}")
    for name, value in terms.items():
        if not isinstance(value, Tensor):
            raise Wrong(f"{name} is a {type(value).__name__}: leave it a tensor, or it has no gradient")


def _wrong_errors(model: _Model, batch: Batch) -> dict[str, Tensor]:
    difference = (model.x_hat - batch.target).detach()
    return {
        "x_hat is compared with batch.x: the target is batch.target": squared_error(model.x_hat, batch.x).mean(),
        "this is the mean over the pixels: squared_error sums them, per image": difference.square().mean(),
        "this is the sum over the batch: take the mean over its images": difference.square().sum(),
        "this is one error per image: take the mean": squared_error(model.x_hat, batch.target),
        "this is the absolute error: the reconstruction error is squared": difference.abs().flatten(1).sum(1).mean(),
    }


def _wrong_penalties(z: Tensor, weight: float) -> dict[str, Tensor]:
    size = z.abs().sum(1)
    return {
        "without absolute values, a negative activation would be paid for": z.sum(1).mean(),
        "these are squares, an L2 penalty: it shrinks all units and silences none": z.square().sum(1).mean(),
        "this is the root of a sum of squares, an L2 norm: L1 sums absolute values": z.norm(dim=1).mean(),
        "this is the mean over the units: the penalty of an image is a sum over its units": z.abs().mean(),
        "this is the sum over the batch, too: take the mean over the images": size.sum(),
        "this is one penalty per image: take the mean": size,
        "the absolute value is taken last: that of each unit comes first": z.sum(1).abs().mean(),
        "the mean over images is taken before the absolute value: each image pays for its own code":
            z.mean(0).abs().sum(),
        "the weight belongs into the loss only: a term is logged without it": weight * size.mean(),
        "active units are counted: a count has no gradient": (z != 0).double().sum(1).mean(),
    }  # fmt: skip


def _wrong_losses(terms: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    error, penalty = terms["reconstruction"], terms["l1"]
    return {
        "the weight is missing in the loss": error + penalty,
        "the penalty is missing in the loss": error,
        "the reconstruction is missing in the loss": weight * penalty,
        "the weight multiplies the reconstruction: it is the price of activation": weight * error + penalty,
        "the weight multiplies both terms": weight * (error + penalty),
        "the penalty is subtracted, so that activity is rewarded": error - weight * penalty,
        "the weight is applied twice": error + weight**2 * penalty,
    }


def _same_gradients(value: Tensor, wanted: Tensor, inputs: dict[str, Tensor]) -> None:
    expected = torch.autograd.grad(wanted, list(inputs.values()), allow_unused=True)
    for (name, leaf), gradient in zip(inputs.items(), expected, strict=True):
        if gradient is None or not gradient.any():
            continue
        found = (
            torch.autograd.grad(value, leaf, retain_graph=True, allow_unused=True)[0] if value.requires_grad else None
        )
        if found is None:
            raise Wrong(f"no gradient reaches {name}: detach, no_grad or a conversion on the way cuts it off")
        if not close(found, gradient):
            raise Wrong(f"the value is right, but the gradient with respect to {name} is not: something is detached")


# --- the KL divergence to a target ---------------------------------------------------------------------------------


@your_turn(kl_to_target)
def kl(answer) -> str:
    """``answer(activation, rho)``: KL(Bernoulli(rho) ‖ Bernoulli(activation)) of each unit: (units,) → (units,)."""
    for units, rho in ((13, 0.1), (7, 0.05)):
        q = torch.linspace(0.03, 0.95, units).requires_grad_()
        result = _of_units(called(answer, q, rho), q)
        wanted = kl_to_target(q, rho)
        if not torch.allclose(result.double(), wanted.double(), rtol=1e-4, atol=1e-4):
            raise Wrong(_why_not(result, wanted, _wrong_divergences(q.detach(), rho)))
        _same_derivatives(result, wanted, q)
    _finite_at_the_ends(answer)
    return "0 at the target, finite at both ends, and its gradient calls silent units back"


def _of_units(result: Any, q: Tensor) -> Tensor:
    if not isinstance(result, Tensor):
        raise Wrong(f"a tensor is expected, but a {type(result).__name__} came back")
    if result.shape != q.shape:
        raise Wrong(f"one divergence per unit is expected, {tuple(q.shape)}, but the shape is {tuple(result.shape)}")
    return result


def _why_not(result: Tensor, wanted: Tensor, mistakes: dict[str, Tensor]) -> str:
    for sentence, value in mistakes.items():
        if _as(result, value):
            return sentence
    if torch.allclose(result.double(), wanted.double(), rtol=0.1, atol=0.05):
        return "nearly right: is q moved so far from 0 and 1 that the divergence changes? A millionth will do"
    return "the numbers differ: two terms, one for on and one for off"


def _as(result: Tensor, value: Tensor) -> bool:
    """Whether a mistake gives this, as it is or without what is negative."""
    return any(
        torch.allclose(result.double(), one.double(), rtol=1e-4, atol=1e-5) for one in (value, value.clamp_min(0))
    )


def _divergence(q: Tensor, rho: float) -> Tensor:
    return rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))


def _wrong_divergences(q: Tensor, rho: float) -> dict[str, Tensor]:
    on, off = rho * torch.log(rho / q), (1 - rho) * torch.log((1 - rho) / (1 - q))
    return {
        "the two distributions are swapped: rho comes first, and weighs the logarithms":
            q * torch.log(q / rho) + (1 - q) * torch.log((1 - q) / (1 - rho)),
        "that is the half about being on: a coin shows tails, too": on,
        "that is the half about being off: a coin shows heads, too": off,
        "the sign is wrong, or the fractions are upside down: a divergence is never negative": -(on + off),
        "the two terms are subtracted: add them": on - off,
        "the weights of the two logarithms are missing": torch.log(rho / q) + torch.log((1 - rho) / (1 - q)),
        "the weights of the two logarithms are exchanged": (1 - rho) / rho * on + rho / (1 - rho) * off,
        "this is the cross-entropy: the entropy of rho is still to be subtracted":
            -rho * torch.log(q) - (1 - rho) * torch.log(1 - q),
        "these are logarithms to base 2, bits: nats have the natural one": (on + off) / torch.log(torch.tensor(2.0)),
        "these are logarithms to base 10: nats have the natural one": (on + off) / torch.log(torch.tensor(10.0)),
        "this is the squared distance from rho, another penalty": (q - rho).square(),
        "this is the distance from rho, another penalty": (q - rho).abs(),
        "this is the sum over units on every place: leave the sum to the objective": (on + off).sum().expand_as(q),
        "the activations lie in [0, 1] already: a sigmoid moves them": _divergence(torch.sigmoid(q), rho),
    }  # fmt: skip


def _same_derivatives(result: Tensor, wanted: Tensor, q: Tensor) -> None:
    if not result.requires_grad:
        raise Wrong("no gradient reaches the activations: detach, no_grad or a conversion on the way cuts it off")
    (found,), (expected,) = (torch.autograd.grad(value.sum(), q) for value in (result, wanted))
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3):
        raise Wrong("the values are right, but not the gradient with respect to the activations: something is detached")


def _finite_at_the_ends(answer: Callable[..., Any]) -> None:
    q = torch.tensor([0.0, 1.0], requires_grad=True)
    result = _of_units(called(answer, q, 0.1), q)
    if not torch.isfinite(result).all():
        raise Wrong(f"right inside, but for a unit that is always off or always on it gives {result.tolist()}")
    (gradient,) = torch.autograd.grad(result.sum(), q)
    if not torch.isfinite(gradient).all():
        raise Wrong(
            "finite for a unit that is always off or on, but its gradient there is not: it would ruin the weights"
        )
    if gradient[0] > -1 or gradient[1] < 1:
        raise Wrong(
            "finite at 0 and 1, but the gradient there is 0 (a clamp?): a silent unit would never be called back"
        )


# --- the squared Jacobian ------------------------------------------------------------------------------------------


@your_turn(squared_jacobian)
def jacobian(answer) -> str:
    """``answer(z, weight)``: squared Frobenius norm of dz/dx for z = sigmoid(weight · x + bias): (n,)."""
    for count, units, pixels in ((6, 4, 5), (4, 4, 4), (3, 7, 2)):
        x, weight = torch.randn(count, pixels), torch.randn(units, pixels, requires_grad=True)
        z = torch.sigmoid(x @ weight.detach().T).requires_grad_()
        try:
            result = called(answer, z, weight)
        except RuntimeError as error:
            if "shape" in str(error) or "size" in str(error):
                raise Wrong("the shapes do not fit: weight has one row per unit; sum over its pixels, axis 1") from None
            raise
        wanted, mistakes = squared_jacobian(z, weight), _wrong_norms(z.detach(), weight.detach())
        if not isinstance(result, Tensor):
            raise Wrong(f"a tensor is expected, but a {type(result).__name__} came back")
        compare(result, wanted, mistakes, f"one number per image, the shape ({count},); squares, summed over both axes")
        _same_gradients(result.sum(), wanted.sum(), {"z": z, "weight": weight})
    return "it is the sum of all squared derivatives, at the cost of one product"


def _wrong_norms(z: Tensor, weight: Tensor) -> dict[str, Tensor]:
    derivative, rows = z * (1 - z), weight.square().sum(1)
    again = torch.sigmoid(z)
    right = derivative.square() @ rows
    mistakes = {
        "the derivative of the sigmoid is not squared: the norm squares every entry of the Jacobian": derivative @ rows,
        "the weights are not squared": derivative.square() @ weight.sum(1),
        "the weights are made positive: the norm squares them": derivative.square() @ weight.abs().sum(1),
        "the weights are summed before they are squared": derivative.square() @ weight.sum(1).square(),
        "the derivative is missing: the Jacobian of the linear part alone": torch.ones_like(z) @ rows,
        "the weights are missing: each derivative is multiplied by a row of them": derivative.square().sum(1),
        "1 - z² is the derivative of tanh: that of the sigmoid is z (1 - z)": (1 - z.square()).square() @ rows,
        "z is a sigmoid's value already: its derivative is z (1 - z)": (again * (1 - again)).square() @ rows,
        "this is the derivative z alone: it is z (1 - z)": z.square() @ rows,
        "this is 1 - z alone: the derivative is z (1 - z)": (1 - z).square() @ rows,
        "this is the norm, not squared": right.sqrt(),
        "this is the mean over the pixels: sum the squares": right / weight.shape[1],
        "this is the mean over the units: sum the squares": right / weight.shape[0],
        "this is one number for the whole batch: each image has its own": right.sum(),
        "this is the mean over the batch: each image has its own number, the objective averages": right.mean(),
    }
    if weight.shape[0] == weight.shape[1]:
        mistakes["the weights are summed over the units, axis 0: sum over the pixels, axis 1"] = (
            derivative.square() @ weight.square().sum(0)
        )
    return mistakes


# --- a step of a denoiser ------------------------------------------------------------------------------------------


class _Denoiser(nn.Module):
    """A small denoiser that depends on everything, and what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any]] = []

    def forward(self, x: Tensor, std: Tensor) -> Tensor:
        self.calls.append((x, std))
        if not isinstance(std, Tensor) or std.shape != (len(x),):
            raise Wrong(f"the denoiser takes one noise level per image, a tensor of the shape ({len(x)},): torch.full")
        return torch.tanh(x / (1 + std.view(-1, *[1] * (x.ndim - 1)))) + 0.1


@your_turn(denoising_step)
def step(answer) -> str:
    """``answer(denoiser, x, std, next_std)``: images with noise of ``std`` → images with noise of ``next_std``."""
    for count, std, next_std in ((4, 2.0, 1.5), (3, 0.8, 0.3), (5, 0.5, 0.0)):
        denoiser, x = _Denoiser(), torch.randn(count, 1, 6, 6)
        result = called(lambda x, answer=answer, d=denoiser, a=std, b=next_std: answer(d, x, a, b), x)
        if not isinstance(result, Tensor) or result.shape != x.shape:
            raise Wrong("images of the same shape are expected: what is left after the step")
        _check_level(denoiser, x, std, next_std)
        again = called(lambda x, answer=answer, a=std, b=next_std: answer(_Denoiser(), x, a, b), x)
        if not close(again, result):
            raise Wrong("fresh noise is drawn: this step keeps a part of the noise that is there")
        x_hat = _Denoiser()(x, torch.full((count,), std))
        wanted = x_hat + next_std / std * (x - x_hat)
        compare(result, wanted, _wrong_steps(x, x_hat, std, next_std), "x_hat plus a part of the noise x - x_hat")
    return "what the denoiser takes for noise shrinks to next_std / std of its size"


def _check_level(denoiser: _Denoiser, x: Tensor, std: float, next_std: float) -> None:
    if not denoiser.calls:
        raise Wrong("the denoiser is not called: denoiser(x, std) returns the clean images that it expects")
    if len(denoiser.calls) > 1:
        raise Wrong("the denoiser is called more than once: one x_hat is enough")
    seen, level = denoiser.calls[0]
    if not torch.equal(seen, x):
        raise Wrong("the denoiser is called with other images than x")
    if close(level, torch.full((len(x),), next_std)):
        raise Wrong("the denoiser is told the next level: x still has noise of std")
    if not close(level, torch.full((len(x),), std)):
        raise Wrong("the denoiser is told another level than std")


def _wrong_steps(x: Tensor, x_hat: Tensor, std: float, next_std: float) -> dict[str, Tensor]:
    noise, ratio = x - x_hat, next_std / std
    mistakes = {
        "all the noise is taken away: at the next level there is still next_std of it": x_hat,
        "the images come back as they were": x,
        "the noise is to be scaled from std to next_std: divide by std": x_hat + next_std * noise,
        "the noise is subtracted from x_hat: what is left of it is added": x_hat - ratio * noise,
        "the parts are exchanged: next_std / std of the noise stays, the rest goes": x - ratio * noise,
        "the noise is x - x_hat, but here x is added": x_hat + ratio * x,
        "x_hat - x points away from the noise: it is x - x_hat": x_hat + ratio * (x_hat - x),
        "this is the noise that is left, without x_hat": ratio * noise,
        "x_hat shrinks, too: only the noise does": ratio * x_hat + ratio * noise,
        "variances are compared: the noise itself scales with the standard deviation": x_hat + ratio**2 * noise,
        "a step without end: x moves by std - next_std, not by its fraction": x - (std - next_std) * noise,
    }
    if next_std:
        mistakes["the ratio is upside down: the noise grows"] = x_hat + std / next_std * noise
    return mistakes
