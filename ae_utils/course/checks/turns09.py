"""Your turn in lesson 09: a straight path, the loss, steps by Euler and Heun, dropped labels, guidance."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, given
from ae_utils.course.checks.your_turn import called, close, compare, your_turn
from ae_utils.losses import flow
from ae_utils.losses.flow import straight_path
from ae_utils.networks.velocity import NO_LABEL

SIZES = ((5, 3), (4, 4), (1, 2))  # points and dimensions
MANY = 4096


# --- the straight path ---------------------------------------------------------------------------------------------


@your_turn(flow.straight_path)
def path(answer) -> str:
    """``answer(noise, x, t)``: where the straight line from noise to x stands at time t (n,), and its velocity."""
    for count, dims in SIZES:
        noise, x, t = torch.randn(count, dims), torch.randn(count, dims), 0.1 + 0.8 * torch.rand(count)
        size = f"t has one time per point, the shape ({count},): t[:, None] multiplies each row by its own"
        result = _shaped(answer, size, noise, x, t)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("two tensors are expected: where the line stands, and its velocity")
        z_t, velocity = (_tensor(part) for part in result)
        if z_t.shape != x.shape or velocity.shape != x.shape:
            raise Wrong(f"the shapes are {tuple(z_t.shape)} and {tuple(velocity.shape)}; {size}")
        wanted = straight_path(noise, x, t)
        if close(z_t, wanted[1]) and close(velocity, wanted[0]):
            raise Wrong("the two are swapped: first the place z_t, then the velocity")
        compare(z_t, wanted[0], _wrong_places(noise, x, t), "z_t is (1 - t) times the noise plus t times x")
        compare(velocity, wanted[1], _wrong_velocities(noise, x, z_t, t), "how far is it from noise to x, in time 1?")
    return "from noise to x in a straight line, at a constant velocity"


def _wrong_places(noise: Tensor, x: Tensor, t: Tensor) -> dict[str, Tensor]:
    wide = t[:, None]
    mistakes = {
        "time runs backwards: at t = 0 it is the noise, at t = 1 it is x": torch.lerp(x, noise, wide),
        "at t = 1 the noise is still there: it is multiplied by 1 - t": noise + wide * x,
        "at t = 0 x is already there: it is multiplied by t": (1 - wide) * noise + x,
        "the noise is multiplied by t and x, too: only one of them grows": wide * (noise + x),
        "this is half-way at all times: the mixture depends on t": (noise + x) / 2,
        "the sign of the noise is wrong: the two parts are added": wide * x - (1 - wide) * noise,
        "the sign of x is wrong: the two parts are added": (1 - wide) * noise - wide * x,
        "square roots belong to another path (a diffusion's); here it is straight": (1 - wide).sqrt() * noise
        + wide.sqrt() * x,
        "this is x itself: at time t it is mixed with noise": x,
        "this is the noise itself: at time t it is mixed with x": noise,
    }
    if x.shape[0] == x.shape[1]:
        mistakes["t runs along the dimensions: each point, a row, has its own time: t[:, None]"] = torch.lerp(
            noise, x, t
        )
    return mistakes


def _wrong_velocities(noise: Tensor, x: Tensor, z_t: Tensor, t: Tensor) -> dict[str, Tensor]:
    wide = t[:, None]
    return {
        "the velocity points from x to the noise: time runs from the noise to x": noise - x,
        "this is the way already gone, z_t - noise: the velocity is that for a whole unit of time": z_t - noise,
        "this is the way that is left, x - z_t: the velocity is that for a whole unit of time": x - z_t,
        "the velocity is x alone: moving from the noise to x takes x - noise": x,
        "noise and x are added: the way from one to the other is their difference": x + noise,
        "this is z_t again: the velocity is its derivative by t": z_t,
        "the velocity is constant along the line: nothing divides by t": (x - noise) / wide,
        "the velocity is normalised: its length matters": (x - noise) / (x - noise).norm(dim=1, keepdim=True),
    }


# --- the loss ------------------------------------------------------------------------------------------------------


def own_flow_loss(model, x, label):
    """Squared error of the velocity at a random time on the way from noise to x, summed over dimensions."""
    noise = torch.randn_like(x)
    t = torch.sigmoid(torch.randn(len(x)))
    z_t, velocity = straight_path(noise, x, t)
    return (model(z_t, t, label) - velocity).square().sum(1).mean()


class _Toy(nn.Module):
    """A small velocity that depends on everything, and what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.7, 0.4, 0.3]))
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, z_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        self.calls.append((z_t, t, label))
        _check_call(z_t, t, label)
        return self.weight[0] * z_t + self.weight[1] * t[:, None] + self.weight[2] * label[:, None]


