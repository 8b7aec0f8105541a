"""Figures: rows of images, learning curves, scatter plots of codes; from tensors and data frames.

A returned figure is closed for pyplot: a cell that ends in it shows it once, and nothing piles up in memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd

# Ten colours that colour-blind people can tell apart (Okabe and Ito, with three from Paul Tol).
DIGIT_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9",
    "#D55E00", "#8B8000", "#000000", "#882255", "#999999",
)  # fmt: skip
SIZE = 11  # points
MEAN_AT = {"train": 0.5, "test": 0.0}  # epochs before its end: an epoch's train mean belongs to its middle
TERM_NAMES = {"loss": "loss", "kl": "KL", "l1": "L1", "jacobian": "squared Jacobian"}
GREY: dict[str, Any] = {"cmap": "gray", "interpolation": "nearest"}  # black is low, white is high
SIGNED: dict[str, Any] = {"cmap": "RdBu_r", "interpolation": "nearest"}  # red is above 0, blue is below


def image_rows(
    rows: Sequence[Tensor],
    titles: Sequence[str] = (),
    *,
    columns: Sequence[str] = (),
    title: str = "",
    scale: float = 0.9,
) -> Figure:
    """Rows of images, each a tensor (n, 1, h, w) in [0, 1], with ``titles`` at the left and ``columns`` above them.

    Raises ``InvalidInput`` when titles are given, but not one for each row or each column.
    """
    if titles and len(titles) != len(rows):
        raise InvalidInput(f"image_rows expects {len(rows)} titles, one for each row, but got {len(titles)}.")
    count = max(len(row) for row in rows)
    if columns and len(columns) != count:
        raise InvalidInput(f"image_rows expects {count} columns, a title above each, but got {len(columns)}.")
    margin = (max(len(name) for name in titles) * SIZE * 0.0088 + 0.1) if titles else 0.0  # inches
    head, above = 0.4 if title else 0.0, 0.3 if columns else 0.0
    width, height = count * scale + margin, len(rows) * scale + head + above
    figure, axes = plt.subplots(len(rows), count, figsize=(width, height), squeeze=False)
    left = margin / width
    figure.subplots_adjust(left=left, right=1, bottom=0, top=1 - (head + above) / height, wspace=0.06, hspace=0.06)
    for row, line in zip(axes, rows, strict=True):
        for index, axis in enumerate(row):
            axis.axis("off")
            if index < len(line):
                axis.imshow(_picture(line[index]), vmin=0, vmax=1, **GREY)
    for row, name in zip(axes, titles, strict=False):
        row[0].annotate(name, (-0.08, 0.5), xycoords="axes fraction", ha="right", va="center", fontsize=SIZE)
    for axis, name in zip(axes[0], columns, strict=False):
        axis.set_title(name, fontsize=SIZE)
    if title:
        figure.text((1 + left) / 2, 1 - head / height / 2, title, ha="center", va="center", fontsize=SIZE + 1)
    return _closed(figure)


def reconstructions(x: Tensor, x_hat: Tensor, *, title: str = "", count: int = 9) -> Figure:
    """``count`` originals over their reconstructions."""
    return image_rows((x[:count], x_hat[:count]), ("original", "reconstruction"), title=title)


def differences(
    x: Tensor, *reconstructed: Tensor, titles: Sequence[str] = ("reconstruction",), count: int = 9
) -> Figure:
    """``count`` originals, then each reconstruction and its difference from them: red too bright, blue too dark.

    All are tensors (n, 1, h, w) in [0, 1], with one of ``titles`` for each reconstruction.
    """
    rows, names = [x[:count]], ["original"]
    for x_hat, name in zip(reconstructed, titles, strict=True):
        rows += [x_hat[:count], x_hat[:count] - x[:count]]
        names += [name, "difference"]
    figure = image_rows(rows, names)
    for index, axis in enumerate(figure.axes):
        row = index // len(rows[0])
        if row and row % 2 == 0:
            axis.images[0].set(cmap=SIGNED["cmap"], clim=(-0.5, 0.5))
    return figure


def feature_maps(maps: Tensor, *, columns: int = 8, title: str = "", scale: float = 0.9) -> Figure:
    """The feature maps (channels, h, w) of a layer for one image; black is 0, white the largest activation."""
    return _tiles(maps, columns, title, scale, {**GREY, "vmin": 0, "vmax": float(maps.detach().max())})


def filters(weight: Tensor, *, columns: int = 8, title: str = "", scale: float = 0.7) -> Figure:
    """Kernels (n, 1, h, w) or (n, h, w): red is positive, blue negative, white 0; all on one scale."""
    top = float(weight.detach().abs().max())
    return _tiles(weight.flatten(0, -3), columns, title, scale, {**SIGNED, "vmin": -top, "vmax": top})


def image_grid(images: Tensor, columns: int, *, title: str = "", scale: float = 0.55) -> Figure:
    """Images (n, 1, h, w) in [0, 1], as one mosaic with ``columns`` a row: a sheet of samples, a latent map."""
    rows = -(-len(images) // columns)
    mosaic = np.ones((rows * images.shape[2], columns * images.shape[3]))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        height, width = image.shape[1:]
        mosaic[row * height : (row + 1) * height, column * width : (column + 1) * width] = _picture(image)
    head = 0.4 if title else 0.0
    figure = plt.figure(figsize=(columns * scale, rows * scale + head))
    axis = figure.add_axes((0, 0, 1, rows * scale / (rows * scale + head)))
    axis.imshow(mosaic, vmin=0, vmax=1, **GREY)
    axis.axis("off")
    if title:
        axis.set_title(title, fontsize=SIZE + 1)
    return _closed(figure)


def curves(frame: "pd.DataFrame", terms: Sequence[str] | None = None, *, title: str = "", log: bool = False) -> Figure:
    """One panel per term of a ``History.frame()``: train means at the middle of each epoch, test means at its end."""
    terms = list(terms or [name for name in frame.columns if name not in ("epoch", "split")])
    figure, axes = plt.subplots(1, len(terms), figsize=(max(5.0, 4.0 * len(terms)), 3.3), squeeze=False)
    for axis, term in zip(axes[0], terms, strict=True):
        for split, style in (("train", "-"), ("test", "--")):
            part = frame[frame["split"] == split]
            if len(part):
                axis.plot(part["epoch"] - MEAN_AT[split], part[term], style, marker="o", markersize=4, label=split)
        axis.set(xlabel="epoch", ylabel=TERM_NAMES.get(term, term.replace("_", " ")))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        if log:
            axis.set_yscale("log")
        axis.legend()
    if title:
        figure.suptitle(title, fontsize=SIZE + 1)
    figure.tight_layout()
    return _closed(figure)


def scatter_codes(z: Tensor, labels: Tensor, *, title: str = "", angles: Sequence[int] = (-60, 30)) -> Figure:
    """Codes (n, 2) or (n, 3) coloured by digit; three dimensions are shown from two ``angles`` (azimuths, degrees).

    Raises ``InvalidInput`` for codes of another width.
    """
    if z.ndim != 2 or z.shape[1] not in (2, 3):
        raise InvalidInput(f"scatter_codes expects codes of shape (n, 2) or (n, 3), but got {tuple(z.shape)}.")
    codes, digits = (torch.as_tensor(part).detach().cpu().numpy() for part in (z, labels))
    flat, size = z.shape[1] == 2, 5 if len(z) >= 10_000 else 10
    look: dict[str, Any] = {"s": size, "alpha": 0.6, "lw": 0, "rasterized": True}
    views = (None,) if flat else angles
    figure = plt.figure(figsize=(6.4, 5.2) if flat else (4.4 * len(views) + 0.9, 4.4))
    for index, view in enumerate(views):
        axis = figure.add_subplot(1, len(views), index + 1, projection=None if flat else "3d")
        for digit in range(10):
            points = codes[digits == digit]
            axis.scatter(*points.T, **look | {"c": DIGIT_COLOURS[digit], "label": str(digit)})
        axis.set(xlabel="$z_1$", ylabel="$z_2$")
        if isinstance(axis, Axes3D):
            axis.set(zlabel="$z_3$")
            axis.view_init(elev=20, azim=view)
            axis.locator_params(nbins=5)
            axis.set_box_aspect(None, zoom=0.9)
    handles, names = axis.get_legend_handles_labels()
    edges = (0.1, 0.86, 0.1, 0.92) if flat else (0.0, 0.9, 0.02, 0.98)
    figure.subplots_adjust(**dict(zip(("left", "right", "bottom", "top"), edges, strict=True)), wspace=0.05)
    legend = figure.legend(handles, names, title="digit", loc="center right", markerscale=4, fontsize=SIZE)
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1)
    if title:
        figure.suptitle(title, fontsize=SIZE + 1)
    return _closed(figure)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG without software stamps: the same figure gives the same bytes."""
    with atomic_write(path) as beside:
        figure.savefig(beside, format="png", dpi=100, metadata={"Software": None})


def _tiles(images: Tensor, columns: int, title: str, scale: float, look: dict[str, Any]) -> Figure:
    """Images (n, h, w) side by side with white between, all drawn with the same ``look``."""
    rows = -(-len(images) // columns)
    head = 0.4 if title else 0.0
    height = rows * scale + head
    figure, axes = plt.subplots(rows, columns, figsize=(columns * scale, height), squeeze=False)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1 - head / height, wspace=0.08, hspace=0.08)
    for index, axis in enumerate(axes.flat):
        axis.axis("off")
        if index < len(images):
            axis.imshow(images[index].detach().float().cpu().numpy(), **look)
    if title:
        figure.text(0.5, 1 - head / height / 2, title, ha="center", va="center", fontsize=SIZE + 1)
    return _closed(figure)


def _picture(image: Tensor) -> np.ndarray:
    return image.detach().squeeze(0).float().cpu().numpy()


def _closed(figure: Figure) -> Figure:
    plt.close(figure)
    return figure
