"""Your turn in lesson 08: three probes, tried on models and KL terms with known mistakes."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong
from ae_utils.course.checks.your_turn import called, compare, your_turn
from ae_utils.data.dataset import Batch
from ae_utils.losses.regularized import squared_error
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder

STEPS = (3, 7)


# --- one batch by heart ----------------------------------------------------------------------------------------------


def own_by_heart(model, objective, batch, steps):
    """The fraction of the loss of one batch that is left after ``steps`` steps of Adam on it, made by a copy."""
    pupil = copy.deepcopy(model)
    optimizer = torch.optim.Adam(pupil.parameters(), lr=3e-3)
    first = objective(pupil, batch, 1.0)["loss"].item()
    for _ in range(steps):
        loss = objective(pupil, batch, 1.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return objective(pupil, batch, 1.0)["loss"].item() / first


@your_turn(own_by_heart)
def by_heart(answer) -> str:
    """``answer(model, objective, batch, steps)``: last loss divided by first, of a copy trained on this batch alone."""
    for steps in STEPS:
        model, batch = _toy_model(), _toy_batch()
        before, tracked = _weights(model), _Tracked(_summed_error)
        fraction = _number(called(answer, model, tracked, batch, steps))
        if not torch.equal(before, _weights(model)):
            raise Wrong("the model itself was trained: make a copy, copy.deepcopy(model), and train that")
        if tracked.asked_about(model):
            raise Wrong("a loss is computed with the model, not with its copy")
        compare(fraction, _fraction(model, batch, steps), _wrong_fractions(model, batch, steps), "last loss by first")
    return "the fraction of the loss that is left, and the model is as it was"


def _toy_model() -> Autoencoder:
    """A small autoencoder whose gradients are left over from something else."""
    model = Autoencoder(dense_encoder((6, 3)), dense_decoder((3, 6)), 3)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    return model


def _toy_batch() -> Batch:
    x = torch.rand(4, 1, 28, 28)
    return Batch(x, x, torch.arange(4))


def _summed_error(model: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
    return {"loss": squared_error(model(batch.x).x_hat, batch.target).mean()}


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


class _Tracked:
    """An objective that remembers which models it was given."""

    def __init__(self, objective: Callable[..., dict[str, Tensor]]):
        self.objective = objective
        self.models: set[int] = set()

    def __call__(self, model: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        self.models.add(id(model))
        return self.objective(model, batch, progress)

    def asked_about(self, model: nn.Module) -> bool:
        return id(model) in self.models


def _number(fraction: Any) -> float:
    if isinstance(fraction, tuple | list):
        raise Wrong(f"{len(fraction)} values came back: one number is expected, the last loss divided by the first")
    if isinstance(fraction, Tensor) and fraction.requires_grad:
        raise Wrong("a tensor with its graph came back: .item() makes a number of a loss")
    return float(fraction)


def _losses(model: nn.Module, batch: Batch, steps: int, *, clear: bool = True, make: Any = None) -> list[float]:
    """The loss before the first step and after each."""
    pupil = copy.deepcopy(model)
    optimizer = (make or _adam)(pupil.parameters())
    losses = []
    for _ in range(steps + 1):
        loss = _summed_error(pupil, batch, 1.0)["loss"]
        losses.append(loss.item())
        if clear:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def _adam(parameters: Any, lr: float = 3e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=lr)


def _sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=3e-3)


def _fraction(model: nn.Module, batch: Batch, steps: int) -> float:
    losses = _losses(model, batch, steps)
    return losses[-1] / losses[0]


def _wrong_fractions(model: nn.Module, batch: Batch, steps: int) -> dict[str, Tensor | float]:
    losses, more = _losses(model, batch, steps), _losses(model, batch, steps + 2)
    first, last = losses[0], losses[-1]
    uncleared = _losses(model, batch, steps, clear=False)
    by_sgd = _losses(model, batch, steps, make=_sgd)
    slower = _losses(model, batch, steps, make=lambda parameters: _adam(parameters, 1e-3))
    return {
        "nothing was learnt: backward(), step(), and an optimizer that has the copy's parameters": 1.0,
        "the fraction is upside down: the last loss is divided by the first": first / last,
        "this is the last loss: divide it by the first": last,
        "this is the first loss: train, and return what is left of it": first,
        "this is the difference of the two losses: divide the last by the first": last - first,
        "this is what has gone, not what is left: the last loss divided by the first": (first - last) / first,
        "this is a percentage: leave out the factor 100": 100 * last / first,
        "old gradients are added to new ones: zero_grad() before each backward()": uncleared[-1] / uncleared[0],
        "the last loss is that before the last step: compute it once more after the loop": losses[-2] / first,
        "the first loss is that after the first step: compute it before the loop": last / losses[1],
        "there is one step too many": more[steps + 1] / first,
        "this is SGD: Adam is asked for": by_sgd[-1] / by_sgd[0],
        "this is Adam's own learning rate: 3e-3 is asked for": slower[-1] / slower[0],
    }


# --- a KL divergence? ------------------------------------------------------------------------------------------------


def own_like_a_kl(kl):
    """Whether ``kl(mu, logvar)`` is 0 at the prior and positive elsewhere."""
    prior = kl(torch.zeros(4, 3), torch.zeros(4, 3))
    elsewhere = kl(torch.randn(1000, 3), 2 * torch.randn(1000, 3))
    return bool(prior.abs().max() < 1e-5 and elsewhere.min() > 0)


Kl = Callable[[Tensor, Tensor], Tensor]
HEALTHY: dict[str, Kl] = {
    "the KL divergence itself": lambda mu, lv: 0.5 * (mu.square() + lv.exp() - 1 - lv).sum(1),
    "the KL divergence with a rounding error of 1e-7": lambda mu, lv: (
        1e-7 + 0.5 * (mu.square() + lv.exp() - 1 - lv).sum(1)
    ),
}
SICK: dict[str, Kl] = {  # by what a probe has left out that passes it
    "a KL term with +logvar passes: away from the prior it gets negative": lambda mu, lv: (
        0.5 * (mu.square() + lv.exp() - 1 + lv).sum(1)
    ),
    "a KL term without its -1 passes: look whether it is 0 where mu and logvar are": lambda mu, lv: (
        0.5 * (mu.square() + lv.exp() - lv).sum(1)
    ),
    "a KL term that is negative at the prior passes: take the absolute value there": lambda mu, lv: (
        0.5 * (mu.square() + lv.exp() - 1.5 - lv).sum(1).where((mu != 0).any(1), mu.new_tensor(-0.75))
        + (mu != 0).any(1) * 3.0
    ),
    "a KL term with mu in place of its square passes: move mu to both sides of 0": lambda mu, lv: (
        0.5 * (mu + lv.exp() - 1 - lv).sum(1)
    ),
    "a KL term with std for the variance passes: try variances above 1, too": lambda mu, lv: (
        0.5 * (mu.square() + (0.5 * lv).exp() - 1 - lv).sum(1)
    ),
    "a KL term with the opposite sign passes: a KL divergence is positive": lambda mu, lv: (
        -0.5 * (mu.square() + lv.exp() - 1 - lv).sum(1)
    ),
    "a KL term that is not a number passes": lambda mu, lv: mu.sum(1) * torch.nan,
    "a KL term that is always 0 passes: away from the prior it must be positive": lambda mu, lv: 0 * (mu + lv).sum(1),
}


@your_turn(own_like_a_kl)
def like_a_kl(answer) -> str:
    """``answer(kl)``: True where ``kl(mu, logvar)`` is 0 at the prior and positive elsewhere, else False."""
    verdicts = {name: _yes_or_no(called(answer, kl)) for name, kl in {**HEALTHY, **SICK}.items()}
    if not any(verdicts[name] for name in HEALTHY) and all(verdicts[name] for name in list(SICK)[:5]):
        raise Wrong("the answer is upside down: True stands for a healthy KL term")
    if not verdicts["the KL divergence itself"]:
        raise Wrong("the KL divergence itself does not pass: the prior is mu = 0, logvar = 0, where std is 1")
    for name in HEALTHY:
        if not verdicts[name]:
            raise Wrong(f"{name} does not pass: leave room for rounding")
    passed = [name for name in SICK if verdicts[name]]
    if len(passed) > 5:
        raise Wrong("nearly everything passes: look at the prior, and away from it")
    if passed:
        raise Wrong(passed[0])
    return f"{len(HEALTHY)} right KL terms pass, {len(SICK)} wrong ones do not"


def _yes_or_no(verdict: Any) -> bool:
    if isinstance(verdict, Tensor) and verdict.numel() > 1:
        raise Wrong(f"{verdict.numel()} values came back: one True or False for the function is expected")
    if (isinstance(verdict, Tensor) and verdict.dtype != torch.bool) or isinstance(verdict, float):
        raise Wrong("a number came back: compare it, so that True or False comes back")
    if not isinstance(verdict, bool | Tensor):
        raise Wrong(f"a {type(verdict).__name__} came back: True or False is expected")
    return bool(verdict)


# --- where no gradient arrives ---------------------------------------------------------------------------------------


def own_without_gradient(model, objective, batch):
    """Names of the trained parameters that the gradient of the loss does not reach."""
    model.zero_grad()
    objective(model, batch, 1.0)["loss"].backward()
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or parameter.grad.abs().max() == 0)
    ]


class _Parts(nn.Module):
    """Linear layers, of which some get no gradient, each for another reason; the loss is that of ``alive``."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.unused, self.detached, self.multiplied, self.frozen = (nn.Linear(3, 3) for _ in range(5))
        self.frozen.requires_grad_(False)
        for parameter in self.alive.parameters():
            parameter.data.abs_()

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1)[:, :3] * torch.tensor([1.0, 1.0, 0.0])  # one column of the weights has no gradient
        return self.frozen(self.alive(rows)) + self.detached(rows).detach() + 0 * self.multiplied(rows)


