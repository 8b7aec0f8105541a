"""Objectives of regularized autoencoders: a code wide enough to copy the image, and something that forbids it.

Terms are sums over pixels or over the numbers of the code; the mean over the batch is taken once. So
``loss = reconstruction + weight * penalty``, with the penalty reported unweighted.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.arguments import WEIGHT, cheap_to_read, checked_by, expects, same_shape
from ae_utils.data.images import Batch
from ae_utils.errors import InvalidInput

BETWEEN = (1e-6, 0.999999)  # 0 and 1: activations that a unit can be asked for


@checked_by
def takes_activations(term: Callable[..., object], arguments: dict[str, Any]) -> None:
    """Refuse activations, the first argument, outside [0, 1] with a sentence that says where they run."""
    activation = next(iter(arguments.values())).detach()
    if not cheap_to_read(activation):
        return
    low, high = activation.aminmax()
    if not (low >= 0 and high <= 1):
        raise InvalidInput(
            f"{term.__name__} expects activations in [0, 1] (end the encoder in a Sigmoid), "
            f"but they run from {low:.3g} to {high:.3g}."
        )


@same_shape
def squared_error(x_hat: Tensor, target: Tensor) -> Tensor:
    """Squared error of each image, summed over its pixels: (n, 1, h, w) twice → (n,)."""
    return (x_hat - target).square().flatten(1).sum(1)


@expects(absolute=WEIGHT)
def denoising(
    model: nn.Module, batch: Batch, progress: float, *, corrupt: Callable[[Tensor], Tensor], absolute: float = 0.0
) -> dict[str, Tensor]:
    """Rebuild the clean target from ``corrupt(batch.x)``: ``reconstruction + absolute * absolute error``, per image.

    ``corrupt``, such as ``data.noise.gaussian``, draws from torch's global generator (Vincent et al. 2008). Squared
    error hardly minds a faint haze over the whole image; the absolute error of each pixel does.
    """
    answer = model(corrupt(batch.x), batch.label)
    reconstruction = squared_error(answer.x_hat, batch.target).mean()
    error = (answer.x_hat - batch.target).abs().flatten(1).sum(1).mean()
    return {"loss": reconstruction + absolute * error, "reconstruction": reconstruction, "absolute_error": error}


@expects(weight=WEIGHT)
def sparse_l1(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``reconstruction + weight * l1``; ``l1`` is the sum of a code's absolute values. Olshausen and Field 1996."""
    answer = model(batch.x, batch.label)
    reconstruction = squared_error(answer.x_hat, batch.target).mean()
    l1 = answer.z.abs().sum(1).mean()
    return {"loss": reconstruction + weight * l1, "reconstruction": reconstruction, "l1": l1}


@expects(weight=WEIGHT, rho=BETWEEN)
def sparse_kl(
    model: nn.Module, batch: Batch, progress: float, *, weight: float, rho: float = 0.05
) -> dict[str, Tensor]:
    """``reconstruction + weight * kl``; ``kl`` asks every unit to be on in a share ``rho`` of the batch. Ng 2011.

    The code must lie in [0, 1], as a Sigmoid leaves it. In nats, summed over units.
    """
    answer = model(batch.x, batch.label)
    reconstruction = squared_error(answer.x_hat, batch.target).mean()
    kl = kl_to_target(answer.z.mean(0), rho).sum()
    return {"loss": reconstruction + weight * kl, "reconstruction": reconstruction, "kl": kl}


@expects(rho=BETWEEN)
@takes_activations
def kl_to_target(activation: Tensor, rho: float) -> Tensor:
    """KL(Bernoulli(rho) ‖ Bernoulli(activation)) of each unit's mean activation, in nats: (units,) → (units,).

    Finite at activations 0 and 1, where the formula is not, and never negative.
    Raises ``InvalidInput`` for activations outside [0, 1], where it has no meaning, and for rho outside (0, 1).
    """
    if not 0 < rho < 1:
        raise ValueError(f"kl_to_target expects rho between 0 and 1, but got {rho}.")
    q = 1e-6 + (1 - 2e-6) * activation  # not clamp: its gradient is 0 just where the pull must be strongest
    kl = rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))
    return kl.clamp_min(0)  # rounding, where q is rho


@expects(weight=WEIGHT)
def contractive(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``reconstruction + weight * jacobian``, for an encoder of one Linear layer and a Sigmoid. Rifai et al. 2011.

    ``jacobian`` is the squared Frobenius norm of dz/dx, in closed form.
    Raises ``InvalidInput`` when the model's first Linear layer does not lead from the pixels to the code.
    """
    answer = model(batch.x, batch.label)
    reconstruction = squared_error(answer.x_hat, batch.target).mean()
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Linear)), None)
    shape = (answer.z.shape[1], batch.x[0].numel())
    if first is None or tuple(first.weight.shape) != shape:
        raise InvalidInput(
            f"contractive expects an encoder of one Linear layer with a weight of shape {shape}, but got {first}; "
            "contractive_sampled takes any encoder."
        )
    jacobian = squared_jacobian(answer.z, first.weight).mean()
    return {"loss": reconstruction + weight * jacobian, "reconstruction": reconstruction, "jacobian": jacobian}


@takes_activations
def squared_jacobian(z: Tensor, weight: Tensor) -> Tensor:
    """Squared Frobenius norm of dz/dx for z = sigmoid(weight · x + bias): (n, units), (units, pixels) → (n,).

    Raises ``InvalidInput`` for codes outside [0, 1], which no Sigmoid gives.
    """
    slope = z * (1 - z)  # the sigmoid's derivative, written with its value
    return slope.square() @ weight.square().sum(1)


@expects(weight=WEIGHT)
def contractive_sampled(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``contractive`` for any encoder: ``jacobian`` is estimated, without bias, from one random direction an image.

    For v from N(0, I) the mean of ‖vᵀ dz/dx‖² is the squared Frobenius norm (Hutchinson 1990). It needs gradients
    with respect to the image, and takes them also where they are switched off.
    """
    training = torch.is_grad_enabled()
    with torch.enable_grad():
        x = batch.x.detach().requires_grad_()
        answer = model(x, batch.label)
        along = (torch.randn_like(answer.z) * answer.z).sum()
        (gradient,) = torch.autograd.grad(along, x, create_graph=training, retain_graph=training)
    reconstruction = squared_error(answer.x_hat, batch.target).mean()
    jacobian = gradient.square().flatten(1).sum(1).mean()
    return {"loss": reconstruction + weight * jacobian, "reconstruction": reconstruction, "jacobian": jacobian}
