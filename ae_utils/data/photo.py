"""Photos, scans and drawings of digits, prepared as MNIST's were: white on black, 28×28."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.files import refuse_unreadable

SIDE, DIGIT = 28, 20  # MNIST's digits fill 20×20 pixels, with their mass in the middle of 28×28 (LeCun et al. 1998)
LARGEST, FAINT = 512, 0.25


def read_photo(path: str | Path) -> tuple[Tensor, str]:
    """A PNG or JPEG of one digit, grey or in colour, of any size → (1, 28, 28) in [0, 1], and what was done to it.

    The border determines the background, which becomes black; contrast is stretched; the digit is scaled to 20 pixels
    and centered by its center of mass. An image of 28×28 keeps its size and place.
    Raises ``InvalidInput`` that names the file when it is missing, neither PNG nor JPEG, or blank, ``OSError`` when it
    may not be read.
    """
    grey = _grey(Path(path))
    background = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    bright = background > (grey.min() + grey.max()) / 2
    ink = (background - grey if bright else grey - background).clip(0)
    if ink.max() < 0.1:
        raise InvalidInput(f"{path} is blank: nothing differs from its border; expected an image of one digit.")
    ink, done = ink / ink.max(), ["inverted"] if bright else []
    if ink.shape != (SIDE, SIDE):
        ink, done = _placed(np.where(ink < FAINT, 0, ink)), [*done, f"scaled to {DIGIT} pixels and centred"]
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
