"""One plain training loop, the step it repeats, the history it keeps, and schedules as functions of progress."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from ae_utils.arguments import SHARE, cheap_to_read, expects
from ae_utils.data.images import Batch, Batches
from ae_utils.errors import InvalidInput
from ae_utils.seeds import epoch_seed, own_random_numbers

if TYPE_CHECKING:
    import pandas as pd

Terms = dict[str, Tensor]
Objective = Callable[[Any, Batch, float], Terms]  # Any: the model, whose answer each objective reads in its own way
TRY = "try a lower learning rate, or look for pixels that are not numbers."  # when the loss is no number


class Diverged(InvalidInput):
    """The loss became NaN or infinite."""


def constant(progress: float) -> float:
    """The learning rate stays."""
    return 1.0


@expects(progress=SHARE, warmup=(0.0, 0.99))
def one_cycle(progress: float, *, warmup: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> float:
    """A factor that rises along a cosine from ``start`` to 1 until ``warmup``, then falls to ``end`` (Smith 2018)."""
    if progress < warmup:
        return _cosine(start, 1.0, progress / warmup)
    return _cosine(1.0, end, (progress - warmup) / (1 - warmup))


@expects(progress=SHARE, begin=(0.0, 0.99))
def linear_decay(progress: float, *, begin: float = 0.5) -> float:
    """1 until ``begin``, then straight down to 0."""
    return min(1.0, (1 - progress) / (1 - begin))


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def adam(
    parameters: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """Adam with its fused kernel where the device has one (on a CPU a third faster for small dense nets)."""
    return _fused(torch.optim.Adam, parameters, lr=lr, weight_decay=weight_decay, **options)


def adamw(
    parameters: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.0, **options: Any
) -> torch.optim.Optimizer:
    """AdamW (weight decay apart from the gradient: Loshchilov and Hutter 2019), fused where the device has it.

    Without ``weight_decay`` nothing decays, and it is Adam; ``torch.optim.AdamW`` itself would take 0.01.
    """
    return _fused(torch.optim.AdamW, parameters, lr=lr, weight_decay=weight_decay, **options)


def _fused(
    optimizer: Callable[..., torch.optim.Optimizer], parameters: Iterable[nn.Parameter], **options: Any
) -> torch.optim.Optimizer:
    parameters = list(parameters)
    try:
        return optimizer(parameters, fused=True, **options)
    except RuntimeError:  # a device, or an older torch, without that kernel
        return optimizer(parameters, **options)


def refuse_diverged(name: str, loss: Tensor) -> None:
    """Raise ``Diverged`` for a loss that is not finite, where looking at it costs nothing: on a CPU."""
    if cheap_to_read(loss) and not math.isfinite(loss.item()):
        raise Diverged(f"the {name} became {loss.item()}")


class Step(Protocol):
    """What happens with a batch: a ``GradientStep``, or anything else that ``fit`` can train.

    ``model`` is what is looked at and kept, a part of what ``state_dict`` saves.
    """

    @property
    def model(self) -> nn.Module: ...

    def train(self, batch: Batch, progress: float) -> Terms: ...

    def evaluate(self, batch: Batch) -> Terms: ...

    def state_dict(self) -> dict[str, Any]: ...


class RestorableStep(Step, Protocol):
    """A step that goes on from what its ``state_dict`` has saved."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class GradientStep:
    """One model, one optimizer, one objective: what happens with a batch.

    ``schedule(progress)`` is a factor on the optimizer's learning rates. The step owns the model and the optimizer;
    ``state_dict`` holds both.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, optimizer: torch.optim.Optimizer, *,
        schedule: Callable[[float], float] = constant,
    ):  # fmt: skip
        self.model, self.objective, self.optimizer, self.schedule = model, objective, optimizer, schedule
        self.rates = [group["lr"] for group in optimizer.param_groups]

    def train(self, batch: Batch, progress: float) -> Terms:
        """One gradient step; ``progress`` runs from 0 to 1 over the training. Returns the terms, detached.

        Raises ``Diverged`` before the weights are touched when the loss is not finite. On a GPU that question would
        stop the queue at every step: there ``fit`` asks once an epoch.
        """
        if not self.model.training:
            self.model.train()
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.schedule(progress)
        terms = self.objective(self.model, batch, progress)
        refuse_diverged("loss", terms["loss"])
        self.optimizer.zero_grad()
        terms["loss"].backward()
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def evaluate(self, batch: Batch) -> Terms:
        """The terms of a batch, as at the end of training, without learning from it."""
        self.model.eval()
        with torch.no_grad():
            return {name: term.detach() for name, term in self.objective(self.model, batch, 1.0).items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything a later ``load_state_dict`` needs to go on."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the weights and the optimizer's state back."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


@dataclass
class History:
    """The mean terms of every epoch and split, as rows ``{"epoch": 1, "split": "train", "loss": …}``."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many epochs are recorded."""
        return self.rows[-1]["epoch"] if self.rows else 0

    def last(self, split: str = "train") -> dict[str, Any]:
        """The newest row of a split."""
        return next(row for row in reversed(self.rows) if row["split"] == split)

    def frame(self) -> "pd.DataFrame":
        """The rows as a ``pandas.DataFrame``."""
        import pandas as pd

        return pd.DataFrame(self.rows)


