"""``Follow``: an explorer that follows a training, and a ``Player`` that goes back through it."""

from contextlib import suppress
from time import monotonic

import torch

from ae_utils.errors import InvalidInput
from ae_utils.training.loop import TrainState
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.follow_figure import Snapshot, snapshot_figure
from ae_utils.widgets.player import Player
from ae_utils.widgets.state import ExplorerState

FRACTION = 0.05  # the fraction of the training's time that the updates may take


class Follow:
    """A hook of ``fit`` for an explorer of the model in training: ``fit(step, train, …, on_batch_end=[follow])``.

    The explorer, displayed in a cell above, follows the weights: the picture, the map, and the chosen code along with
    the image that it is the code of. After an update that took t seconds the next one waits for 19·t, so that all of
    them take a twentieth of the time; the last batch has one anyway. The training's result is the same, to the bit.
    Afterwards ``player()`` goes back through it.
    """

    def __init__(self, explorer: LatentExplorer, *, frames: int = 40):
        """At most ``frames`` snapshots are kept, evenly distributed over the training; a second training replaces them.

        Raises ``InvalidInput`` for fewer than two, and, with the reason, for an explorer that cannot ``update``.
        """
        if not isinstance(explorer, LatentExplorer):
            raise InvalidInput(f"explorer must be a LatentExplorer, but got {type(explorer).__name__}.")
        if frames < 2:
            raise InvalidInput(f"frames must be at least 2, but got {frames}.")
        self.explorer, self.frames = explorer, frames
        self._snapshots: list[Snapshot] = []
        self._next = 0.0
        self._chosen = explorer.nearest()
        explorer.update()

    def __call__(self, state: TrainState) -> None:
        """After a batch: update the explorer if it is time, or if it was the last batch."""
        epochs = state.epoch + (state.batch + 1) / state.batches
        began = monotonic()
        if began < self._next and epochs < state.epochs:
            return
        with suppress(InvalidInput):  # weights that are not finite: fit itself says so, at the end of the epoch
            self._keep(epochs, self.explorer.update())
        ended = monotonic()
        self._next = ended + (ended - began) * (1 / FRACTION - 1)

    def player(self) -> Player:
        """The snapshots kept: the decoded image, beside it the map of two dimensions where the explorer has one.

        Raises ``InvalidInput`` before any training.
        """
        if not self._snapshots:
            raise InvalidInput("There is nothing to play yet: give this Follow to fit first, in on_batch_end.")
        captions = [f"after {snapshot.epochs:.2f} epochs" for snapshot in self._snapshots]
        first = self._snapshots[0].shown
        mapped = first.codes is not None and first.latent_dim > 1
        frames = map(snapshot_figure, self._snapshots) if mapped else (snapshot.image for snapshot in self._snapshots)
        return Player(frames, captions, columns=3 if mapped else 6)

    def _keep(self, epochs: float, shown: ExplorerState) -> None:
        """Keep this snapshot; of too many, the one whose neighbours are closest together goes."""
        if self._snapshots and epochs <= self._snapshots[-1].epochs:
            self._snapshots = []  # another training
        explorer, codes = self.explorer, shown.codes
        z = torch.tensor(explorer.z) if codes is None else codes[self._chosen]
        image = shown.decode(z[None], () if explorer.label is None else (explorer.label,))[0]
        self._snapshots.append(Snapshot(epochs, shown, z, image))
        if len(self._snapshots) > self.frames:
            times = [snapshot.epochs for snapshot in self._snapshots]
            gaps = [later - earlier for earlier, later in zip(times, times[2:], strict=False)]
            del self._snapshots[1 + gaps.index(min(gaps))]
