"""The scoreboard's figures: quality against cost, and the same five digits through every model."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from torch import Tensor

from ae_utils.course.scoreboard.measure import EvaluatedModel
from ae_utils.metrics.images import reconstruct
from ae_utils.plots import DIGIT_COLOURS, GREY, SIZE

COSTS = {
    "mse": "squared error per pixel (less is better)",
    "frechet_samples": "Fréchet distance of samples (less is better)",
}
FEW, COLUMNS = 5, 4
CODE_SIZES = (3, 64, 1024)  # in the legend
DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))


def strip(evaluated: EvaluatedModel) -> Tensor:
    """A model's reconstructions of the first five test images → (5, 1, 28, 28); of a GAN five samples."""
    few = evaluated.context.test[:FEW]
    return reconstruct(evaluated.model, few) if evaluated.reconstructs else evaluated.draw(few.label)


def five_digits(x: Tensor, made: Mapping[str, Tensor]) -> Figure:
    """The first of ``x`` (n, 1, 28, 28) and each model's reconstructions of them, by name; four strips per row."""
    strips = {"original": x[:FEW], **made}
    rows = -(-len(strips) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(10.4, 0.82 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, images) in zip(axes.flat, strips.items(), strict=False):
        axis.imshow(torch.cat(tuple(images[:, 0]), 1), vmin=0, vmax=1, **GREY)
        axis.set_title(name, fontsize=SIZE, pad=3)
    plt.close(figure)
    return figure


def unbeaten(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that no other beats, by rising cost: none needs fewer CPU-seconds and has as small a ``column``."""
    ordered = table[table[column].notna()].sort_values(["cpu_seconds", column])
    return ordered[ordered[column] < ordered[column].cummin().shift(fill_value=float("inf"))]


def against_cost(table: pd.DataFrame, column: str) -> Figure:
    """One named point per recipe: CPU-seconds of its training, and ``column``, on logarithmic axes.

    The larger a mark, the larger the code; a staircase joins the recipes that no other beats in both.
    """
    table = table[table[column].notna()]
    figure, axis = plt.subplots(figsize=(9.6, 7), layout="constrained")
    marks: dict[str, Any] = {}
    for colour, own, name in ((0, False, "published system"), (5, True, "the course's own")):
        part = table[(table["system"] == 0) == own]
        look: dict[str, Any] = {"c": DIGIT_COLOURS[colour], "lw": 0, "alpha": 0.75}
        axis.scatter(part["cpu_seconds"], part[column], s=part["latent_dim"].map(_mark_area), zorder=3, **look)
        marks[name] = axis.scatter([], [], s=60, **look)
    for size in CODE_SIZES:
        marks[f"code size {size:,}"] = axis.scatter([], [], s=_mark_area(size), c="white", edgecolors="black")
    axis.set(xscale="log", yscale="log", xlabel="CPU-seconds of training", ylabel=COSTS[column])
    axis.margins(0.12)
    axis.grid(alpha=0.3, which="both")
    front = unbeaten(table, column)[["cpu_seconds", column]]
    steps = pd.concat([front, front.tail(1).assign(cpu_seconds=axis.get_xlim()[1])])
    (marks["beaten by nobody"],) = axis.step(*steps.to_numpy().T, where="post", c="0.82", lw=4, zorder=1)
    axis.set_xlim(axis.get_xlim()[0], steps["cpu_seconds"].iloc[-1])
    figure.legend([*marks.values()], [*marks], loc="outside lower center", ncols=3, fontsize=SIZE)
    name_points(axis, table.sort_values("cpu_seconds", ascending=False).set_index("recipe")[["cpu_seconds", column]])
    plt.close(figure)
    return figure


def _mark_area(latent_dim: float) -> float:
    """In square points: it grows with the logarithm, since codes have between 2 and some 1,500 numbers."""
    return 24 + 24 * math.log2(latent_dim)


def name_points(axis: Axes, points: pd.DataFrame) -> None:
    """Write each row's name beside its point (two columns), where it covers neither a point nor another name."""
    axis.figure.canvas.draw()
    pixels, taken = axis.transData.transform(points.to_numpy()), list[Bbox]()
    for name, *at in points.itertuples():
        for far, (right, up) in product((10, 17, 26, 38, 52, 68, 86), DIRECTIONS):
            text = axis.annotate(
                name, at, (right * far, up * far * 0.8), textcoords="offset points", fontsize=SIZE - 1,
                ha=("center", "left", "right")[right], va=("center", "bottom", "top")[up],
                arrowprops={"arrowstyle": "-", "lw": 0.6, "color": "gray", "shrinkB": 3} if far > 10 or up else None,
            )  # fmt: skip
            text.update_positions(axis.figure.canvas.get_renderer())  # type: ignore[attr-defined] # pyplot's has one
            box = Text.get_window_extent(text).padded(4)  # without the line to the point
            near = box.padded(4).count_contains(pixels)  # a name beside two points could be either's
            free = not near and not any(box.overlaps(other) for other in taken)
            if free and axis.bbox.containsx(box.x0) and axis.bbox.containsx(box.x1):
                break
            text.remove()
        taken.append(box)
