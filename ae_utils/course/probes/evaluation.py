"""Probes of evaluation and sampling: the mode of the layers, neighbours in the batch, the average of weights."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.probes.finding import Suspicious, probe

MODAL = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)  # these compute otherwise while training


@probe
def same_in_company(function: Callable[[Tensor], Tensor], inputs: Tensor) -> str:
    """``function(inputs)`` must give for each input what it gives in any other company: of half of them, say.

    For a decoder with its codes, or an encoder with its images; not for functions that draw random numbers.
    """
    half = len(inputs) // 2
    with torch.no_grad():
        among_all, among_half = function(inputs)[:half], function(inputs[:half])
    off = float((among_all - among_half).abs().max())
    if off > 1e-3:
        raise Suspicious(f"the same inputs give results that differ by up to {off:.2f}, depending on their neighbours")
    return "each input gives the same result in any company"


@probe
def evaluation_mode(model: nn.Module, evaluate: Callable[[Any], Any]) -> str:
    """``evaluate(model)``, called in the middle of a training, must switch BatchNorm and dropout to evaluation."""
    examined, training = copy.deepcopy(model).train(), set()

    def note(layer: nn.Module, given: Any) -> None:
        if layer.training:
            training.add(type(layer).__name__)

    layers = [layer for layer in examined.modules() if isinstance(layer, MODAL)]
    for layer in layers:
        layer.register_forward_pre_hook(note)
    before = {name: value.clone() for name, value in examined.state_dict().items()}
    evaluate(examined)
    changed = [name for name, value in examined.state_dict().items() if not torch.equal(value, before[name])]
    if changed:
        raise Suspicious(f"evaluation changed the model: {changed[0]} and {len(changed) - 1} more; call model.eval()")
    if training:
        raise Suspicious(f"{', '.join(sorted(training))} was evaluated in training mode: call model.eval() first")
    return f"evaluation changes nothing, and {len(layers)} layers that know two modes are in the right one"


@probe
def average_of_weights(bound: Callable[[Tensor], Tensor]) -> str:
    """``bound(log_w)``, (n, K) → (n,): the logarithm of the mean of K weights, not the mean of their logarithms."""
    log_w = torch.tensor([[0.0, math.log(3.0)], [-1000.0, -1000.0]])
    found = bound(log_w).double()
    if abs(float(found[0]) - math.log(3) / 2) < 1e-4:
        raise Suspicious("weights of 1 and 3 give log(3) / 2, the mean of their logarithms: that is the ELBO again")
    if abs(float(found[0]) - math.log(4)) < 1e-4:
        raise Suspicious("weights of 1 and 3 give log 4, the logarithm of their sum: take off log K")
    if abs(float(found[0]) - math.log(2)) > 1e-4:
        raise Suspicious(f"weights of 1 and 3 have the mean 2, whose logarithm is 0.693, not {float(found[0]):.3f}")
    if not abs(float(found[1]) + 1000) < 1e-2:
        raise Suspicious("right for weights near 1, but not where they are tiny: use torch.logsumexp")
    return "weights of 1 and 3 give log 2, and tiny weights come out right"
