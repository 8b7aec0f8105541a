"""Probes of a GAN: which network each of the two losses has a gradient for, and which networks a step moves."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.probes.finding import Suspicious, probe
from ae_utils.data.dataset import Batch

Loss = Callable[[nn.Module, nn.Module, Tensor], Tensor]  # (generator, discriminator, real images) → scalar


@probe
def gan_gradients(
    generator: nn.Module, discriminator: nn.Module, generator_loss: Loss, discriminator_loss: Loss, real: Tensor
) -> str:
    """The generator's loss must have a gradient for the generator; the discriminator's for the discriminator alone.

    Each loss is a function of (generator, discriminator, real); ``real`` are a few real images.
    """
    networks = copy.deepcopy(generator).train(), copy.deepcopy(discriminator).train()
    reached = {
        name: [_reaches(loss(*networks, real), network) for network in networks]
        for name, loss in (("generator", generator_loss), ("discriminator", discriminator_loss))
    }
    if not reached["generator"][0]:
        raise Suspicious("the generator's loss has no gradient for the generator: detach belongs in the other half")
    if not reached["discriminator"][1]:
        raise Suspicious("the discriminator's loss has no gradient for the discriminator")
    if reached["discriminator"][0]:
        raise Suspicious("the discriminator's loss reaches the generator: detach the fakes, or zero_grad in between")
    return "each loss has a gradient for its own network"


def _reaches(loss: Tensor, network: nn.Module) -> bool:
    if not loss.requires_grad:
        return False
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.abs().max()) for gradient in gradients)


@probe
def both_networks_move(step: Any, batch: Batch) -> str:
    """A copy of a step with ``generator``, ``discriminator`` and ``train(batch, progress)`` must change both."""
    copied = copy.deepcopy(step)
    before = {name: _weights(getattr(copied, name)) for name in ("generator", "discriminator")}
    copied.train(batch, 0.0)
    still = [name for name, weights in before.items() if torch.equal(weights, _weights(getattr(copied, name)))]
    if still:
        raise Suspicious(f"a step leaves the {' and the '.join(still)} as it was")
    return "a step changes generator and discriminator"


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
