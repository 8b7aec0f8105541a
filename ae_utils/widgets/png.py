"""A figure as the bytes of a PNG, for outputs that hold pictures beside other things."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """The picture at 100 dpi, without software stamps: the same figure gives the same bytes."""
    picture = io.BytesIO()
    figure.set_dpi(100)
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})  # savefig would draw twice
    return picture.getvalue()
