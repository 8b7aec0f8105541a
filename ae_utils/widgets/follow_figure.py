"""A snapshot of a training that an explorer followed, and its picture: a frame of the ``Player``."""

from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ae_utils.plots import DIGIT_COLOURS, GREY
from ae_utils.widgets.markers import marker_paths
from ae_utils.widgets.state import ExplorerState

POINT, MARGIN = 4, 0.06  # a point's width in points; around the sliders' ranges, as a fraction of them


class Snapshot(NamedTuple):
    """What an explorer showed after so many ``epochs``: a code (latent_dim,) and its image (1, height, width)."""

    epochs: float
    shown: ExplorerState
    z: Tensor
    image: Tensor


def snapshot_figure(snapshot: Snapshot) -> Figure:
    """The decoded image, and the map with a cross at its code: the sliders' ranges then, and further where it lies."""
    shown, figure = snapshot.shown, Figure(figsize=(6.4, 2.9))
    picture, pad = figure.add_axes((0.01, 0.17, 0.35, 0.8)), figure.add_axes((0.5, 0.17, 0.4, 0.8))
    picture.imshow(snapshot.image[0], vmin=0, vmax=1, **GREY)
    picture.axis("off")
    axes = shown.order[:2]
    _draw_codes(pad, shown, axes)
    low, high, z = (part[axes] for part in (shown.low, shown.high, snapshot.z))
    low, high = low.minimum(z), high.maximum(z)
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
    paths, labels = marker_paths(), shown.labels.numpy()
    for label in np.unique(labels):
        those, path = labels == label, paths[label]
        reach = 2 * np.abs(path.vertices).max()  # matplotlib makes every path 1 wide
        look: dict[str, Any] = {"marker": path, "color": DIGIT_COLOURS[label], "alpha": 0.6, "linewidths": 0}
        pad.scatter(across[those], up[those], s=(POINT * reach) ** 2, label=str(label), **look)
