"""``LivePlot``: learning curves that are redrawn while a training runs."""

import time
from collections.abc import Callable

import numpy as np
from IPython.display import DisplayHandle, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ae_utils import plots
from ae_utils.training.loop import TrainState
from ae_utils.widgets.png import png

POINTS_PER_EPOCH = 20
DRAWING_TIME = 0.05  # the fraction of the training time that drawing may take


class LivePlot:
    """One panel for each term, drawn while ``fit`` runs: ``fit(step, train, test, …, **live.hooks)``.

    The pale line is the mean over a twentieth of an epoch's batches; the points are the means of whole epochs, of the
    training images at the middle of the epoch, because the model improves while they are taken. The
    figure is redrawn at most every ``every`` seconds, and less often where drawing is slow; while training runs its
    title says how far it is, at the end what it came to. One plot can follow several trainings, each in a figure of
    its own. ``figure`` is the newest one.
    """

    def __init__(self, *, every: float = 0.3):
        self.every, self._next, self._done = every, 0.0, False
        self.figure: Figure | None = None
        self._handle: DisplayHandle | None = None
        self._batches: list[float] = []
        self._terms: dict[str, list[float]] = {}
        self._sums: dict[str, float] = {}
        self._count = 0
        self._lines: dict[tuple[str, str], Line2D] = {}

    @property
    def hooks(self) -> dict[str, tuple[Callable[[TrainState], None]]]:
        """The two hooks as arguments of ``fit``."""
        return {"on_batch_end": (self.batch_end,), "on_epoch_end": (self.epoch_end,)}

    def batch_end(self, state: TrainState) -> None:
        """After a batch: remember its terms, and redraw if it is time."""
        if self.figure is None or self._done:
            self._begin(state)
        for name, term in state.terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(term)
        self._count += 1
        if self._count >= state.batches / POINTS_PER_EPOCH or state.batch + 1 == state.batches:
            self._batches.append(state.epoch + (state.batch + 1) / state.batches)
            for name, total in self._sums.items():
                self._terms[name].append(total / self._count)
            self._sums, self._count = {}, 0
        fraction = (state.epoch + (state.batch + 1) / state.batches) / state.epochs
        self._draw(state, f"epoch {state.epoch + 1} of {state.epochs}, {fraction:.0%}")

    def epoch_end(self, state: TrainState) -> None:
        """After an epoch: redraw if it is time; after the last, leave the finished figure."""
        if state.epoch + 1 < state.epochs:
            return
        self._done, self._next = True, 0.0
        title = f"{state.epochs} epoch{'s' * (state.epochs > 1)}"
        newest = state.history.frame().groupby("split", sort=False).last()
        if "loss" in newest:  # a GAN has two losses, and none together
            title += ": loss " + ", ".join(f"{loss:.4g} ({split})" for split, loss in newest["loss"].items())
        self._draw(state, title)

    def _begin(self, state: TrainState) -> None:
        """An empty figure with a panel for each term."""
        self._batches, self._terms = [], {name: [] for name in state.terms}
        self._sums, self._count, self._done, self._handle, self._next = {}, 0, False, None, 0.0
        width, height = max(5.0, 4.0 * len(state.terms)), 3.3
        self.figure = figure = Figure(figsize=(width, height))
        figure.subplots_adjust(0.75 / width, 0.55 / height, 1 - 0.15 / width, 1 - 0.4 / height, wspace=0.28)
        self._lines = {}
        for name, axis in zip(state.terms, figure.subplots(1, len(state.terms), squeeze=False)[0], strict=True):
            axis.set(xlabel="epoch", ylabel=plots.TERM_NAMES.get(name, name.replace("_", " ")))
            axis.grid(alpha=0.3)
            axis.xaxis.get_major_locator().set_params(integer=True)
            (self._lines[name, "batches"],) = axis.plot([], [], color="C0", alpha=0.4)
            for split, style in (("train", "C0o-"), ("test", "C1o--")):
                (self._lines[name, split],) = axis.plot([], [], style, markersize=4)

    def _draw(self, state: TrainState, title: str) -> None:
        """Take the newest numbers into the figure and show it, unless it was shown just now."""
        began = time.monotonic()
        if began < self._next:
            return
        frame = state.history.frame()
        for (name, split), line in self._lines.items():
            if split == "batches":
                line.set_data(self._batches, self._terms[name])
            elif len(frame):
                rows = frame[frame["split"] == split]
                line.set_data(rows["epoch"] - plots.MEAN_AT[split], rows[name])
            if np.size(line.get_xdata()):
                line.set_label("train, within an epoch" if split == "batches" else split)
        assert self.figure is not None  # the first batch began it
        for axis in self.figure.axes:
            self._fit_axis(axis)
        self.figure.suptitle(title, fontsize=plots.SIZE + 1)
        self._show(self.figure)
        now = time.monotonic()
        self._next = now + max(self.every, (now - began) / DRAWING_TIME)

    @staticmethod
    def _fit_axis(axis: Axes) -> None:
        """Show everything but the steep start: a tenth of the pale line, which would flatten the rest."""
        batches, *means = (np.asarray(line.get_ydata()) for line in axis.lines)
        values = np.concatenate([batches[len(batches) // 10 :], *means])
        if len(values):
            margin = 0.05 * np.ptp(values) or 0.05 * abs(values[0]) or 0.05
            axis.set_ylim(values.min() - margin, values.max() + margin)
        axis.relim()
        axis.autoscale_view(scaley=False)
        if axis.get_legend_handles_labels()[0]:
            axis.legend()

    def _show(self, figure: Figure) -> None:
        shown = {"image/png": png(figure), "text/plain": "LivePlot: the training's curves"}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
