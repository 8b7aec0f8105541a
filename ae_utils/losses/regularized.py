"""Objectives of regularized autoencoders: reconstruction plus a penalty on the code, or noise on the input.

Terms are summed over pixels or units and averaged over the batch once, so
``loss = reconstruction + weight * penalty``; the penalty is reported unweighted.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput


def squared_error(x_hat: Tensor, target: Tensor) -> Tensor:
    """Squared error of each image, summed over its pixels: (n, 1, h, w) twice → (n,).

    Raises ``InvalidInput`` for two shapes, which arithmetic would broadcast.
    """
    if x_hat.shape != target.shape:
        raise InvalidInput(f"expected one shape, but got x_hat {tuple(x_hat.shape)} and target {tuple(target.shape)}.")
    return (x_hat - target).square().flatten(1).sum(1)


def denoising(
    model: nn.Module, batch: Batch, progress: float, *, corrupt: Callable[[Tensor], Tensor], l1_weight: float = 0.0
) -> dict[str, Tensor]:
    """Reconstruct the clean target from ``corrupt(batch.x)``: ``reconstruction + l1_weight * absolute_error``.

    ``corrupt``, such as ``data.noise.gaussian``, draws from torch's global generator (Vincent et al. 2008). The
    absolute error also penalizes a faint haze over the whole image, to which the squared error is nearly blind.
    """
    output = model(corrupt(batch.x), batch.label)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    error = (output.x_hat - batch.target).abs().flatten(1).sum(1).mean()
    return {"loss": reconstruction + l1_weight * error, "reconstruction": reconstruction, "absolute_error": error}


def sparse_l1(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``reconstruction + weight * l1``; ``l1`` is the sum of a code's absolute values. Olshausen and Field 1996."""
    output = model(batch.x, batch.label)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    l1 = output.z.abs().sum(1).mean()
    return {"loss": reconstruction + weight * l1, "reconstruction": reconstruction, "l1": l1}


def sparse_kl(
    model: nn.Module, batch: Batch, progress: float, *, weight: float, rho: float = 0.05
) -> dict[str, Tensor]:
    """``reconstruction + weight * kl``; ``kl`` pulls each unit's mean activation over the batch to ``rho``. Ng 2011.

    The code must lie in [0, 1], as after a sigmoid. In nats, summed over units.
    """
    output = model(batch.x, batch.label)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    kl = kl_to_target(output.z.mean(0), rho).sum()
    return {"loss": reconstruction + weight * kl, "reconstruction": reconstruction, "kl": kl}


def kl_to_target(activation: Tensor, rho: float) -> Tensor:
    """KL(Bernoulli(rho) ‖ Bernoulli(activation)) of each unit's mean activation, in nats: (units,) → (units,).

    Finite at activations 0 and 1, where the formula is not, and never negative. Raises ``InvalidInput`` for activations
    outside [0, 1], for which it has no meaning (looked at on a CPU only), and for a rho that is not between them.
    """
    inside = activation.device.type != "cpu" or bool(((activation >= 0) & (activation <= 1)).all())
    if not inside or not 1e-6 <= rho <= 1 - 1e-6:
        raise InvalidInput("expected activations in [0, 1], as after a sigmoid, and rho between 0 and 1.")
    q = 1e-6 + (1 - 2e-6) * activation  # not clamp, whose gradient is 0 exactly where it must be largest
    kl = rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))
    return kl.clamp_min(0)  # rounding, where q is rho


def contractive(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``reconstruction + weight * jacobian``, for an encoder of one linear layer and a sigmoid. Rifai et al. 2011.

    ``jacobian`` is the squared Frobenius norm of dz/dx, in closed form. Raises ``InvalidInput`` when the model's first
    linear layer does not lead from the pixels to the code, or (on a CPU) a code lies outside [0, 1].
    """
    output = model(batch.x, batch.label)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Linear)), None)
    shape = (output.z.shape[1], batch.x[0].numel())
    if first is None or tuple(first.weight.shape) != shape:
        raise InvalidInput(
            f"contractive expects an encoder of one Linear layer with a weight of shape {shape}, but got {first}; "
            "contractive_sampled takes any encoder."
        )
    if output.z.device.type == "cpu" and not ((output.z >= 0) & (output.z <= 1)).all():
        raise InvalidInput("contractive expects codes in [0, 1], as after a sigmoid; contractive_sampled takes any.")
    jacobian = squared_jacobian(output.z, first.weight).mean()
    return {"loss": reconstruction + weight * jacobian, "reconstruction": reconstruction, "jacobian": jacobian}


def squared_jacobian(z: Tensor, weight: Tensor) -> Tensor:
    """Squared Frobenius norm of dz/dx for z = sigmoid(weight · x + bias): (n, units), (units, pixels) → (n,)."""
    derivative = z * (1 - z)  # of the sigmoid, in terms of its value
    return derivative.square() @ weight.square().sum(1)


def contractive_sampled(model: nn.Module, batch: Batch, progress: float, *, weight: float) -> dict[str, Tensor]:
    """``contractive`` for any encoder: ``jacobian`` is an unbiased estimate from one random direction per image.

    For v from N(0, I) the mean of ‖vᵀ dz/dx‖² is the squared Frobenius norm (Hutchinson 1990). Gradients with respect
    to the image are computed even where they are switched off.
    """
    training = torch.is_grad_enabled()
    with torch.enable_grad():
        x = batch.x.detach().requires_grad_()
        output = model(x, batch.label)
        projected = (torch.randn_like(output.z) * output.z).sum()
        (gradient,) = torch.autograd.grad(projected, x, create_graph=training, retain_graph=training)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    jacobian = gradient.square().flatten(1).sum(1).mean()
    return {"loss": reconstruction + weight * jacobian, "reconstruction": reconstruction, "jacobian": jacobian}
