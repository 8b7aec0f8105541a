"""``StudioWidget``: draw a digit, and see what every model makes of it while you draw."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from ae_utils import plots
from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.models import DigitClassifier, LatentFlow
from ae_utils.networks.dense import PIXELS
from ae_utils.widgets.assets import asset
from ae_utils.widgets.page import write_widget_page
from ae_utils.widgets.png import png
from ae_utils.widgets.studio_state import Model, StudioModel, studio_state

SCRIPT = asset(
    "widget.js", "controls.js", "legend.js", "network.js", "pad.js", "digit.js", "altered.js", "photo.js", "drawing.js",
    "studio_model.js", "studio_card.js", "studio.js",
)  # fmt: skip
STYLE = asset("widget.css", "explorer.css", "studio.css")


class StudioWidget(anywidget.AnyWidget):
    """A pad to draw on, and beside it what each model encodes, reconstructs and finds unusual, while you draw.

    ``image`` (1, 28, 28) is what the models see; it can be read and set, and ``_pixels`` observed. Everything is
    evaluated in the page, even without a kernel.
    """

    _esm = SCRIPT
    _css = STYLE
    _state = traitlets.Dict().tag(sync=True)
    _pixels = traitlets.List(traitlets.Int(min=0, max=255), minlen=PIXELS, maxlen=PIXELS).tag(sync=True)

    def __init__(
        self,
        models: Mapping[str, StudioModel],
        classifier: DigitClassifier,
        test: Images,
        *,
        flow: LatentFlow | None = None,
        redraws: str = "conv-fast",
    ):
        """``test`` are the digits to choose from and those of the map; ``flow`` redraws codes of the model ``redraws``.

        Raises ``InvalidInput``, with its name, for a model that the page cannot run.
        """
        self._models, self._test = dict(models), test
        state = studio_state(models, classifier, test, flow, redraws)
        first = torch.frombuffer(bytearray(state["digits"][:PIXELS]), dtype=torch.uint8)
        super().__init__(_state=state, _pixels=first.tolist())

    @property
    def image(self) -> Tensor:
        """What the models see: (1, 28, 28) in [0, 1]."""
        return torch.tensor(self._pixels, dtype=torch.float32).view(1, 28, 28) / 255

    @image.setter
    def image(self, image: Tensor) -> None:
        if image.numel() != PIXELS or not (image.min() >= 0 and image.max() <= 1):
            raise InvalidInput(f"image must be (1, 28, 28) with pixels in [0, 1], but got {tuple(image.shape)}.")
        self._pixels = (image.flatten() * 255).round().int().tolist()

    def reconstructions(self, image: Tensor | None = None, label: int = 0) -> dict[str, Tensor]:
        """What each model reconstructs (1, 28, 28) from the image that is shown, or another one, by its name.

        A conditional model is given ``label``.
        """
        image = self.image if image is None else image
        x = Images(image[None], image[None], torch.tensor([label]))
        return {name: _reconstructed(each.model, x)[0] for name, each in self._models.items()}

    def write(self, path: str | Path, title: str = "Autoencoder studio") -> Path:
        """Write the studio as one html file, for any browser, without a network; returns its path."""
        traits = {"_pixels": list(self._pixels)}
        return write_widget_page(path, self._state, traits, style=STYLE, script=SCRIPT, title=title, width="76rem")

    def __repr__(self) -> str:
        return f"Studio: {len(self._models)} models side by side; run the notebook to draw"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel a still picture and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        few = self._test[:8]
        rows = [few.x, *(_reconstructed(each.model, few) for each in self._models.values())]
        figure = plots.image_rows(rows, ("test digits", *self._models), title="reconstructed by each model", scale=0.7)
        return {**data, "text/plain": repr(self), "image/png": png(figure)}, metadata


@torch.no_grad()
def _reconstructed(model: Model, images: Images) -> Tensor:
    x = images.to_range(*getattr(model, "pixel_range", (0, 1))).x
    return model.decode(model.encode(x, images.label), images.label)
