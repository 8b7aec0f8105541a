"""``LatentExplorer``: sliders for the numbers of a code, and beside them the picture that the decoder makes of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from ae_utils import plots
from ae_utils.errors import InvalidInput
from ae_utils.widgets.png import png
from ae_utils.widgets.program import Unsupported
from ae_utils.widgets.scene import Decoder, Scene

STATIC = Path(__file__).parent / "static"
SCRIPT = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("decoder.js", "pad.js", "explorer.js"))
STYLE = (STATIC / "explorer.css").read_text(encoding="utf-8")


class LatentExplorer(anywidget.AnyWidget):
    """A slider for each dimension of the code, a pad for any two, and the decoded picture, redrawn as they move.

    ``z`` (latent_dim numbers) and ``label`` (a class, or None without ``label_choices``) can be read, set and observed
    from Python. ``reason`` is None when the page evaluates the decoder itself; then it works on without a kernel.
    Otherwise it says why the kernel must. The page keeps the weights of the moment in which the explorer was made.
    """

    _esm = SCRIPT
    _css = STYLE
    _scene = traitlets.Dict().tag(sync=True)
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
        spread: float = 3.0,
    ):
        """``decoder``: a model with ``decode``, a module on z (batch, latent_dim), or a function of z.

        ``codes`` (n, latent_dim), such as those of the test images, give the sliders their ranges and the pad its map,
        coloured by ``labels`` (n,); without codes a slider runs over ±``spread``. With ``label_choices``, such as
        ``range(10)``, the decoder also takes a label, and buttons choose it.

        Raises ``InvalidInput`` for arguments that do not fit together, and for a decoder that does not give images
        (batch, 1, height, width).
        """
        scene = Scene(decoder, latent_dim, codes, labels, tuple(label_choices or ()), spread)
        self._decode, self._room = scene.decode, scene
        self.reason: str | None = None
        drawn = scene.drawn()
        try:
            drawn["program"] = scene.program()
        except Unsupported as reason:
            self.reason = str(reason)
        super().__init__(_scene=drawn, z=scene.start.tolist(), label=scene.choices[0] if scene.choices else None)
        self.on_msg(self._answer)

    @traitlets.validate("z")
    def _numbers(self, proposal: traitlets.Bunch) -> tuple[float, ...]:
        z = tuple(float(number) for number in proposal["value"])
        latent_dim = self._room.latent_dim
        if len(z) != latent_dim or not all(abs(number) < float("inf") for number in z):
            raise InvalidInput(f"z must be {latent_dim} finite numbers, but got {z}.")
        return z

    @traitlets.validate("label")
    def _choice(self, proposal: traitlets.Bunch) -> int | None:
        label, choices = proposal["value"], self._room.choices
        if label not in (choices or (None,)):
            raise InvalidInput(f"label must be one of {choices}, but got {label}.")
        return label

    def picture(self, z: Sequence[float] | None = None, label: int | None = None) -> Tensor:
        """The kernel's picture (height, width), uint8, of a code; without arguments, of the one that is shown."""
        code = torch.tensor([list(self.z if z is None else z)], dtype=torch.float32)
        label = self.label if label is None else label
        image = self._decode(code, () if label is None else (label,))
        return (image[0, 0] * 255).round().byte()

    def _answer(self, _widget: object, question: dict[str, Any], _buffers: object) -> None:
        """The page asks for a picture, because it cannot run the decoder."""
        try:
            picture = self.picture(question["z"], question["label"])
        except Exception as error:  # the page must hear of it, or it would wait for ever
            self.send({"id": question["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            self.send({"id": question["id"]}, [picture.numpy().tobytes()])

    def __repr__(self) -> str:
        count = self._room.latent_dim
        return f"LatentExplorer: {count} slider{'s' * (count > 1)}; run the notebook to move them"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel a picture and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": repr(self), "image/png": self._filmstrip()}, metadata

    def _filmstrip(self) -> bytes:
        columns = 9  # odd: the middle is among them
        title = "each row moves one number of the code"
        figure = plots.image_grid(self._room.traversals(columns=columns), columns, title=title, scale=0.56)
        return png(figure)
