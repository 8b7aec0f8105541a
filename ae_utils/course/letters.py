"""Letters drawn like MNIST's digits, from the fonts that come with matplotlib: images like no digit."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ae_utils.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path

LETTERS = "ABCDEFGHKMNPRTWXY"  # that are no digits: not I, J, L, O, Q, S, U, V and Z, which may pass for one
FAMILIES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")
SIDE, BOX, FINE = 28, 20, 8  # pixels; the letter fits a box of 20, as MNIST's digits do; points per pixel and axis


def letters(text: str = LETTERS, families: Iterable[str] = FAMILIES) -> Tensor:
    """Each letter in each family, upright and oblique, normal and bold → (n, 1, 28, 28) in [0, 1].

    White on black, scaled to a box of 20 × 20 pixels and shifted so that the centre of mass lies in the middle, as
    MNIST's digits are (LeCun and others 1998). Raises ``InvalidInput`` for a character that leaves no ink.
    """
    from matplotlib.font_manager import FontProperties

    if not text or any(letter.isspace() for letter in text):
        raise InvalidInput(f"letters expects characters that leave ink, but got {text!r}.")
    faces = [
        FontProperties(family=family, weight=weight, style=style)
        for family in families
        for weight in ("normal", "bold")
        for style in ("normal", "oblique")
    ]
    return torch.stack([_drawn(letter, face) for letter in text for face in faces]).unsqueeze(1)


def _drawn(letter: str, face: "FontProperties") -> Tensor:
    """One letter → (28, 28): the fraction of each pixel that its outline covers."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), letter, size=100, prop=face)
    loops = [Path(loop) for loop in outline.to_polygons()]
    low, high = outline.vertices.min(0), outline.vertices.max(0)
    unit = (high - low).max() / BOX  # of the font, per pixel
    centre = (low + high) / 2
    for _ in range(2):  # about the middle of the box, then about the centre of mass
        image = _covered(loops, centre, unit)
        rows, columns = np.indices(image.shape) - (SIDE - 1) / 2
        centre = centre + unit * np.array([(image * columns).sum(), -(image * rows).sum()]) / image.sum()
    return torch.from_numpy(_covered(loops, centre, unit)).float()


def _covered(loops: "list[Path]", centre: np.ndarray, unit: float) -> np.ndarray:
    steps = (np.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2  # in pixels, from the middle
    x, y = np.meshgrid(steps, -steps)  # y grows upwards in a font
    points = np.stack([x.ravel(), y.ravel()], 1) * unit + centre
    inside = np.zeros(len(points), bool)
    for loop in loops:  # a loop within another is a hole
        inside ^= loop.contains_points(points)
    return inside.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3))
