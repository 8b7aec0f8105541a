"""``Follow``: an explorer that follows a training, and a ``Player`` that goes back through it."""

from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.plots import DIGIT_COLOURS, GREY
from ae_utils.training.loop import TrainState
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.markers import marker_paths
from ae_utils.widgets.player import Player
from ae_utils.widgets.state import ExplorerState

SHARE = 0.05  # the fraction of the training's time that the updates may take
POINT, MARGIN = 4, 0.06  # a point's width in points; around the sliders' ranges, as a fraction of them


class Moment(NamedTuple):
    """What an explorer showed after so many ``epochs``: a code (latent_dim,) and its image (1, height, width)."""

    epochs: float
    shown: ExplorerState
    z: Tensor
    image: Tensor


class Follow:
    """A hook of ``fit`` for an explorer of the model in training: ``fit(step, train, …, on_batch_end=[follow])``.

    The explorer, displayed in a cell above, follows the weights: the picture, the map, and the chosen code along with
    the image that it is the code of. After an update that took t seconds the next one waits for 19·t, so that all of
    them take a twentieth of the time; the last batch has one anyway. The training's result is the same, to the bit.
    Afterwards ``player()`` goes back through it.
    """

    def __init__(self, explorer: LatentExplorer, *, frames: int = 40):
        """At most ``frames`` moments are kept, evenly distributed over the training; a second training replaces them.

        Raises ``InvalidInput`` for fewer than two, and for an explorer that cannot ``update``, with the reason.
        """
        if frames < 2:
            raise InvalidInput(f"frames must be at least 2, but got {frames}.")
        self.explorer, self.frames = explorer, frames
        self._moments: list[Moment] = []
        self._next = 0.0
        codes = explorer.update().codes
        self._chosen = None if codes is None else int((codes - torch.tensor(explorer.z)).norm(dim=1).argmin())

    def __call__(self, state: TrainState) -> None:
        """After a batch: update the explorer if it is time, or if it was the last batch."""
        epochs = state.epoch + (state.batch + 1) / state.batches
        began = monotonic()
        if began < self._next and epochs < state.epochs:
            return
        with suppress(InvalidInput):  # weights that are not finite: fit itself says so, at the end of the epoch
            self._keep(epochs, self.explorer.update())
        ended = monotonic()
        self._next = ended + (ended - began) * (1 / SHARE - 1)

    def player(self) -> Player:
        """The moments kept: the decoded image, beside it the map of two dimensions where the explorer has one.

        Raises ``InvalidInput`` before any training.
        """
        if not self._moments:
            raise InvalidInput("There is nothing to play yet: give this Follow to fit first, in on_batch_end.")
        captions = [f"after {moment.epochs:.2f} epochs" for moment in self._moments]
        first = self._moments[0].shown
        mapped = first.codes is not None and first.latent_dim > 1
        frames = map(_figure, self._moments) if mapped else (moment.image for moment in self._moments)
        return Player(frames, captions, columns=3 if mapped else 6)

    def _keep(self, epochs: float, shown: ExplorerState) -> None:
        """Keep this moment; of too many, the one whose neighbours are closest together goes."""
        if self._moments and epochs <= self._moments[-1].epochs:
            self._moments = []  # another training
        explorer, codes = self.explorer, shown.codes
        z = torch.tensor(explorer.z) if codes is None else codes[self._chosen]
        image = shown.decode(z[None], () if explorer.label is None else (explorer.label,))[0]
        self._moments.append(Moment(epochs, shown, z, image))
        if len(self._moments) > self.frames:
            times = [moment.epochs for moment in self._moments]
            gaps = [later - earlier for earlier, later in zip(times, times[2:], strict=False)]
            del self._moments[1 + gaps.index(min(gaps))]


def _figure(moment: Moment) -> Figure:
    """The decoded image, and the map with a cross at its code, within the sliders' ranges at that moment."""
    shown, figure = moment.shown, Figure(figsize=(6.2, 2.9))
    picture, pad = figure.add_axes((0.01, 0.17, 0.36, 0.8)), figure.add_axes((0.46, 0.17, 0.43, 0.8))
    picture.imshow(moment.image[0], vmin=0, vmax=1, **GREY)
    picture.axis("off")
    axes = shown.order[:2]
    _draw_codes(pad, shown, axes)
    low, high, z = (part[axes] for part in (shown.low, shown.high, moment.z))
    margin = MARGIN * (high - low)
    limits = torch.stack((low - margin, high + margin), 1).tolist()
    across, up = (f"$z_{{{axis + 1}}}$" for axis in axes)
    pad.set(xlim=limits[0], ylim=limits[1], xlabel=across, ylabel=up)
    pad.locator_params(nbins=4)
    for colour, width in (("white", 4), ("black", 1.6)):
        pad.plot(*z, "+", markersize=16, markeredgewidth=width, color=colour)
    if shown.labels is not None:
        figure.legend(loc="center right", markerscale=1.8, handletextpad=0, frameon=False)
    return figure


def _draw_codes(pad: Axes, shown: ExplorerState, axes: list[int]) -> None:
    """The map's codes as points; with labels in their colours and shapes."""
    assert shown.codes is not None  # there is a map
    across, up = shown.codes[:, axes].T.numpy()
    if shown.labels is None:
        pad.scatter(across, up, s=POINT**2, color="#777", alpha=0.6, linewidths=0)
        return
    for label, path in enumerate(marker_paths()):
        those = shown.labels.numpy() == label
        reach = 2 * np.abs(path.vertices).max()  # matplotlib makes every path 1 wide
        look: dict[str, Any] = {"marker": path, "color": DIGIT_COLOURS[label], "alpha": 0.6, "linewidths": 0}
        pad.scatter(across[those], up[those], s=(POINT * reach) ** 2, label=str(label), **look)
