"""Pictures: rows of images, learning curves, maps of codes. Each takes tensors or data frames and returns a figure.

A returned figure is closed for pyplot: a cell that ends in it shows it once, and nothing piles up in memory.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

# Ten colours that colour-blind people can tell apart (Okabe and Ito, with three from Paul Tol).
DIGIT_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9",
    "#D55E00", "#8B8000", "#000000", "#882255", "#999999",
)  # fmt: skip
SIZE = 11  # points
TERM_NAMES = {"loss": "loss", "kl": "KL"}


def image_rows(rows: Sequence[Tensor], titles: Sequence[str] = (), *, title: str = "", scale: float = 0.9) -> Figure:
    """Rows of images, each a tensor (n, 1, h, w) in [0, 1], with a title at the left of each row.

    Raises ``ValueError`` when titles are given, but not one for each row.
    """
    if titles and len(titles) != len(rows):
        raise ValueError(f"image_rows expects {len(rows)} titles, one for each row, but got {len(titles)}.")
    columns = max(len(row) for row in rows)
    margin = max((len(name) for name in titles), default=0) * SIZE * 0.0088  # inches
    head = 0.4 if title else 0.0
    width, height = columns * scale + margin, len(rows) * scale + head
    figure, axes = plt.subplots(len(rows), columns, figsize=(width, height), squeeze=False)
    left, top = margin / width, 1 - head / height
    figure.subplots_adjust(left=left, right=1, bottom=0, top=top, wspace=0.06, hspace=0.06)
    for row, line in zip(axes, rows, strict=True):
        for index, axis in enumerate(row):
            axis.axis("off")
            if index < len(line):
                axis.imshow(_picture(line[index]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for row, name in zip(axes, titles, strict=False):
        row[0].annotate(name, (-0.08, 0.5), xycoords="axes fraction", ha="right", va="center", fontsize=SIZE)
    if title:
        figure.text((1 + left) / 2, 1 - head / height / 2, title, ha="center", va="center", fontsize=SIZE + 1)
    return _closed(figure)


def reconstructions(x: Tensor, x_hat: Tensor, *, title: str = "", count: int = 9) -> Figure:
    """``count`` originals over their reconstructions."""
    return image_rows((x[:count], x_hat[:count]), ("original", "reconstruction"), title=title)


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
    axis.imshow(mosaic, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.axis("off")
    if title:
        axis.set_title(title, fontsize=SIZE + 1)
    return _closed(figure)


def curves(frame, terms: Sequence[str] | None = None, *, title: str = "", log: bool = False) -> Figure:
    """One panel a term of a ``History.frame()``: training and test means against the epoch."""
    terms = list(terms or [name for name in frame.columns if name not in ("epoch", "split")])
    figure, axes = plt.subplots(1, len(terms), figsize=(max(5.0, 4.0 * len(terms)), 3.3), squeeze=False)
    for axis, term in zip(axes[0], terms, strict=True):
        for split, style in (("train", "-"), ("test", "--")):
            part = frame[frame["split"] == split]
            if len(part):
                axis.plot(part["epoch"], part[term], style, marker="o", markersize=4, label=split)
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

    Raises ``ValueError`` for codes of another width.
    """
    if z.ndim != 2 or z.shape[1] not in (2, 3):
        raise ValueError(f"scatter_codes expects codes of shape (n, 2) or (n, 3), but got {tuple(z.shape)}.")
    z, labels = np.asarray(z), np.asarray(labels)
    flat = z.shape[1] == 2
    views = (None,) if flat else angles
    figure = plt.figure(figsize=(6.4 if flat else 4.6 * len(views) + 0.9, 5.2 if flat else 4.6))
    for index, view in enumerate(views):
        axis = figure.add_subplot(1, len(views), index + 1, projection=None if flat else "3d")
        for digit in range(10):
            points = z[labels == digit]
            axis.scatter(*points.T, s=3, alpha=0.5, lw=0, c=DIGIT_COLOURS[digit], label=str(digit), rasterized=True)
        axis.set(xlabel="$z_1$", ylabel="$z_2$")
        if not flat:
            axis.set(zlabel="$z_3$")
            axis.view_init(elev=20, azim=view)
    handles, names = axis.get_legend_handles_labels()
    figure.subplots_adjust(left=0.1 if flat else 0.0, right=0.86 if flat else 0.88, bottom=0.1, top=0.92, wspace=0.05)
    figure.legend(handles, names, title="digit", loc="center right", markerscale=5, fontsize=SIZE)
    if title:
        figure.suptitle(title, fontsize=SIZE + 1)
    return _closed(figure)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG without software stamps: the same figure gives the same bytes."""
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _picture(image: Tensor) -> np.ndarray:
    return image.detach().squeeze(0).float().cpu().numpy()


def _closed(figure: Figure) -> Figure:
    plt.close(figure)
    return figure