def _check_call(z_t: Any, t: Any, label: Any) -> None:
    """``Wrong`` unless the network is called with codes (n, dims), times (n,) and labels (n,), in this order."""
    if not all(isinstance(part, Tensor) for part in (z_t, t, label)):
        raise Wrong("the network takes three tensors: model(z_t, t, label)")
    count = len(z_t) if z_t.ndim else 0
    if z_t.ndim != 2 and t.ndim == 2:
        raise Wrong("the network's arguments are in another order: model(z_t, t, label)")
    if t.shape == (count, 1):
        raise Wrong("the network takes times of the shape (n,), without a second axis")
    if t.is_floating_point() is False and label.is_floating_point():
        raise Wrong("time and label are swapped: model(z_t, t, label)")
    if t.shape != (count,):
        raise Wrong(f"each of the {count} codes has a time of its own: t has the shape (n,), but got {tuple(t.shape)}")
    if label.shape != (count,) or label.is_floating_point():
        raise Wrong("the network takes the labels as they are, whole numbers of the shape (n,)")


@your_turn(own_flow_loss)
def loss(answer) -> str:
    """``answer(model, x, label)``: the error of ``model(z_t, t, label)`` for codes x (n, dims): a scalar."""
    for dims in (3, 2):
        model, x, label = _Toy(), torch.randn(MANY, dims) + 1, torch.arange(MANY) % 10
        result = called(answer, model, x, label)
        if not model.calls:
            raise Wrong("the network is never called: its velocity at z_t is compared with the true one")
        if len(model.calls) > 1:
            raise Wrong("the network is called more than once: one velocity is enough")
        z_t, t, given_label = model.calls[0]
        if not torch.equal(given_label, label):
            raise Wrong("the network gets other labels: pass them on as they are")
        noise = _noise(x, *_time(z_t, t))
        _check_loss(_tensor(result), model, straight_path(noise, x, t), (noise, x), (t, label))
    return "noise, a time, a place on the line, and how wrong the network's velocity is there"


