"""``Player``: figures or images as frames that a learner plays, steps through and drags along."""

import base64
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from ae_utils.errors import InvalidInput
from ae_utils.widgets.assets import asset
from ae_utils.widgets.frames import Frames, frame_pngs, frame_sheet
from ae_utils.widgets.png import png_size


class Player(anywidget.AnyWidget):
    """One frame at a time with its caption, over a slider and a button that plays them in a loop.

    Left and right arrow keys step, space plays and pauses; nothing plays by itself. ``frame`` (an index from 0) can be
    read, set and observed from Python; while it plays the page does not report every frame, but where it pauses.
    The page holds all the frames, so that it plays on without a kernel.
    """

    _esm = asset("widget.js", "player.js")
    _css = asset("widget.css", "player.css")
    _state = traitlets.Dict().tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)

    def __init__(self, frames: Frames, captions: Sequence[str] = (), *, title: str = "", columns: int = 6):
        """``frames``: figures, or images (n, 1, h, w) in [0, 1]; ``captions``: none, or one for each frame.

        Readers without a kernel get a sheet of at most ``columns`` evenly chosen frames. Figures are shown whole,
        without the cropping that notebooks do (``tight_layout`` makes room for labels), and closed for pyplot.

        Raises ``InvalidInput`` for no frames, another number of captions, frames of different sizes in pixels, images
        out of range, and for more than 3 MB of PNG.
        """
        if columns < 1:
            raise InvalidInput(f"columns must be at least 1, but got {columns}.")
        self._pngs, self._captions = frame_pngs(frames), [str(caption) for caption in captions]
        if self._captions and len(self._captions) != len(self._pngs):
            raise InvalidInput(
                f"Captions must be one for each of {len(self._pngs)} frames, but got {len(self._captions)}."
            )
        self._title, self._columns = title, columns
        content = {
            "frames": [base64.b64encode(data).decode("ascii") for data in self._pngs],
            "captions": self._captions,
            "title": title,
            "size": png_size(self._pngs[0]),
        }
        super().__init__(_state=content)

    @traitlets.validate("frame")
    def _index(self, proposal: traitlets.Bunch) -> int:
        frame, count = int(proposal["value"]), len(self._pngs)
        if not 0 <= frame < count:
            raise InvalidInput(f"frame must be from 0 to {count - 1}, but got {frame}.")
        return frame

    def __repr__(self) -> str:
        count = len(self._pngs)
        return f"Player: {count} frame{'s' * (count > 1)}; run the notebook to play them"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel a sheet of frames and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        sheet = frame_sheet(self._pngs, self._captions, self._title, self._columns)
        return {**data, "text/plain": repr(self), "image/png": sheet}, metadata