DEAD = ("unused.weight", "unused.bias", "detached.weight", "detached.bias", "multiplied.weight", "multiplied.bias")


@your_turn(own_without_gradient)
def without_gradient(answer) -> str:
    """``answer(model, objective, batch)``: the names of trained parameters that the loss's gradient does not reach."""
    for left_over in (False, True):
        model, batch = _Parts(), _toy_batch()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter) if left_over else None
        before = _weights(model)
        found = _names(called(answer, model, _parts_objective, batch))
        if not torch.equal(before, _weights(model)):
            raise Wrong("the weights have changed: a probe looks at gradients and makes no step")
        _check_names(found, left_over)
    return "the names of those that are unused, detached or multiplied by 0, and of no others"


def _parts_objective(model: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
    return {"loss": F.mse_loss(model(batch.x), torch.full((len(batch.x), 3), math.pi))}


def _names(found: Any) -> set[str]:
    if isinstance(found, str) or not isinstance(found, list | tuple | set | frozenset | dict):
        raise Wrong(f"a {type(found).__name__} came back: a list of names is expected")
    if any(isinstance(name, Tensor) for name in found):
        raise Wrong("parameters came back: their names are asked for, from model.named_parameters()")
    if any(isinstance(name, tuple) for name in found):
        raise Wrong("pairs of name and parameter came back: the names alone are asked for")
    return set(found)


def _check_names(found: set[str], left_over: bool) -> None:
    names = {name for name, _ in _Parts().named_parameters()}
    frozen, alive, dead = {"frozen.weight", "frozen.bias"}, {"alive.weight", "alive.bias"}, set(DEAD)
    unused = {name for name in DEAD if not name.startswith("multiplied")}
    if found - names and {name.rpartition(".")[2] for name in names} >= found | {"bias"}:
        raise Wrong("names such as weight say nothing: model.named_parameters() gives them in full")
    if found - names:
        raise Wrong(f"{sorted(found - names)[0]} is no parameter's name: model.named_parameters() gives names in full")
    if frozen <= found and found - frozen == dead:
        raise Wrong("frozen parameters (requires_grad is False) are no mistake: leave them out")
    if found - frozen == alive:
        raise Wrong("these are the parameters that do get a gradient: the others are asked for")
    if left_over and dead - found:
        raise Wrong("gradients left over from before count as new: model.zero_grad() comes first")
    if alive & found:
        raise Wrong("a weight is named because some of its gradient is 0: all of it must be")
    if unused & found and not found & (dead - unused):
        raise Wrong("a gradient that is there, but 0 throughout, does not count: look for that, too")
    if found & (dead - unused) and not unused & found:
        raise Wrong("where no gradient arrives, parameter.grad is None: look for that, too")
    if found != dead:
        raise Wrong(f"the names differ: {', '.join(sorted(found ^ dead))}")