def _time(z_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The arguments, if the times are sigmoids of normal numbers."""
    if t.min() < 0 or t.max() > 1:
        raise Wrong("times lie between 0 and 1: take the sigmoid of the normal numbers")
    if t.std() < 1e-6:
        raise Wrong("all codes have the same time: draw one for each")
    middle = float(((t > 0.25) & (t < 0.75)).double().mean())  # 0.728 of them
    if 0.47 < middle < 0.53:
        raise Wrong("these times are uniform: here they are sigmoids of normal numbers, which prefer the middle")
    if not 0.69 < middle < 0.77 or abs(float(t.mean()) - 0.5) > 0.03:
        raise Wrong("the times are distributed in another way: the sigmoid of one standard normal number each")
    return z_t, t


def _noise(x: Tensor, z_t: Tensor, t: Tensor) -> Tensor:
    """The noise that z_t was mixed from, if it can have been standard normal numbers."""
    noise = (z_t - t[:, None] * x) / (1 - t[:, None])
    backwards = (z_t - (1 - t[:, None]) * x) / t[:, None]
    if _standard(noise):
        return noise
    if _standard(backwards):
        raise Wrong("x and the noise are swapped in the path: straight_path(noise, x, t)")
    if close(z_t, x):
        raise Wrong("the network sees x itself: it sees z_t, between noise and x")
    if float(noise.std(0).max()) < 1e-3:
        raise Wrong("all codes start at the same noise: draw a vector for each, torch.randn_like(x)")
    if float(noise.min()) > -0.1 and float(noise.max()) < 1.1:
        raise Wrong("the noise is uniform: standard normal numbers come from torch.randn_like(x)")
    raise Wrong("z_t is not on a line from standard normal noise to x: draw noise, then straight_path(noise, x, t)")


def _standard(noise: Tensor) -> bool:
    moments = (noise.mean(), noise.var() - 1, noise.pow(4).mean() - 3, torch.corrcoef(noise.T)[0, 1])
    return all(abs(float(moment)) < limit for moment, limit in zip(moments, (0.06, 0.1, 0.9, 0.1), strict=True))


def _check_loss(
    result: Tensor, model: _Toy, line: tuple[Tensor, Tensor], ends: tuple[Tensor, Tensor], given: tuple[Tensor, Tensor]
) -> None:
    (z_t, velocity), (noise, x), (t, label) = line, ends, given
    if result.shape == x.shape:
        raise Wrong("one number per dimension came back: sum over dimensions, then average over the batch")
    if result.shape == (len(x),):
        raise Wrong("one number per code came back: take the mean over the batch, too")
    if result.shape:
        raise Wrong(f"one number, of shape (), is expected, but the shape is {tuple(result.shape)}")
    out = model(z_t, t, label)
    wanted = (out - velocity).square().sum(1).mean()
    compare(result, wanted, _wrong_losses(out, velocity, noise, x), "the squared error of the velocity x - noise")
    if not result.requires_grad:
        raise Wrong("no gradient reaches the network: detach, no_grad or a conversion on the way cuts it off")
    gradients = (torch.autograd.grad(value, model.weight)[0] for value in (result, wanted))
    if not _roughly(*gradients):
        raise Wrong("the value is right, but its gradient is not: something on the way is detached")


def _wrong_losses(out: Tensor, velocity: Tensor, noise: Tensor, x: Tensor) -> dict[str, Tensor]:
    def error(target: Tensor) -> Tensor:
        return (out - target).square().sum(1).mean()

    difference = out - velocity
    squared = difference.square()
    return {
        "this is the mean over the dimensions: sum over them, average over the batch": squared.mean(),
        "this is the sum over the batch: take the mean over it": squared.sum(),
        "the batch is summed and the dimensions are averaged: it is the other way round": squared.mean(1).sum(),
        "these are absolute errors: square them": difference.abs().sum(1).mean(),
        "a root is taken: leave it away, squared errors are summed": squared.sum(1).sqrt().mean(),
        "errors of opposite sign cancel: square them": difference.sum(1).mean(),
        "this is half of the loss: there is no factor 1/2": squared.sum(1).mean() / 2,
        "the sign is wrong: a squared error is never negative": -squared.sum(1).mean(),
        "the target is the velocity x - noise; here it is noise - x (or the two are added)": error(-velocity),
        "the target is the velocity x - noise; here it is x": error(x),
        "the target is the velocity x - noise; here it is the noise": error(noise),
        "the target is missing: the network's velocity is compared with x - noise": out.square().sum(1).mean(),
        "the target is the velocity x - noise; here the two are added": error(x + noise),
    }


# --- steps ---------------------------------------------------------------------------------------------------------


def own_euler_step(velocity, z, t, dt):
    """A step of length dt with the velocity at its beginning."""
    return z + dt * velocity(z, t)


@your_turn(own_euler_step)
def euler(answer) -> str:
    """``answer(velocity, z, t, dt)``: where a point z (n, dims) is a time dt later, by Euler's method."""
    for z, t, dt in _places():
        result = _tensor(called(answer, _checked_field, z, t, dt))
        v = _field(z, t)
        mistakes = {
            "the step has the length 1: multiply the velocity by dt": z + v,
            "this is backwards in time: add the step": z - dt * v,
            "this is the step alone: add it to z": dt * v,
            "this is the velocity: a step of it is added to z": v,
            "the velocity is multiplied by t: the step's length is dt": z + t * v,
            "the velocity is divided by dt: a shorter step moves less": z + v / dt,
            "the velocity is taken at the end, t + dt: Euler takes it at the beginning": z + dt * _field(z, t + dt),
            "dt is added to the velocity: multiply": z + dt + v,
            "z does not move": z,
            "this is Heun's method, which comes next": own_heun_step(_field, z, t, dt),
            "z itself is multiplied by dt: only the velocity is": dt * (z + v),
        }
        compare(result, z + dt * v, mistakes, "z plus dt times the velocity at (z, t)")
    return "a step along the arrow at its beginning"


def own_heun_step(velocity, z, t, dt):
    """A step of length dt with the mean of the velocities at its beginning and where Euler's step ends."""
    first = velocity(z, t)
    second = velocity(z + dt * first, t + dt)
    return z + dt * (first + second) / 2


@your_turn(own_heun_step)
def heun(answer) -> str:
    """``answer(velocity, z, t, dt)``: where a point z (n, dims) is a time dt later, by Heun's method."""
    for z, t, dt in _places():
        result = _tensor(called(answer, _checked_field, z, t, dt))
        mistakes = _wrong_heuns(z, t, dt)
        compare(result, own_heun_step(_field, z, t, dt), mistakes, "the mean of the arrows at both ends, times dt")
    return "the mean of the arrows at both ends of Euler's step"


def _wrong_heuns(z: Tensor, t: float, dt: float) -> dict[str, Tensor]:
    first = _field(z, t)
    ahead = z + dt * first
    second = _field(ahead, t + dt)

    def moved(second: Tensor) -> Tensor:
        return z + dt * (first + second) / 2

    return {
        "this is Euler's step: a second velocity is needed, where that step ends": ahead,
        "only the second velocity is used: take the mean of both": z + dt * second,
        "the two velocities are added: take their mean": z + dt * (first + second),
        "the second velocity is taken at the old time: it belongs to t + dt": moved(_field(ahead, t)),
        "the second velocity is taken at the old place: it belongs where Euler's step ends": moved(_field(z, t + dt)),
        "this is the midpoint method; Heun's looks at the end of the whole step": z
        + dt * _field(z + dt / 2 * first, t + dt / 2),
        "the second velocity is taken half-way: go to the end of Euler's step": moved(
            _field(z + dt / 2 * first, t + dt / 2)
        ),
        "the second velocity is taken half a step ahead in space: go a whole step": moved(
            _field(z + dt / 2 * first, t + dt)
        ),
        "the second velocity is taken half a step ahead in time: go a whole step": moved(_field(ahead, t + dt / 2)),
        "Euler's step inside has the length 1: multiply by dt there, too": moved(_field(z + first, t + dt)),
        "Euler's step inside goes backwards": moved(_field(z - dt * first, t + dt)),
        "the second velocity is at t - dt: time goes forwards": moved(_field(ahead, t - dt)),
        "the mean starts from Euler's place: start from z": ahead + dt * (first + second) / 2,
        "this is two Euler steps: start from z, and take the mean of the two velocities": ahead + dt * second,
        "the velocities are subtracted: take their mean": z + dt * (first - second) / 2,
        "dt and the half belong to the sum of both: brackets are missing": z + dt * first + second / 2,
        "dt is missing: the mean velocity is multiplied by it": z + (first + second) / 2,
        "this is backwards in time: add the step": z - dt * (first + second) / 2,
        "this is the step alone: add it to z": dt * (first + second) / 2,
    }


def _places() -> list[tuple[Tensor, float, float]]:
    return [(torch.randn(4, 2), 0.2, 0.3), (torch.randn(3, 5), 0.5, 0.125)]


def _field(z: Tensor, t: float) -> Tensor:
    """A velocity that changes with place and time."""
    return torch.sin(2 * z) + z * t**2 + t + 0.5


def _checked_field(z: Any, t: Any) -> Tensor:
    if not isinstance(z, Tensor) or z.ndim != 2:
        raise Wrong("velocity takes the points first, then the time: velocity(z, t)")
    return _field(z, t)


# --- labels --------------------------------------------------------------------------------------------------------


@your_turn(flow.drop_labels)
def labels(answer) -> str:
    """``answer(label, fraction)``: labels (n,), each replaced by ``NO_LABEL`` with probability ``fraction``."""
    label = torch.randint(10, (MANY,))
    for fraction in (0.1, 0.6, 0.0, 1.0):
        result = _tensor(called(answer, label, fraction))
        if result.dtype == torch.bool:
            raise Wrong("this is the mask: fill the labels where it is true")
        if result.shape != label.shape:
            raise Wrong(f"one label for each of {MANY} is expected, but the shape is {tuple(result.shape)}")
        if result.is_floating_point():
            raise Wrong("the labels became floats: they are whole numbers")
        changed = result != label
        _check_new(result[changed])
        _check_fraction(changed, fraction)
    if torch.equal(answer(label.clone(), 0.5), answer(label.clone(), 0.5)):
        raise Wrong("the same labels are dropped each time: draw new random numbers in every call")
    return f"one label in so many becomes {NO_LABEL}, which means: any digit"


def _check_new(new: Tensor) -> None:
    if bool((new == NO_LABEL).all()):
        return
    if bool((new == 0).all()):
        raise Wrong("a dropped label becomes 0, which is a digit: NO_LABEL stands for none")
    if bool((new < 0).any()):
        raise Wrong("a dropped label becomes negative, for which the network has no embedding: use NO_LABEL")
    if bool((new < NO_LABEL).all()):
        raise Wrong("dropped labels become other digits: replace them by NO_LABEL")
    raise Wrong("dropped labels become something else: replace them by NO_LABEL")


def _check_fraction(changed: Tensor, fraction: float) -> None:
    found = float(changed.double().mean())
    if 0 < fraction < 1 and found in (0, 1):
        raise Wrong("all labels share their fate: draw one random number for each")
    if abs(found - fraction) > 0.04:
        case = f"of the labels {found:.2f} are dropped, asked for were {fraction:.2f}"
        if abs(found - (1 - fraction)) < 0.04:
            raise Wrong(f"{case}: this keeps the fraction instead of dropping it")
        if abs(found - 0.1) < 0.04:
            raise Wrong(f"{case}: use the argument instead of a fixed number")
        raise Wrong(f"{case}: compare uniform numbers, torch.rand(len(label)), with the fraction")
    if 0 < fraction < 1 and abs(float(changed[: MANY // 4].double().mean()) - fraction) > 0.08:
        raise Wrong("which labels are dropped depends on their place in the batch: draw at random")


# --- guidance ------------------------------------------------------------------------------------------------------


def own_guided_velocity(model, z, t, label, guidance):
    """The velocity without a label, plus ``guidance`` times what the label changes (Ho and Salimans 2022)."""
    free = model(z, t, torch.full_like(label, NO_LABEL))
    return free + guidance * (model(z, t, label) - free)


class _Labelled(_Toy):
    """A velocity whose dependence on the label is nonlinear in it."""

    def forward(self, z_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return super().forward(z_t, t, label) * (1 + torch.sin(1.0 + label[:, None]))


@your_turn(own_guided_velocity)
def guidance(answer) -> str:
    """``answer(model, z, t, label, guidance)``: the velocity (n, dims) that follows the label more strictly."""
    for strength in (1.7, 3.0, 1.0, 0.0):
        model, z = _Labelled(), torch.randn(6, 3)
        t, label = torch.rand(6), torch.tensor([3, 7, 1, 9, 4, 2])
        result = _tensor(called(answer, model, z, t, label, strength))
        free, conditioned = model(z, t, torch.full_like(label, NO_LABEL)), model(z, t, label)
        zero, last = model(z, t, torch.zeros_like(label)), model(z, t, torch.full_like(label, NO_LABEL - 1))
        wanted, change = free + strength * (conditioned - free), conditioned - free
        mistakes = {
            "this is the velocity with the label; guidance goes beyond it": conditioned,
            "this is the velocity without a label: the label is ignored": free,
            "this is the other convention, in which 0 means no guidance: start from the free velocity": conditioned
            + strength * change,
            "free and conditioned are swapped: start from the free one, go towards the conditioned one": conditioned
            - strength * change,
            "it leads away from the label: the change is conditioned minus free": free - strength * change,
            "the free velocity is missing: it is added to the change": strength * change,
            "the conditioned velocity is multiplied by the guidance: multiply the change only": strength * conditioned,
            "both velocities are added, nothing is subtracted": free + strength * (conditioned + free),
            "the difference is missing: subtract free from the conditioned velocity, then multiply": strength
            * (free + change)
            + free,
            "the free velocity is that of the digit 0: NO_LABEL stands for none": zero
            + strength * (conditioned - zero),
            "the free velocity is that of the digit 9: NO_LABEL stands for none": last
            + strength * (conditioned - last),
            "the guidance is squared": free + strength**2 * change,
            "the guidance is added: multiply the change by it": free + strength + change,
        }
        compare(result, wanted, mistakes, "free + guidance * (conditioned - free)")
    return "1 follows the label, more goes further in its direction"


# --- helpers -------------------------------------------------------------------------------------------------------


def _tensor(value: Any) -> Tensor:
    if not isinstance(given(value), Tensor):
        raise Wrong(f"a tensor is expected, but a {type(value).__name__} came back")
    return value


def _shaped(answer: Callable[..., Any], size: str, *inputs: Any) -> Any:
    """What the answer returns; when tensors did not fit each other, ``Wrong`` with a sentence about sizes."""
    try:
        return called(answer, *inputs)
    except RuntimeError as error:
        if "size" in str(error) or "shape" in str(error):
            raise Wrong(f"the shapes do not fit: {size}") from None
        raise


def _roughly(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3)
