"""Many small images in one picture, from which a page shows one at a time."""

import base64
import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ae_utils.errors import InvalidInput

GREYS = 16  # four bits a pixel
TOLERANCE = 1e-3  # rounding may carry an image a little out of [0, 1]


def thumbnails(x: Tensor, count: int, every: int = 1, *, name: str = "x") -> dict[str, Any]:
    """Every ``every``-th image in one PNG, row by row, how large each is, and how many stand in a row.

    Raises ``InvalidInput``, with the argument's ``name``, unless ``x`` are ``count`` images (count, 1, h, w) in [0, 1].
    """
    images = torch.as_tensor(x).detach().float().cpu()
    if images.ndim != 4 or images.shape[:2] != (count, 1) or not images.numel():
        got = tuple(images.shape)
        raise InvalidInput(f"{name} must have the shape ({count}, 1, h, w), an image for each code, but got {got}.")
    if not (images.isfinite().all() and images.min() >= -TOLERANCE and images.max() <= 1 + TOLERANCE):
        raise InvalidInput(f"{name} must be images in [0, 1].")
    images = images[::every]
    count, (height, width) = len(images), images.shape[2:]
    columns = int(np.ceil(count**0.5))
    tiles = np.zeros((-(-count // columns) * columns, height, width), np.uint8)
    tiles[:count] = (images[:, 0].clamp(0, 1) * (GREYS - 1)).round().byte().numpy()
    sheet = Image.fromarray(tiles.reshape(-1, columns, height, width).swapaxes(1, 2).reshape(-1, columns * width), "P")
    sheet.putpalette(np.repeat(np.linspace(0, 255, GREYS).round().astype(np.uint8), 3).tobytes())
    data = io.BytesIO()
    sheet.save(data, "PNG", bits=4)
    return {"png": base64.b64encode(data.getvalue()).decode("ascii"), "size": (height, width), "columns": columns}
