"""The still picture of a ``CodeCloud``: its codes drawn by matplotlib, for readers without a kernel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from mpl_toolkits.mplot3d import Axes3D

from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.cloud_state import CloudState
from ae_utils.widgets.markers import marker_paths

ELEVATION, AZIMUTHS = 20, (-60, 30)  # degrees; the page begins with the first view
LAYERS = 8  # of depth: nearer ones are drawn later, larger and less transparent
SIZE = 11  # points


def cloud_figure(cloud: CloudState) -> Figure:
    """Codes of two numbers, or those of three from two sides, in their box; how many lie outside stands below."""
    flat = cloud.z.shape[1] == 2
    figure = Figure(figsize=(6.4, 5.4) if flat else (10.0, 4.5))
    if flat:
        _draw_flat(figure.add_axes((0.11, 0.13, 0.68, 0.84)), cloud)
    else:
        for place, azimuth in enumerate(AZIMUTHS):
            box = (0.47 * place - 0.01, 0.05, 0.45, 1)
            _draw_turned(figure.add_axes(box, projection="3d", computed_zorder=False), cloud, azimuth)
    paths, labels = marker_paths(), np.unique(cloud.label)
    handles = [_legend_marker(paths[label], DIGIT_COLOURS[label]) for label in labels]
    names = [cloud.names[label] for label in labels]
    figure.legend(handles, names, loc="center right", fontsize=SIZE, frameon=False)
    figure.text(0.45, 0.015, cloud.note, ha="center", va="bottom", fontsize=SIZE)
    return figure


def _draw_flat(axis: Axes, cloud: CloudState) -> None:
    (left, bottom), (right, top) = cloud.low, cloud.high
    axis.set(xlim=(left, right), ylim=(bottom, top), xlabel="$z_1$", ylabel="$z_2$")
    _draw_points(axis.scatter, cloud, np.zeros(len(cloud.z)))


def _draw_turned(axis: Axes3D, cloud: CloudState, azimuth: float) -> None:
    limits = dict(zip(("xlim", "ylim", "zlim"), zip(cloud.low, cloud.high, strict=True), strict=True))
    axis.set(xlabel="$z_1$", ylabel="$z_2$", zlabel="$z_3$", **limits)
    axis.view_init(elev=ELEVATION, azim=azimuth)
    axis.set_box_aspect((1, 1, 1), zoom=0.95)
    axis.locator_params(nbins=5)
    side, up = np.deg2rad((azimuth, ELEVATION))
    towards_eye = np.array([np.cos(up) * np.cos(side), np.cos(up) * np.sin(side), np.sin(up)])
    in_box = 2 * (cloud.z - cloud.low) / (cloud.high - cloud.low) - 1
    _draw_points(axis.scatter, cloud, in_box @ towards_eye / 3**0.5, depthshade=False)


def _draw_points(scatter: Callable[..., object], cloud: CloudState, nearness: np.ndarray, **look: bool) -> None:
    """Layer after layer, from the farthest to the nearest; ``nearness`` (n,) is from -1 to 1 within the box."""
    layers = np.clip((nearness + 1) / 2 * LAYERS, 0, LAYERS - 1).astype(int)
    width = np.clip(5 * (2000 / len(cloud.z)) ** 0.25, 3, 9)  # points
    for layer in np.unique(layers):
        near = (layer + 0.5) / LAYERS
        for label, path in enumerate(marker_paths()):
            points = cloud.z[(layers == layer) & (cloud.label == label)]
            reach = 2 * np.abs(path.vertices).max()  # matplotlib makes every path 1 wide
            marker: dict[str, Any] = {
                "s": (width * reach * (0.7 + 0.6 * near)) ** 2,
                "color": DIGIT_COLOURS[label],
                "marker": path,
                "alpha": 0.35 + 0.6 * near,
                "edgecolors": "white",
                "linewidths": 0.3,
                "zorder": 3 + layer,
            }
            scatter(*points.T, **marker, **look)


def _legend_marker(path: Path, colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker=path, color=colour, markersize=9, markeredgewidth=0)
