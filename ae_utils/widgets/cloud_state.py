"""What a ``CodeCloud`` shows: checked codes and classes, the box around most of them, and thumbnails in one picture."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.markers import marker_paths, svg_data
from ae_utils.widgets.thumbnails import thumbnails

CLASSES = len(DIGIT_COLOURS)
MOST_BYTES = 3_000_000
TAIL, MARGIN = 0.01, 0.5  # the box: at most twice as wide as the middle 98 % of each dimension


class CloudState:
    """Codes ``z`` (n, 2) or (n, 3), their classes ``label`` (n,), and the box from ``low`` to ``high`` (dimensions,).

    The box reaches as far as the codes do, unless a few lie far from all others: ``note`` says how many it leaves out.

    Raises ``InvalidInput`` with a sentence for arguments that do not fit together, and for more than 3 MB.
    """

    def __init__(self, z: Tensor, label: Tensor, x: Tensor | None = None, names: Sequence[str] | None = None):
        self.z = _checked_codes(z)
        self.label = _checked_labels(label, len(self.z))
        self.names = _checked_names(names, self.label)
        self.low, self.high = _box(self.z)
        self.note = self._outside()
        self._codes = _text(self.z.astype("<f4").tobytes())
        self._thumbnails = None if x is None else thumbnails(x, len(self.z))
        size = len(self._codes) + len(self._thumbnails["png"] if self._thumbnails else "")
        if size > MOST_BYTES:
            raise InvalidInput(
                f"The codes and thumbnails make {size / 1e6:.1f} MB, and a cloud holds at most "
                f"{MOST_BYTES / 1e6:.0f} MB: take fewer codes."
            )

    def for_page(self) -> dict[str, Any]:
        """What the page needs: codes (float32) and classes (uint8) in base64, box, colours, marker shapes, images."""
        ends = zip(self.low.tolist(), self.high.tolist(), strict=True)
        return {
            "z": self._codes,
            "label": _text(self.label.astype(np.uint8).tobytes()),
            "names": self.names,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "ticks": [_ticks(low, high) for low, high in ends],
            "note": self.note,
            "colours": list(DIGIT_COLOURS),
            "markers": [svg_data(path) for path in marker_paths()],
            "thumbnails": self._thumbnails,
        }

    def _outside(self) -> str:
        count = int(((self.z < self.low) | (self.z > self.high)).any(1).sum())
        return f"{count:,} of {len(self.z):,} codes {'lies' if count == 1 else 'lie'} outside the box" if count else ""


def _checked_codes(z: Tensor) -> np.ndarray:
    codes = torch.as_tensor(z).detach().float().cpu()
    if codes.ndim != 2 or codes.shape[1] not in (2, 3) or not len(codes):
        raise InvalidInput(f"z must have the shape (n, 2) or (n, 3), but got {tuple(codes.shape)}.")
    if not codes.isfinite().all():
        raise InvalidInput("z must be finite numbers.")
    return codes.numpy()


def _checked_labels(label: Tensor, count: int) -> np.ndarray:
    labels = torch.as_tensor(label).detach().cpu()
    if labels.shape != (count,):
        raise InvalidInput(f"label must be one for each of {count} codes, but has the shape {tuple(labels.shape)}.")
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= CLASSES:
        raise InvalidInput(f"label must be whole numbers from 0 to {CLASSES - 1}.")
    return labels.numpy()


def _checked_names(names: Sequence[str] | None, label: np.ndarray) -> list[str]:
    chosen = [str(name) for name in (range(CLASSES) if names is None else names)]
    if isinstance(names, str) or not label.max() < len(chosen) <= CLASSES:
        raise InvalidInput(
            f"names must be a text for each class, {label.max() + 1} to {CLASSES} of them, but got {names!r}."
        )
    return chosen


def _box(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(z, (TAIL, 1 - TAIL), axis=0)
    margin = MARGIN * (high - low)
    low, high = np.maximum(z.min(0), low - margin), np.minimum(z.max(0), high + margin)
    flat = high - low < 1e-6  # a dimension that the encoder does not use
    return np.where(flat, low - 1, low).astype(np.float32), np.where(flat, high + 1, high).astype(np.float32)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """About four round numbers on an axis, each with its text."""
    numbers = MaxNLocator(nbins=4, steps=(1, 2, 5, 10)).tick_values(low, high)
    return [(float(value), f"{value:g}".replace("-", "−")) for value in numbers if low <= value <= high]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
