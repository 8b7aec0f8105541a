"""Photos, scans and drawings of digits, prepared as MNIST's were: white on black, 28×28."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.files import refuse_unreadable

SIDE, DIGIT = 28, 20  # MNIST's digits fill 20×20 pixels, with their mass in the middle of 28×28 (LeCun et al. 1998)
LARGEST, FAINT = 512, 0.25
BROADEST, GAP = 3, 20  # fractions of the shorter side: no stroke is broader than a third; parts of a digit are nearer


def read_photo(path: str | Path) -> tuple[Tensor, str]:
    """A PNG or JPEG of one digit, grey or in colour, of any size → (1, 28, 28) in [0, 1], and what was done to it.

    The border tells a bright background from a dark one. A bright one is divided by the light that falls on it, so that
    shadows vanish. The largest shape is kept, scaled to 20 pixels and centered by its center of mass; if it touches the
    border, the description warns. An image of 28×28 keeps its size and place, and only its contrast is stretched.
    Raises ``InvalidInput`` that names the file when it is missing, neither PNG nor JPEG, or blank, ``OSError`` when it
    may not be read.
    """
    grey = _grey(Path(path))
    background = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    bright = background > (grey.min() + grey.max()) / 2
    photographed = grey.shape != (SIDE, SIDE)
    contrast = background - grey if bright else grey - background
    ink = _on_paper(grey) if photographed and bright else contrast.clip(0)
    if ink.max() < 0.1:
        raise InvalidInput(f"{path} is blank: nothing differs from its border; expected an image of one digit.")
    ink, done = ink / ink.max(), ["inverted"] if bright else []
    if photographed:
        shape = _largest_shape(ink)
        cut = shape[[0, -1]].any() or shape[:, [0, -1]].any()
        ink = np.where(shape & (ink >= FAINT), ink, 0)
        done += [f"scaled to {DIGIT} pixels and centred"]
        done += ["touches the border of the picture, so a part may be missing"] if cut else []
        ink = _placed(ink)
    return torch.from_numpy(ink.astype(np.float32))[None], ", ".join(done) or "as it is"


def _grey(path: Path) -> np.ndarray:
    """Pixels in [0, 1]: turned as the camera was held, shrunk where large, white where transparent."""
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; expected a PNG or JPEG file.")
    refuse_unreadable(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as file:
            picture: Image.Image = file
            if picture.mode.startswith("I"):  # 16 bits
                picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            picture.thumbnail((LARGEST, LARGEST))
            picture = ImageOps.exif_transpose(picture).convert("RGBA")
            paper = Image.new("RGBA", picture.size, "white")
            return np.asarray(Image.alpha_composite(paper, picture).convert("L")) / 255
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path} is damaged or neither PNG nor JPEG; save it again as one of them.") from error


def _on_paper(grey: np.ndarray) -> np.ndarray:
    """How much less light than the paper around it a pixel sends back, in [0, 1]; shadows fall on both.

    A closing, the local maximum and of that the local minimum, fills strokes and keeps the edges of broad shadows.
    """
    smooth = ndimage.gaussian_filter(grey, min(grey.shape) / 200)
    size = max(3, min(grey.shape) // BROADEST)
    paper = ndimage.grey_closing(smooth, size=(size, size), mode="nearest")
    return 1 - smooth / paper.clip(0.02)


def _largest_shape(ink: np.ndarray) -> np.ndarray:
    """Where the shape with the most ink is; parts that are near to each other are one shape.

    What touches the border is mostly a shadow or the edge of the paper: it must have five times as much ink.
    """
    dark = ink >= max(FAINT, _threshold(ink))
    reach = max(1, min(ink.shape) // GAP)
    joined, count = ndimage.label(ndimage.binary_dilation(dark, iterations=reach // 2 + 1))
    amounts = ndimage.sum_labels(np.where(dark, ink, 0), joined, range(1, count + 1))
    outside = np.unique(np.concatenate([joined[0], joined[-1], joined[:, 0], joined[:, -1]]))
    amounts[outside[outside > 0] - 1] /= 5
    return joined == 1 + int(np.argmax(amounts))


def _threshold(ink: np.ndarray) -> float:
    """Otsu's threshold between paper and ink (1979), halved: the lines of ruled paper are fainter than that."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(ink)) / 2


def _placed(ink: np.ndarray) -> np.ndarray:
    """Crop to the digit, scale its longer side to 20 pixels, put its centre of mass into the middle of 28×28."""
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    digit = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32))
    size = [max(1, round(length * DIGIT / max(digit.size))) for length in digit.size]
    small = np.asarray(digit.resize(size, Image.Resampling.BILINEAR)).clip(0)  # it averages when it shrinks
    placed, corner = np.zeros((SIDE, SIDE)), []
    for axis, length in enumerate(small.shape):
        middle = small.sum(1 - axis) @ np.arange(0.5, length) / small.sum()
        corner.append(int(np.clip(np.ceil(SIDE / 2 - middle), 0, SIDE - length)))
    placed[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return (placed / np.quantile(small[small > 0], 0.75)).clip(0, 1)  # strokes white inside, grey at their edges
