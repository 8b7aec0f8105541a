"""The frames of a ``Player``: figures or images as PNGs of one size, and a sheet of some of them."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.widgets.png import image_png, png, png_size

MOST_BYTES, MOST_SHEET_BYTES = 3_000_000, 200_000
IMAGE_SIDE = 224  # about how many pixels an enlarged image is high or wide
SHEET_WIDTH = 9.6  # inches
TITLE_SIZE, CAPTION_SIZE = 12, 10  # points
TOLERANCE = 1e-3  # rounding may carry an image a little out of [0, 1]
Frames = Tensor | Iterable[Figure | Tensor]


def frame_pngs(frames: Frames) -> list[bytes]:
    """Each frame as a PNG: figures at 100 dpi, images (n, 1, h, w) in [0, 1] enlarged by a whole number.

    Figures are closed for pyplot, so that a cell does not show them once more. Raises ``InvalidInput`` where there are
    no frames, something else than figures and images, frames of different sizes, or more than 3 MB.
    """
    pngs = [_frame_png(frame, number) for number, frame in enumerate(frames)]
    if not pngs:
        raise InvalidInput("A player needs at least one frame, but got none.")
    sizes = [png_size(data) for data in pngs]
    for number, size in enumerate(sizes):
        if size != sizes[0]:
            first, other = ("×".join(map(str, pixels)) for pixels in (sizes[0], size))
            raise InvalidInput(
                f"Frames must have one size in pixels, but frame 0 has {first} and frame {number} has {other}."
            )
    total = sum(map(len, pngs))
    if total > MOST_BYTES:
        raise InvalidInput(
            f"The frames make {total / 1e6:.1f} MB of PNG, and a player holds at most {MOST_BYTES / 1e6:.0f} MB: "
            "take fewer or smaller ones."
        )
    return pngs


def frame_sheet(pngs: Sequence[bytes], captions: Sequence[str] = (), title: str = "", columns: int = 6) -> bytes:
    """At most ``columns`` evenly chosen frames side by side, their captions below: a PNG of at most 200 kB."""
    chosen = np.linspace(0, len(pngs) - 1, min(columns, len(pngs))).round().astype(int)
    width, height = png_size(pngs[0])
    side = min(width / 100, SHEET_WIDTH / len(chosen))  # inches; a frame is never enlarged
    letters = max(8, int(side * 72 / (0.55 * CAPTION_SIZE)))
    texts = [textwrap.fill(captions[i], letters) for i in chosen] if captions else []
    foot = (max(text.count("\n") for text in texts) + 1) * CAPTION_SIZE * 1.3 / 72 + 0.1 if texts else 0.0
    head = TITLE_SIZE * 1.8 / 72 if title else 0.0
    total = side * len(chosen), head + side * height / width + foot
    figure = Figure(figsize=total)
    for column, frame in enumerate(chosen):
        left, gap = column / len(chosen), 0.01 / len(chosen)
        axis = figure.add_axes((left + gap, foot / total[1], 1 / len(chosen) - 2 * gap, 1 - (head + foot) / total[1]))
        axis.imshow(np.asarray(Image.open(io.BytesIO(pngs[frame])).convert("RGB")))
        axis.axis("off")
    look: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    for column, text in enumerate(texts):
        place = (column + 0.5) / len(chosen), (foot - 0.05) / total[1]
        figure.text(*place, text, fontsize=CAPTION_SIZE, **look)
    if title:
        figure.text(0.5, 1 - 0.05 / total[1], title, fontsize=TITLE_SIZE, **look)
    return _small_png(figure)


def _frame_png(frame: object, number: int) -> bytes:
    if isinstance(frame, Figure):
        plt.close(frame)
        return png(frame)
    if not isinstance(frame, Tensor):
        raise InvalidInput(f"Frames must be figures or images (n, 1, h, w), but frame {number} is {frame!r:.60}.")
    image = frame.detach().float().cpu()
    if image.ndim != 3 or image.shape[0] != 1 or not image.numel():
        raise InvalidInput(f"Images must have the shape (n, 1, h, w), but frame {number} has {tuple(image.shape)}.")
    if not (torch.isfinite(image).all() and image.min() >= -TOLERANCE and image.max() <= 1 + TOLERANCE):
        raise InvalidInput(f"Images must be in [0, 1], but frame {number} is not.")
    return image_png(image.clamp(0, 1), max(1, round(IMAGE_SIDE / max(image.shape))))


def _small_png(figure: Figure) -> bytes:
    """The figure at 100 dpi, or at as many as 200 kB allow."""
    dpi = 100.0
    while len(data := png(figure, dpi)) > MOST_SHEET_BYTES:
        dpi *= 0.85
    return data
