"""The training loop, and the history it records."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ae_utils.data.dataset import Batch, Batches
from ae_utils.seeds import epoch_seed, own_random_numbers
from ae_utils.training.step import Diverged, LossTerms, Step

if TYPE_CHECKING:
    import pandas as pd

ADVICE = "try a lower learning rate, or look for pixels that are not numbers."  # when the loss is not finite


@dataclass
class History:
    """The mean terms of every epoch and split, as rows ``{"epoch": 1, "split": "train", "loss": …}``."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """The number of epochs recorded."""
        return self.rows[-1]["epoch"] if self.rows else 0

    def last(self, split: str = "train") -> dict[str, Any]:
        """The newest row of a split."""
        return next(row for row in reversed(self.rows) if row["split"] == split)

    def frame(self) -> "pd.DataFrame":
        """The rows as a ``pandas.DataFrame``."""
        import pandas as pd

        return pd.DataFrame(self.rows)


@dataclass
class TrainState:
    """What a hook receives: how far the training is. ``epoch`` and ``batch`` count from 0."""

    step: Step
    history: History
    epoch: int
    epochs: int
    batch: int
    batches: int
    terms: LossTerms

    @property
    def progress(self) -> float:
        """From 0 to 1 over the whole training."""
        return (self.epoch + self.batch / self.batches) / self.epochs


Hook = Callable[[TrainState], None]


class RunningMean:
    """The mean of each term over batches, weighted by their length, so that a short last batch does not bias it.

    Terms stay on their device until ``values`` is called, so that a GPU never waits.
    """

    def __init__(self) -> None:
        self.terms: dict[str, list[Tensor]] = {}
        self.lengths: list[int] = []

    def add(self, terms: LossTerms, length: int) -> None:
        """Add the terms (scalars, detached) of a batch of ``length`` images."""
        self.lengths.append(length)
        for name, term in terms.items():
            self.terms.setdefault(name, []).append(term)

    def values(self) -> dict[str, float]:
        """The means so far, summed in float64 on the CPU (not every GPU has float64)."""
        return {name: self._mean(torch.stack(terms).cpu().double().tolist()) for name, terms in self.terms.items()}

    def _mean(self, values: list[float]) -> float:
        total = 0.0
        for value, length in zip(values, self.lengths, strict=True):
            total += value * length
        return total / sum(self.lengths)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within, numbers below 1.2e-38 in magnitude count as 0; afterwards the processor treats them as before.

    Adam's averages shrink to such numbers wherever a gradient vanishes, as for the black pixels at the border, and some
    processors need a hundred times as long for each: a training became seven times as slow.
    """
    flushed = bool(torch.tensor(torch.finfo(torch.float32).tiny) / 2 == 0)
    torch.set_flush_denormal(True)  # False, and without effect, where the processor cannot
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)


with flushed_denormals():
    torch.zeros(torch.get_num_threads() << 16).exp_()  # starts torch's other threads, which keep what holds now


def evaluate(step: Step, batches: Batches, *, seed: int = 0) -> dict[str, float]:
    """Mean terms over ``batches``; the random numbers are the same each time, and apart from the training's."""
    mean = RunningMean()
    with own_random_numbers(epoch_seed(seed, 0, "evaluation")):
        for batch in batches:
            mean.add(step.evaluate(batch), len(batch.x))
    return mean.values()


@flushed_denormals()
def fit(
    step: Step,
    train: Batches,
    test: Batches | None = None,
    *,
    epochs: int,
    seed: int,
    history: History | None = None,
    on_batch_end: Iterable[Hook] = (),
    on_epoch_end: Iterable[Hook] = (),
) -> History:
    """Train for ``epochs`` epochs and return the history; with a ``history``, continue where it ends.

    An epoch is a pure function of (weights, optimizer state, seed, epoch): torch is seeded at its start, and shuffling,
    hooks and evaluation draw from streams of their own (``seeds.epoch_seed``). So a resumed training ends with the same
    bits as one never stopped, and hooks change nothing: on a CPU, with the same machine, versions and number of
    threads; a GPU adds in another order each time. Raises ``Diverged``, naming the epoch, when the loss is not finite,
    before any hook of that epoch's end. On a CPU, numbers below 1.2e-38 count as 0 (``flushed_denormals``).
    """
    history = history if history is not None else History()
    on_batch_end, on_epoch_end = tuple(on_batch_end), tuple(on_epoch_end)  # a generator would run in one epoch only
    for epoch in range(history.epochs, epochs):
        torch.manual_seed(epoch_seed(seed, epoch))
        mean, state = RunningMean(), TrainState(step, history, epoch, epochs, 0, len(train), {})
        for state.batch, batch in enumerate(train.in_epoch(epoch)):
            state.terms = _train(step, batch, state)
            mean.add(state.terms, len(batch.x))
            _call(on_batch_end, state, seed)
        history.rows.append({"epoch": epoch + 1, "split": "train", **_finite(mean.values(), epoch)})
        if test is not None:
            history.rows.append({"epoch": epoch + 1, "split": "test", **evaluate(step, test, seed=seed)})
        _call(on_epoch_end, state, seed)
    return history


def _train(step: Step, batch: Batch, state: TrainState) -> LossTerms:
    try:
        return step.train(batch, state.progress)
    except Diverged as error:
        raise Diverged(f"{error} in epoch {state.epoch + 1}, batch {state.batch + 1}; {ADVICE}") from None


def _finite(means: dict[str, float], epoch: int) -> dict[str, float]:
    """The means of an epoch; raises ``Diverged`` where a loss is not finite, before a hook saves such weights."""
    for name, value in means.items():
        if name.split("_")[-1] == "loss" and not math.isfinite(value):
            raise Diverged(f"the {name.replace('_', ' ')} became {value} in epoch {epoch + 1}; {ADVICE}")
    return means


def _call(hooks: Iterable[Hook], state: TrainState, seed: int) -> None:
    if hooks:
        with own_random_numbers(epoch_seed(seed, state.epoch, "hooks")):
            for hook in hooks:
                hook(state)
