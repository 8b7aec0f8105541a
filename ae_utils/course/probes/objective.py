"""Probes of an objective, which is given outputs of our choice: the KL term, its weight, the target, the batch."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.probes.finding import Skipped, Suspicious, probe
from ae_utils.course.probes.replay import Case, black_and_white, case, output_of, picture_field
from ae_utils.data.dataset import Batch
from ae_utils.training.step import Objective

MOST_BETA = 30.0
MOST_STD = 1.0  # of Gaussian pixels between 0 and 1
SURE = 14.0  # a logit whose sigmoid is 1, but for one in a million


# --- the KL term ---------------------------------------------------------------------------------------------------


@probe
def kl_at_prior(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """A KL divergence is 0, and smallest, where the approximate posterior is the prior: at mu = 0, logvar = 0."""
    examined, output = _variational(model, objective, batch)
    mu, logvar = (torch.zeros_like(output.mu).requires_grad_() for _ in range(2))
    terms = examined.terms(output._replace(mu=mu, logvar=logvar))
    at_prior = terms["kl"].item() if "kl" in terms else 0.0
    if abs(at_prior) > 1e-4:
        raise Suspicious(f"the term kl is {at_prior:.3f} at mu = 0, logvar = 0: a KL divergence is 0 there")
    gradients = torch.autograd.grad(terms["loss"], (mu, logvar), allow_unused=True)
    for name, gradient in zip(("mu", "logvar"), gradients, strict=True):
        if gradient is not None and float(gradient.abs().max()) > 1e-6:
            raise Suspicious(f"the loss still falls along {name} at the prior: its minimum lies elsewhere; check signs")
    return "the KL term is smallest at mu = 0, logvar = 0"


@probe
def kl_formula(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """Away from the prior, the loss must grow with the KL divergence of ``torch.distributions``, in proportion."""
    examined, output = _variational(model, objective, batch)
    points = _points(output.mu)
    exact = torch.stack([_kl(mu, logvar).mean() for mu, logvar in points])
    measured = _kl_part(examined, output, points)
    if not measured.abs().max():
        raise Suspicious("the loss does not depend on mu and logvar: there is no KL term")
    if not _proportional(measured, exact):
        raise Suspicious(_named(measured, points, "what the loss charges for mu and logvar is no KL divergence"))
    at_points = [examined.terms(output._replace(mu=mu, logvar=logvar)) for mu, logvar in points]
    if "kl" not in at_points[0]:
        return "the loss grows as the KL divergence does"
    ratio = float((torch.stack([terms["kl"].detach() for terms in at_points]) / exact).mean())
    if abs(ratio - 1) > 0.01:
        raise Suspicious(f"the term kl is {ratio:#.4g} times the KL divergence{_reason(ratio, *output.mu.shape)}")
    return "the term kl is the KL divergence, in nats per image"


@probe
def kl_weight(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """The weight of the KL term beside the reconstruction, as the gradients have it: the beta that is trained with."""
    examined, output = _variational(model, objective, batch)
    points = _points(output.mu)
    exact = torch.stack([_kl(mu, logvar).mean() for mu, logvar in points])
    measured = _kl_part(examined, output, points)
    if not _proportional(measured, exact):
        raise Skipped("the loss has no multiple of the KL divergence")
    kind, weight = _pixel_weight(examined, output)
    beta = float((measured / exact).mean()) / weight
    if kind == "cross-entropy":
        if not 1 / MOST_BETA < beta < MOST_BETA:
            raise Suspicious(f"you train with beta = {beta:#.4g}: are pixels averaged, and dimensions summed?")
        return f"you train with beta = {beta:#.4g}"
    std = math.sqrt(beta / 2)  # of a Gaussian likelihood whose beta would be 1
    if std > MOST_STD:
        raise Suspicious(f"this squared error means pixels with a noise of std {std:#.4g}: is it a mean over pixels?")
    return f"with beta = 1 this squared error means pixels with a noise of std {std:#.4g}"


def _variational(model: nn.Module, objective: Objective, batch: Batch) -> tuple[Case, Any]:
    """The case in black and white, and its output; raises ``Skipped`` where no KL divergence can be measured."""
    examined = case(model, objective, batch)
    examined = examined._replace(batch=black_and_white(examined.batch))
    output = output_of(examined)
    if not hasattr(output, "mu") or not hasattr(output, "logvar"):
        raise Skipped("the model has no mu and logvar")
    one, other = (examined.loss(output._replace(z=z)).item() for z in (output.z, output.z + 1))
    if hasattr(output, "log_prior") or one != other:
        raise Skipped("the loss has no KL divergence in closed form: it is estimated from z")
    return examined, output


def _points(mu: Tensor) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, *mu.shape, generator=random).to(mu) for _ in range(4)]
    return [(1.5 * centre, 1.5 * spread - 0.5) for centre, spread in draws]


def _kl(mu: Tensor, logvar: Tensor) -> Tensor:
    normal = torch.distributions.Normal(mu.double(), torch.exp(0.5 * logvar.double()))
    prior = torch.distributions.Normal(torch.zeros_like(normal.loc), torch.ones_like(normal.loc))
    return torch.distributions.kl_divergence(normal, prior).sum(1)


def _kl_part(examined: Case, output: Any, points: list[tuple[Tensor, Tensor]]) -> Tensor:
    """What the loss charges for each (mu, logvar), beyond what it charges at the prior."""
    nothing = torch.zeros_like(output.mu)
    places = ((nothing, nothing), *points)
    losses = [examined.loss(output._replace(mu=mu, logvar=logvar)).detach().double() for mu, logvar in places]
    return torch.stack(losses[1:]) - losses[0]


def _proportional(one: Tensor, other: Tensor) -> bool:
    ratio = one.double() / other.double()
    return bool(ratio.min() > 0 and ratio.max() / ratio.min() < 1.02)


def _named(measured: Tensor, points: list[tuple[Tensor, Tensor]], generic: str) -> str:
    wrong: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
        "logvar enters with the wrong sign": lambda mu, lv: mu.square() + lv.exp() - 1 + lv,
        "the whole KL term has the wrong sign": lambda mu, lv: -(mu.square() + lv.exp() - 1 - lv),
        "the variance is squared: exp(logvar) is the variance already": lambda mu, lv: (
            mu.square() + (2 * lv).exp() - 1 - lv
        ),
        "std stands where the variance belongs": lambda mu, lv: mu.square() + (0.5 * lv).exp() - 1 - lv,
        "mu is not squared": lambda mu, lv: mu + lv.exp() - 1 - lv,
        "logvar is missing: variances shrink for nothing": lambda mu, lv: mu.square() + lv.exp() - 1,
    }
    for sentence, formula in wrong.items():
        charge = torch.stack([(formula(mu, lv) - formula(0 * mu, 0 * lv)).sum(1).mean() for mu, lv in points])
        ratio = measured / charge.double()
        if ratio.min() > 0 and ratio.max() / ratio.min() < 1.02:
            return f"{generic}: {sentence}"
    return generic


def _reason(ratio: float, images: int, dimensions: int) -> str:
    reasons = {
        2.0: "the factor 1/2 is missing",
        1 / dimensions: "it is averaged over dimensions; sum them",
        float(images): "it is summed over the batch; average once",
        1 / images: "the batch is averaged twice",
    }
    return next((f": {reason}" for value, reason in reasons.items() if abs(ratio / value - 1) < 0.01), "")


def _pixel_weight(examined: Case, output: Any) -> tuple[str, float]:
    """Whether the loss has a cross-entropy or a squared error, and its weight against their sum over pixels.

    Found from the gradient with respect to the output; raises ``Skipped`` where it is neither.
    """
    field = picture_field(output)
    random = torch.Generator().manual_seed(1)
    value = torch.randn(output.mu.shape[:1] + getattr(output, field).shape[1:], generator=random)
    value = (value if field == "logits" else value.sigmoid()).to(output.mu).requires_grad_()
    if value.shape != examined.batch.target.shape:
        raise Skipped("the output has another shape than the target")
    loss = examined.loss(output._replace(**{field: value}))
    (gradient,) = torch.autograd.grad(loss, value)
    for kind, formula in _pixel_losses(field).items():
        (wanted,) = torch.autograd.grad(formula(value, examined.batch.target).sum() / len(value), value)
        weight = float((gradient * wanted).sum() / wanted.square().sum())
        if float((gradient - weight * wanted).norm()) < 1e-3 * float(gradient.norm()):
            return kind, weight
    raise Skipped("the loss has neither a cross-entropy nor a squared error")


def _pixel_losses(field: str) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    if field == "logits":
        return {
            "cross-entropy": lambda logits, target: F.binary_cross_entropy_with_logits(
                logits, target, reduction="none"
            ),
            "squared error": lambda logits, target: (logits.sigmoid() - target).square(),
        }
    return {
        "cross-entropy": lambda x_hat, target: F.binary_cross_entropy(x_hat, target, reduction="none"),
        "squared error": lambda x_hat, target: (x_hat - target).square(),
    }


# --- the pixels ----------------------------------------------------------------------------------------------------


@probe
def perfect_output(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """Where the output is the target, no pixel can be improved: the loss has no gradient with respect to it."""
    examined = case(model, objective, batch)
    output = output_of(examined)
    field = picture_field(output)
    if getattr(output, field).shape != examined.batch.target.shape:
        raise Skipped("the output has another shape than the target")
    if field == "logits" and float(examined.batch.target.min()) < 0:
        raise Suspicious("logits stand for probabilities of white, but the target has negative pixels: use [0, 1]")
    at_target = [_gradient(examined, output, field, _perfect(field, examined.batch.target)) for _ in range(2)]
    if field == "logits" and not torch.equal(*at_target):  # the objective draws black and white pixels
        examined = examined._replace(batch=black_and_white(examined.batch))
        at_target = [_gradient(examined, output, field, _perfect(field, examined.batch.target))]
    elsewhere = _gradient(examined, output, field, _blurred(field, examined.batch.target))
    if not float(elsewhere.norm()):
        raise Suspicious("the loss has no gradient with respect to the output: is it detached?")
    share = max(float(gradient.norm()) for gradient in at_target) / float(elsewhere.norm())
    if share > 0.02:
        raise Suspicious("where the output is the target, the loss still pulls it elsewhere: what is it compared with?")
    if field == "logits" and _twice(examined, output):
        raise Suspicious("the objective applies a sigmoid to the logits before a loss that applies one itself")
    return "the loss is smallest where the output is the target"


def _perfect(field: str, target: Tensor) -> Tensor:
    return torch.logit(target, 1e-6).clamp(-SURE, SURE) if field == "logits" else target.clone()


def _blurred(field: str, target: Tensor) -> Tensor:
    """A wrong output: every pixel halfway to the middle of its range."""
    middle = 0.0 if float(target.min()) < 0 else 0.5
    return _perfect(field, torch.lerp(target, torch.full_like(target, middle), 0.5))


def _gradient(examined: Case, output: Any, field: str, value: Tensor) -> Tensor:
    value = value.detach().requires_grad_()
    loss = examined.loss(output._replace(**{field: value}))
    if not loss.requires_grad:
        return torch.zeros_like(value)
    (gradient,) = torch.autograd.grad(loss, value, allow_unused=True)
    return torch.zeros_like(value) if gradient is None else gradient


def _twice(examined: Case, output: Any) -> bool:
    target = examined.batch.target
    logits = torch.randn(target.shape, generator=torch.Generator().manual_seed(1)).to(target).requires_grad_()
    gradient = _gradient(examined, output, "logits", logits)
    loss = F.binary_cross_entropy_with_logits(logits.sigmoid(), target, reduction="sum")
    (wanted,) = torch.autograd.grad(loss, logits)
    return float(F.cosine_similarity(gradient.flatten(), wanted.flatten(), dim=0)) > 0.999


# --- the batch -----------------------------------------------------------------------------------------------------


@probe
def batch_average(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """Every image twice in the batch: no term may change, if terms are averaged over the batch once."""
    examined = case(model, objective, batch)
    examined = examined._replace(batch=black_and_white(examined.batch))
    output = output_of(examined)
    doubled = output._replace(**{name: torch.cat([part, part]) for name, part in output._asdict().items()})
    once, again = ({name: term.item() for name, term in examined.terms(output).items()} for _ in range(2))
    if once != again:
        raise Skipped("the objective draws random numbers of its own")
    twice = {name: term.item() for name, term in examined.terms(doubled, _twofold(examined.batch)).items()}
    ratios = {name: twice[name] / term for name, term in once.items() if abs(term) > 1e-6}
    grown = [name for name, ratio in ratios.items() if abs(ratio - 1) > 1e-3]
    if not grown:
        return "twice the images give the same terms"
    if all(abs(ratio - 2) < 1e-3 for ratio in ratios.values()):
        raise Suspicious("every term is a sum over the batch: learning rate and gradient clipping depend on its size")
    raise Suspicious(f"{' and '.join(grown)} grow with the batch, other terms do not: average over the batch once")


def _twofold(batch: Batch) -> Batch:
    x = torch.cat([batch.x, batch.x])
    target = x if batch.target is batch.x else torch.cat([batch.target, batch.target])
    return Batch(x, target, torch.cat([batch.label, batch.label]))


@probe
def beats_the_mean_image(model: nn.Module, objective: Objective, batch: Batch) -> str:
    """Of a trained model: its loss must be below that of the batch's mean image, which needs no code."""
    examined = case(model, objective, batch)
    examined = examined._replace(batch=black_and_white(examined.batch))
    output = output_of(examined)
    field, target = picture_field(output), examined.batch.target
    mean = target.mean(0, keepdim=True).expand_as(target)
    value = torch.logit(mean, 1e-2) if field == "logits" else mean
    free = {name: torch.zeros_like(getattr(output, name)) for name in ("mu", "logvar") if hasattr(output, name)}
    without, own = (examined.loss(each).item() for each in (output._replace(**{field: value}, **free), output))
    if own > 0.95 * without:
        raise Suspicious(f"the loss is {own:#.4g}, and that of the mean image, without a code, is {without:#.4g}")
    return f"the loss is {own:#.4g}, and that of the mean image, without a code, is {without:#.4g}"
