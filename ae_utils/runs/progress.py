"""A progress bar for trainings, and a line for each epoch."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from ae_utils.training.loop import TrainState


class ProgressBar:
    """One bar for each training, on stderr where that is a terminal, and a line for each epoch on stdout.

    ``quiet`` leaves out both. A context manager, which clears the bar at its end.
    """

    def __init__(self, *, quiet: bool = False):
        self.quiet = quiet
        disable = quiet or None  # None: where stderr is no terminal
        self.bar = tqdm(bar_format="{desc}", leave=False, dynamic_ncols=True, smoothing=0, miniters=1, disable=disable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def show(self, text: str) -> None:
        """Show a text in place of the bar."""
        self.bar.bar_format = "{desc}"
        self.bar.set_description_str(text)

    def write(self, line: str) -> None:
        """Print a line on stdout, above the bar."""
        self.bar.write(line, file=sys.stdout)

    def hooks(self, name: str) -> dict[str, Any]:
        """The hooks of one training, as arguments of ``fit``."""
        if self.quiet:
            return {}
        self.show(f"{name}: starting")
        return {"on_batch_end": (partial(self._batch_end, name),), "on_epoch_end": (partial(self._epoch_end, name),)}

    def _batch_end(self, name: str, state: "TrainState") -> None:
        if state.batch == 0:
            self.bar.set_description_str(f"{name} {state.epoch + 1}/{state.epochs}", refresh=False)
        if self.bar.bar_format == "{desc}":  # the first batch, perhaps of a later epoch than the first
            self.bar.reset(total=state.epochs * state.batches)  # draws, so it comes before the format with a percentage
            self.bar.initial = self.bar.n = state.epoch * state.batches
            self.bar.bar_format = "{desc} {percentage:3.0f}% {bar} {remaining} left"
        self.bar.update()

    def _epoch_end(self, name: str, state: "TrainState") -> None:
        rows = (f"{split} {terms_text(state.history.last(split))}" for split in ("train", "test"))
        self.write(f"{name} epoch {state.epoch + 1}/{state.epochs}  {'  '.join(rows)}")
        if state.epoch + 1 == state.epochs:
            self.show(f"{name}: measuring")


def terms_text(row: dict[str, float]) -> str:
    """The terms of a row of a history, or metrics, as text."""
    return "  ".join(f"{name.replace('_', ' ')} {row[name]:.5g}" for name in row if name not in ("epoch", "split"))
