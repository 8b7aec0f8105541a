"""Probes of a model with its objective: shapes, ranges, the draw of z, gradients, the label, one batch by heart."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.probes.finding import Skipped, Suspicious, probe
from ae_utils.course.probes.replay import Case, case, output_of, picture_field
from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput
from ae_utils.training.step import Objective

RATE = 3e-3  # of Adam, for a few steps on a copy


@probe
def output_shape(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """The output has the shape of the target, height and width in the same order."""
    examined = case(model, objective, batch)
    output, wanted = output_of(examined), tuple(examined.batch.target.shape)
    name = picture_field(output)
    shape = tuple(getattr(output, name).shape)
    if shape == (*wanted[:-2], wanted[-1], wanted[-2]) != wanted:
        raise Suspicious(f"{name} is {shape}, the target {wanted}: height and width are swapped")
    if shape != wanted:
        raise Suspicious(f"{name} is {shape}, the target {wanted}: arithmetic may broadcast the two")
    square = "; square images cannot show a swap of height and width" if wanted[-1] == wanted[-2] else ""
    return f"{name} and target have the same shape, {wanted}{square}"


@probe
def output_range(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """Logits may be any number; an output that is never negative cannot reach negative pixels."""
    examined = case(model, objective, batch)
    output = output_of(examined)
    name = picture_field(output)
    value = getattr(output, name)
    low, high = float(value.min()), float(value.max())
    if name == "logits" and 0 <= low <= high <= 1:
        raise Suspicious(f"all logits lie in [{low:.2f}, {high:.2f}]: does the decoder end in a sigmoid already?")
    if name == "x_hat" and low >= 0 and float(examined.batch.target.min()) < -0.05:
        raise Suspicious("the target has negative pixels, but no output is negative: which range do they share?")
    return f"the values of {name} run from {low:.2f} to {high:.2f}"


@probe
def draw_of_z(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """z - mu must be random, with a standard deviation of exp(logvar / 2), in every dimension.

    The input is scaled up until logvar differs between dimensions, since all stds are near 1 in an untrained model.
    """
    examined = case(model, objective, batch)
    output = output_of(examined)
    if not all(hasattr(output, name) for name in ("z", "mu", "logvar")):
        raise Skipped("the model has no z, mu and logvar")
    for scale in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0):
        scaled = examined._replace(batch=examined.batch._replace(x=scale * examined.batch.x))
        draws = [output_of(scaled) for _ in range(24)]
        logvar, off = draws[0].logvar.double(), torch.stack([(draw.z - draw.mu).double() for draw in draws])
        if off.std(0).max() < 1e-7:
            raise Suspicious(_why_not_random(off))
        if logvar.std() > 0.7:
            return _check_spread(logvar, off)
    raise Skipped("logvar is nearly the same everywhere: nothing tells std from variance")


def _why_not_random(off: Tensor) -> str:
    if not off.abs().max():
        return "z is mu in evaluation mode: a bound computed from it is none, and a mean is no sample"
    return "z is the same each time, but it is not mu: the random part, eps, is missing"


def _check_spread(logvar: Tensor, off: Tensor) -> str:
    kept = (logvar > -12) & (logvar < 12)
    measured = off.square().mean(0).clamp_min(1e-30).log()[kept]  # log variance of z - mu
    centred = logvar[kept] - logvar[kept].mean()
    growth = float((centred * measured).sum() / centred.square().sum())
    shift = float((measured - logvar[kept]).mean())  # the log of a mean of 24 squares lies 0.04 below
    if abs(growth - 2) < 0.2:
        raise Suspicious("z has a std of exp(logvar): that is the variance; the std is exp(logvar / 2)")
    if abs(growth - 1) > 0.15 or abs(shift) > 0.35:
        raise Suspicious(f"the variance of z - mu is not exp(logvar): its logarithm grows {growth:.2f} times as fast")
    return "z - mu is random, with a standard deviation of exp(logvar / 2)"


@probe
def gradient_everywhere(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """The loss's gradient reaches every parameter, and nothing that the optimizer does not know.

    Looked at after three steps on a copy: a last layer that starts at 0 holds the gradient back in the first.
    """
    examined = case(model, objective, batch)
    learner = _Learner(examined)
    learner.steps(3)
    learner.model.zero_grad()
    if _without_encoder(learner):
        raise Suspicious("the gradient of the reconstruction does not reach the encoder: is z detached?")
    loss = learner.loss()
    if not loss.requires_grad:
        raise Suspicious("the loss has no gradient at all: something on the way is detached")
    strangers = _leaves(loss) - {id(parameter) for parameter in learner.model.parameters()}
    if strangers:
        raise Suspicious(f"{len(strangers)} tensors that are trained are not in parameters(): layers in a list?")
    loss.backward()
    dead = [
        name
        for name, parameter in learner.model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().max())
    ]
    if dead:
        more = f" and {len(dead) - 3} more" if len(dead) > 3 else ""
        raise Suspicious(f"no gradient reaches {', '.join(dead[:3])}{more}: detached, or not used?")
    return "the gradient reaches every parameter"


def _without_encoder(learner: "_Learner") -> bool:
    """Whether no parameter that mu depends on gets a gradient from the term ``reconstruction``, if there is one."""
    reconstruction = learner.objective(learner.model, learner.batch, 1.0).get("reconstruction")
    if reconstruction is None:
        return False
    output: Any = learner.model(learner.batch.x, learner.batch.label)
    if not hasattr(output, "mu") or not output.mu.requires_grad:
        return False
    parameters = [parameter for parameter in learner.model.parameters() if parameter.requires_grad]
    encoder, reached = (
        [gradient is not None for gradient in torch.autograd.grad(end.sum(), parameters, allow_unused=True)]
        for end in (output.mu, reconstruction)
    )
    return not any(before and after for before, after in zip(encoder, reached, strict=True))


@probe
def label_matters(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """A model that insists on a label must use it: with other labels the output changes."""
    examined = case(model, objective, batch)
    try:
        with torch.no_grad():
            examined.model(examined.batch.x)
        raise Skipped("the model works without labels")
    except (InvalidInput, TypeError, AttributeError):
        pass
    learner = _Learner(examined)
    output_of(examined)
    learner.steps(3)
    trained = examined._replace(model=learner.model.eval())
    other = (trained.batch.label + 1) % 10
    one, swapped = (_decoded(trained, label) for label in (trained.batch.label, other))
    if torch.equal(one, swapped):
        raise Suspicious("other labels decode to the same image: the label does not reach the decoder")
    return "other labels decode to other images"


@torch.no_grad()
def _decoded(examined: Case, label: Tensor) -> Tensor:
    model: Any = examined.model
    torch.manual_seed(0)
    output = model(examined.batch.x, examined.batch.label)
    if hasattr(model, "decode"):
        decoded: Tensor = model.decode(output.z, label)
        return decoded
    torch.manual_seed(0)
    other = model(examined.batch.x, label)
    value: Tensor = getattr(other, picture_field(other))
    return value


@probe
def one_batch_by_heart(model: nn.Module, objective: Objective, batch: Batch, *, steps: int = 400) -> str:
    """A copy, trained on eight images alone, must lower their loss and tell them apart in its reconstructions."""
    examined = case(model, objective, batch)
    few = examined.batch._replace(x=examined.batch.x[:8], label=examined.batch.label[:8])
    target = few.x if examined.batch.target is examined.batch.x else examined.batch.target[:8]
    learner = _Learner(examined._replace(batch=few._replace(target=target)))
    first = last = learner.loss().item()
    for _ in range(0, steps, 20):
        learner.steps(20)
        last = learner.loss().item()
        if last < first and learner.ratio() < 0.8:
            return f"eight images are told apart, and their loss falls from {first:#.4g} to {last:#.4g}"
    if last >= first:
        raise Suspicious(f"after {steps} steps on eight images the loss is {last:#.4g}, not below {first:#.4g}")
    raise Suspicious(f"after {steps} steps on eight images all are reconstructed alike: does the code reach x_hat?")


class _Learner:
    """A copy of the case's model with Adam, in training mode."""

    def __init__(self, examined: Case):
        self.model, self.objective, self.batch = (
            copy.deepcopy(examined.model).train(),
            examined.objective,
            examined.batch,
        )
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=RATE) if trained else None

    def loss(self) -> Tensor:
        return self.objective(self.model, self.batch, 1.0)["loss"]

    def steps(self, count: int) -> None:
        for _ in range(count):
            loss = self.loss()
            if self.optimizer is None or not loss.requires_grad:
                return
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def ratio(self) -> float:
        """Squared error of a reconstruction against its own image, over that against the other images."""
        try:
            output = output_of(Case(self.model, self.objective, self.batch))
            name = picture_field(output)
        except Skipped:
            return 0.0
        x_hat, target = getattr(output, name), self.batch.target.flatten(1)
        x_hat = (x_hat.sigmoid() if name == "logits" else x_hat).flatten(1)
        if x_hat.shape != target.shape:
            return 0.0
        errors = torch.cdist(x_hat, target).square()
        count = len(errors)
        own = errors.diagonal().sum()
        return float(own / count / ((errors.sum() - own) / (count * count - count)))


def _leaves(loss: Tensor) -> set[int]:
    """The ids of all tensors at the end of the loss's graph that gradients are accumulated in."""
    found, seen, waiting = set(), set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        waiting += [following for following, _ in node.next_functions]
    return found
