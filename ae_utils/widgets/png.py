"""Figures and images as the bytes of a PNG, for outputs that hold a picture beside other things."""

import io
import struct

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor


def png(figure: Figure, dpi: float = 100) -> bytes:
    """The figure at ``dpi`` pixels per inch, without software stamps: the same figure gives the same bytes."""
    picture = io.BytesIO()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})  # savefig would draw twice
    return picture.getvalue()


def image_png(image: Tensor, scale: int = 1) -> bytes:
    """An image (1, h, w) in [0, 1] as a grey picture of ``scale``·w × ``scale``·h pixels with hard edges."""
    pixels = (image[0] * 255).round().byte().repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    picture = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(picture, "PNG")
    return picture.getvalue()


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, which stand in a PNG's first chunk."""
    width, height = struct.unpack(">II", data[16:24])
    return width, height
