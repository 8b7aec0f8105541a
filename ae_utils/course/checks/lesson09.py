"""Checks of lesson 09: a velocity from predicted noise, unequal steps, a straightened flow, a steered flow."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, same


@check
def velocity_from_noise(answer) -> str:
    """``answer(z, t, noise)``: the velocity at codes z (n, dims) and times t (n,), from the predicted noise."""
    for count in (5, 3):
        z, noise, t = _normal(count, 3, seed=1), _normal(count, 3, seed=2), torch.linspace(0.2, 0.8, count)
        wide = t[:, None]
        result = _tensor(answer(z.clone(), t.clone(), noise.clone()))
        mistakes = {
            "this is the mean of x; the velocity is x - noise": (z - (1 - wide) * noise) / wide,
            "the sign is wrong: the velocity points away from the noise": (noise - z) / wide,
            "divide by the time: z - noise is the way already gone": z - noise,
            "this is divided by the time that is left; the noise lies in the past": (z - noise) / (1 - wide),
            "this multiplies by the time: divide": (z - noise) * wide,
            "this is the score": -noise / (1 - wide),
        }
        _compare(result, (z - noise) / wide, mistakes, "solve noise = z - t v for v")
    return "z has come from the noise in time t, so its velocity is (z - noise) / t; at t = 0 that says nothing"


@check
def sample_at(answer) -> str:
    """``answer(velocity, z, times, step)``: z carried from the first of ``times`` to the last, one step between two."""
    times, asked = [0.0, 0.1, 0.4, 0.5, 1.0], []

    def velocity(z: Tensor, t: float) -> Tensor:
        return z * t + 1

    def step(velocity: Callable[[Tensor, float], Tensor], z: Tensor, t: float, dt: float) -> Tensor:
        asked.append((float(t), float(dt)))
        return z + dt * velocity(z, t)

    z = _normal(4, 2)
    result = _tensor(answer(velocity, z.clone(), list(times), step))
    expected = [(a, b - a) for a, b in pairwise(times)]
    if len(asked) == len(times):
        raise Wrong("there is one step too many: five times have four steps between them")
    if len(asked) != len(expected):
        raise Wrong(f"five times have four steps between them, but step was called {len(asked)} times")
    if not all(same(torch.tensor(one), torch.tensor(other)) for one, other in zip(asked, expected, strict=True)):
        if same(torch.tensor(asked)[:, 1], torch.full((4,), 0.25)):
            raise Wrong("all steps have the same length: it is the distance to the next time")
        if same(torch.tensor(asked)[:, 0], torch.tensor(times[1:])):
            raise Wrong("each step begins at the time where it should end")
        raise Wrong("the steps are others: each begins at one of the times and leads to the next")
    for t, dt in expected:
        z = z + dt * velocity(z, t)
    _compare(result, z, {}, "each step begins where the last one has ended")
    return "a step from each time to the next; now make them short where the flow curves"


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.6, -0.3]))
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, z_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        self.calls.append((z_t.detach(), t, label))
        return self.weight[0] * z_t + self.weight[1] * t[:, None]


@check
def reflow_loss(answer) -> str:
    """``answer(model, noise, x, label)``: the loss of ``flow_loss`` for pairs of noise and end that belong together."""
    model, noise, x, label = _Net(), _normal(4096, 2), _normal(4096, 2, seed=1) + 2, torch.arange(4096) % 10
    result = _tensor(answer(model, noise.clone(), x.clone(), label.clone()))
    if len(model.calls) != 1:
        raise Wrong(f"the network is called {len(model.calls)} times: once is right")
    z_t, t, given_label = model.calls[0]
    if t.shape != (4096,) or t.min() < 0 or t.max() > 1 or t.std() < 0.05:
        raise Wrong("draw a time between 0 and 1 for each pair, of the shape (n,)")
    if not torch.equal(given_label, label):
        raise Wrong("the network gets other labels than those given")
    if not same(z_t, torch.lerp(noise, x, t[:, None])):
        if same(z_t, torch.lerp(x, noise, t[:, None])):
            raise Wrong("time runs backwards: at t = 0 it is the noise")
        raise Wrong("z_t does not lie between the noise given and its x: no new noise is drawn, no pair is parted")
    out = model(z_t, t, label)
    squared = (out - (x - noise)).square()
    mistakes = {
        "take the sum over dimensions, not the mean": squared.mean(),
        "take the mean over the batch, not the sum": squared.sum(),
        "the velocity is x - noise": (out - (noise - x)).square().sum(1).mean(),
        "the target is the velocity x - noise, not x": (out - x).square().sum(1).mean(),
    }
    _compare(result, squared.sum(1).mean(), mistakes, "squared error of x - noise, summed over dimensions")
    if not result.requires_grad:
        raise Wrong("no gradient reaches the network")
    return "the same loss, but each noise keeps the end that the flow itself gives it"


@check
def steered_velocity(answer) -> str:
    """``answer(velocity, z, t, pixel_error, strength)``: the velocity minus ``strength`` times an error's gradient.

    ``pixel_error(x)`` takes the expected end x (n, dims) to one number for each; the gradient is that by z.
    """
    target = _normal(4, 3, seed=1)

    def velocity(z: Tensor, t: float) -> Tensor:
        return torch.sin(z) + t

    def pixel_error(x: Tensor) -> Tensor:
        return (x - target).square().sum(1)

    for t, strength in ((0.3, 0.5), (0.6, 2.0)):
        z = _normal(4, 3)
        v = velocity(z, t)
        difference = z + (1 - t) * v - target
        chain = 1 + (1 - t) * torch.cos(z)
        result = _tensor(answer(velocity, z.clone(), t, pixel_error, strength)).detach()
        mistakes = {
            "it climbs the error: subtract the gradient": v + strength * 2 * difference * chain,
            "the velocity is missing": -strength * 2 * difference * chain,
            "the gradient is missing: this is the velocity as it is": v,
            "strength is not used": v - 2 * difference * chain,
            "this is the gradient by the expected end; the expected end depends on z through the velocity, too": v
            - strength * 2 * difference,
            "the error is that of z: it belongs to the expected end, z + (1 - t) v": v - strength * 2 * (z - target),
            "the error is averaged over the codes: sum it, so that each gets its own gradient": v
            - strength * 2 * difference * chain / len(z),
        }
        _compare(result, v - strength * 2 * difference * chain, mistakes, "v minus strength times the gradient by z")
    return "the flow goes its way, and is pushed to where its expected end has a smaller error"


def _normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers that leave the caller's random numbers alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _tensor(value: Any) -> Tensor:
    if not isinstance(given(value), Tensor):
        raise Wrong(f"a tensor is expected, but a {type(value).__name__} came back")
    return value


def _compare(result: Tensor, wanted: Tensor, mistakes: dict[str, Tensor], hint: str) -> None:
    if result.shape != wanted.shape:
        raise Wrong(f"the shape is {tuple(result.shape)}, but {tuple(wanted.shape)} is expected")
    if same(result.detach(), wanted.detach()):
        return
    for sentence, value in mistakes.items():
        if same(result.detach(), value.detach()):
            raise Wrong(sentence)
    raise Wrong(f"the numbers differ: {hint}")
