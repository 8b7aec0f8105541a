"""``CodeCloud``: codes of two or three numbers as points that a learner turns, points at and chooses."""

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.widgets.assets import asset
from ae_utils.widgets.cloud_figure import AZIMUTHS, ELEVATION, cloud_figure
from ae_utils.widgets.cloud_state import CloudState
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.png import png


class CodeCloud(anywidget.AnyWidget):
    """Codes as points in a box, with a colour and a shape for each class, and the image of the one under the pointer.

    Dragging and the arrow keys turn the box; + and -, the wheel (once the cloud has the focus) and a pinch zoom; the
    legend's buttons show some classes alone; a click, or the keys N, P and Enter, choose a point. With an ``explorer``
    on the same page, in whichever cell, a chosen point moves its sliders to that code, and the cloud marks the code
    that the sliders show. ``point`` (an index, or None) can be read, set and observed from Python. Everything works
    without a kernel.
    """

    _esm = asset("widget.js", "legend.js", "cloud_view.js", "cloud.js")
    _css = asset("widget.css", "cloud.css")
    _state = traitlets.Dict().tag(sync=True)
    point = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        z: Tensor,
        label: Tensor,
        x: Tensor | None = None,
        explorer: LatentExplorer | None = None,
        names: Sequence[str] | None = None,
    ):
        """``z``: codes (n, 3), or (n, 2) for a flat cloud; ``label``: their classes (n,), whole numbers from 0 to 9.

        ``x`` (n, 1, h, w) in [0, 1]: the images to show as thumbnails, in 16 shades of grey. ``names``: what the
        classes are called, by default their numbers. Every code is drawn; where a few lie far from all others, the box
        leaves them outside, and the widget says how many.

        Raises ``InvalidInput`` for arguments that do not fit together, and for more than 3 MB of codes and thumbnails.
        """
        self._cloud = CloudState(z, label, x, names)
        dimensions = self._cloud.z.shape[1]
        if explorer is not None and len(explorer.z) != dimensions:
            raise InvalidInput(
                f"explorer must take codes of {dimensions} numbers, as z holds, but it takes {len(explorer.z)}."
            )
        content = {
            **self._cloud.for_page(),
            "view": (AZIMUTHS[0], ELEVATION) if dimensions == 3 else (-90, 90),  # degrees; a flat cloud from above
            "explorer": None if explorer is None else explorer.page_name,
        }
        super().__init__(_state=content)

    @traitlets.validate("point")
    def _index(self, proposal: traitlets.Bunch) -> int | None:
        point: int | None = proposal["value"]
        count = len(self._cloud.z)
        if point is not None and not 0 <= point < count:
            raise InvalidInput(f"point must be None or from 0 to {count - 1}, but got {point}.")
        return point

    def __repr__(self) -> str:
        count, dimensions = self._cloud.z.shape
        act = "turn" if dimensions == 3 else "explore"
        return f"CodeCloud: {count:,} codes of {dimensions} numbers; run the notebook to {act} them"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel a figure and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": repr(self), "image/png": png(cloud_figure(self._cloud), 80)}, metadata