@dataclass
class Moment:
    """What a hook is told: where training stands. ``epoch`` and ``batch`` count from 0."""

    step: Step
    history: History
    epoch: int
    epochs: int
    batch: int
    batches: int
    terms: Terms

    @property
    def progress(self) -> float:
        """From 0 to 1 over the whole training."""
        return (self.epoch + self.batch / self.batches) / self.epochs


class Mean:
    """The mean of each term over batches, weighted by their length, so that a short last batch does not bias it.

    Terms stay on their device until ``values`` asks for them: a GPU works on meanwhile.
    """

    def __init__(self) -> None:
        self.terms: dict[str, list[Tensor]] = {}
        self.lengths: list[int] = []

    def add(self, terms: Terms, length: int) -> None:
        """Add the terms (scalars, detached) of a batch of ``length`` images."""
        self.lengths.append(length)
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term)

    def values(self) -> dict[str, float]:
        """The means so far, summed in float64, which not every GPU has, on the CPU."""
        return {name: self._mean(torch.stack(terms).cpu().double().tolist()) for name, terms in self.terms.items()}

    def _mean(self, values: list[float]) -> float:
        total = 0.0
        for value, length in zip(values, self.lengths, strict=True):
            total += value * length
        return total / sum(self.lengths)


def evaluate(step: Step, batches: Batches, *, seed: int = 0) -> dict[str, float]:
    """Mean terms over ``batches``; random numbers are the same each time and leave the training's alone."""
    mean = Mean()
    with own_random_numbers(epoch_seed(seed, 0, "evaluation")):
        for batch in batches:
            mean.add(step.evaluate(batch), len(batch.x))
    return mean.values()


@expects(epochs=(0, math.inf))
def fit(
    step: Step,
    train: Batches,
    test: Batches | None = None,
    *,
    epochs: int,
    seed: int,
    history: History | None = None,
    on_batch_end: Iterable[Callable[[Moment], None]] = (),
    on_epoch_end: Iterable[Callable[[Moment], None]] = (),
) -> History:
    """Train for ``epochs`` epochs and return the history; with a ``history``, go on where it ends.

    An epoch is a pure function of (weights, optimizer state, seed, epoch): torch is seeded at its start, and shuffle,
    hooks and evaluation draw from streams of their own (``seeds.epoch_seed``). So a resumed training ends with the
    bits of one never stopped, and looking at samples changes nothing: on a CPU, with the same machine, versions and
    number of threads; a GPU adds in another order each time. Raises ``InvalidInput`` for a negative number of epochs
    and ``Diverged`` (naming the epoch) when the loss is not finite, before any hook of that epoch's end.
    """
    history = history if history is not None else History()
    on_batch_end, on_epoch_end = tuple(on_batch_end), tuple(on_epoch_end)  # a generator would run in one epoch only
    for epoch in range(history.epochs, epochs):
        torch.manual_seed(epoch_seed(seed, epoch))
        mean, moment = Mean(), Moment(step, history, epoch, epochs, 0, len(train), {})
        for moment.batch, batch in enumerate(train.in_epoch(epoch)):
            moment.terms = _train(step, batch, moment)
            mean.add(moment.terms, len(batch.x))
            _call(on_batch_end, moment, seed)
        history.rows.append({"epoch": epoch + 1, "split": "train", **_finite(mean.values(), epoch)})
        if test is not None:
            history.rows.append({"epoch": epoch + 1, "split": "test", **evaluate(step, test, seed=seed)})
        _call(on_epoch_end, moment, seed)
    return history


def _train(step: Step, batch: Batch, moment: Moment) -> Terms:
    try:
        return step.train(batch, moment.progress)
    except Diverged as error:
        raise Diverged(f"{error} in epoch {moment.epoch + 1}, batch {moment.batch + 1}; {TRY}") from None


def _finite(means: dict[str, float], epoch: int) -> dict[str, float]:
    """The means of an epoch, unless a loss among them is not finite: seen before a hook saves such weights."""
    for name, value in means.items():
        if name.split("_")[-1] == "loss" and not math.isfinite(value):
            raise Diverged(f"the {name.replace('_', ' ')} became {value} in epoch {epoch + 1}; {TRY}")
    return means


def _call(hooks: Iterable[Callable[[Moment], None]], moment: Moment, seed: int) -> None:
    if hooks:
        with own_random_numbers(epoch_seed(seed, moment.epoch, "hooks")):
            for hook in hooks:
                hook(moment)
