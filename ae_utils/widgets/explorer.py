"""``LatentExplorer``: a slider for each dimension of a latent code, and beside them the decoded image."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from ae_utils import plots
from ae_utils.errors import InvalidInput
from ae_utils.widgets.assets import asset
from ae_utils.widgets.graph import Unsupported
from ae_utils.widgets.png import png
from ae_utils.widgets.state import Decoder, ExplorerState

SCRIPT = asset("widget.js", "controls.js", "legend.js", "network.js", "pad.js", "explorer.js")
STYLE = asset("widget.css", "explorer.css")


class LatentExplorer(anywidget.AnyWidget):
    """A slider for each dimension of the code, a pad for any two of them, and the decoded image, redrawn as they move.

    ``z`` (latent_dim numbers) and ``label`` (a digit, or None without ``label_choices``) can be read, set and observed
    from Python. ``reason`` is None when the page evaluates the decoder itself, even without a kernel; otherwise it says
    why the kernel must. The page keeps the weights that the decoder has when the explorer is made, until ``update``; a
    ``Follow`` (``widgets.follow``) calls it while ``fit`` runs. ``page_name`` is what other widgets, such as
    ``CodeCloud``, call the explorer in the page.
    """

    _esm = SCRIPT
    _css = STYLE
    _state = traitlets.Dict().tag(sync=True)
    z = traitlets.Any(()).tag(sync=True)
    label = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        decoder: Decoder,
        latent_dim: int | None = None,
        *,
        codes: Tensor | None = None,
        labels: Tensor | None = None,
        label_choices: Iterable[int] = (),
        slider_range: float = 3.0,
        images: Tensor | None = None,
    ):
        """``decoder``: a model with ``decode``, a module on z (batch, latent_dim), or a function of z.

        ``codes`` (n, latent_dim), such as those of the test images, give the sliders their ranges and the pad its
        scatter plot, coloured by ``labels`` (n,); without codes a slider runs over ±``slider_range``. With the
        ``images`` (n, 1, h, w) that were encoded, in [0, 1], the sliders start at the first one's code, the original
        stands beside the decoded image, and the pad shows the image under the pointer. With ``label_choices``, such as
        ``range(10)``, the decoder also takes a label, and buttons choose it. Of more than eight sliders, those eight
        come first that change the image most.

        Raises ``InvalidInput`` for arguments that do not fit together, and for a decoder that does not return images
        (batch, 1, height, width).
        """
        state = ExplorerState(decoder, latent_dim, codes, labels, tuple(label_choices or ()), slider_range, images)
        self._decode, self._explorer_state = state.decode, state
        self.reason: str | None = None
        self.page_name = uuid.uuid4().hex  # several notebooks may share one page
        content = {**state.for_page(), "name": self.page_name}
        try:
            content["graph"] = state.graph()
        except Unsupported as reason:
            self.reason = str(reason)
        super().__init__(_state=content, z=state.start.tolist(), label=state.label)
        self.on_msg(self._decode_for_page)

    @traitlets.validate("z")
    def _numbers(self, proposal: traitlets.Bunch) -> tuple[float, ...]:
        z = tuple(float(number) for number in proposal["value"])
        latent_dim = self._explorer_state.latent_dim
        if len(z) != latent_dim or not all(abs(number) < float("inf") for number in z):
            raise InvalidInput(f"z must be {latent_dim} finite numbers, but got {z}.")
        return z

    @traitlets.validate("label")
    def _choice(self, proposal: traitlets.Bunch) -> int | None:
        label, choices = proposal["value"], self._explorer_state.choices
        if label not in (choices or (None,)):
            raise InvalidInput(f"label must be one of {choices}, but got {label}.")
        return label

    def picture(self, z: Sequence[float] | None = None, label: int | None = None) -> Tensor:
        """The kernel's image (height, width), uint8, of a code; without arguments, of the one that is shown."""
        code = torch.tensor([list(self.z if z is None else z)], dtype=torch.float32)
        label = self.label if label is None else label
        image = self._decode(code, () if label is None else (label,))
        return (image[0, 0] * 255).round().byte()

    def update(self) -> ExplorerState:
        """Show the weights that the model has now: the images' new codes, and what the decoder makes of them.

        Returns what the page shows. An explorer with ``codes`` needs their ``images`` for it, and a model with
        ``encode``. Raises ``InvalidInput`` without them, for codes that are not finite, and for a decoder that the page
        cannot evaluate.
        """
        if self.reason is not None:
            raise InvalidInput(f"This explorer cannot follow its decoder's weights: {self.reason}.")
        now = self._explorer_state.encoded_again()
        self._state = {**self._state, **now.ranges(), "graph": now.graph()}
        self._explorer_state = now
        return now

    def nearest(self) -> int | None:
        """Which of the pad's codes is nearest to the one that the sliders show; None without codes."""
        state = self._explorer_state
        if state.codes is None:
            return None
        return int((state.codes[:: state.every] - torch.tensor(self.z)).norm(dim=1).argmin())

    def _decode_for_page(self, _widget: object, request: dict[str, Any], _buffers: object) -> None:
        """Decode for a page that cannot evaluate the decoder."""
        try:
            picture = self.picture(request["z"], request["label"])
        except Exception as error:  # the page shows it, and would otherwise wait for ever
            self.send({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            self.send({"id": request["id"]}, [picture.numpy().tobytes()])

    def __repr__(self) -> str:
        count = self._explorer_state.latent_dim
        return f"LatentExplorer: {count} slider{'s' * (count > 1)}; run the notebook to move them"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel an image and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": repr(self), "image/png": self._filmstrip()}, metadata

    def _filmstrip(self) -> bytes:
        columns = 9  # odd: the middle is among them
        title = "each row varies one dimension of the code"
        figure = plots.image_grid(self._explorer_state.traversals(columns=columns), columns, title=title, scale=0.56)
        return png(figure)
