"""``FlowExplorer``: any digit from noise, with buttons for the label and sliders for guidance and steps."""

import math
from collections.abc import Iterable
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from ae_utils import plots
from ae_utils.errors import InvalidInput
from ae_utils.models import LatentFlow
from ae_utils.networks.conditional import LABELS
from ae_utils.widgets.assets import asset
from ae_utils.widgets.graph import flow_graph
from ae_utils.widgets.png import png

PROBES = 40  # noises whose images page and kernel are compared on


class FlowExplorer(anywidget.AnyWidget):
    """A latent flow in the page: choose a label, draw new noise, change guidance and the number of steps.

    ``z`` (the noise, latent_dim numbers), ``label``, ``guidance`` and ``steps`` can be read, set and observed from
    Python. The page integrates the flow and decodes, even without a kernel; while a slider moves it takes a few steps,
    and as many as are set once it rests. It keeps the weights that the flow has when the explorer is made.
    """

    _esm = asset("widget.js", "controls.js", "network.js", "flow_explorer.js")
    _css = asset("widget.css", "explorer.css", "flow_explorer.css")
    _state = traitlets.Dict().tag(sync=True)
    z = traitlets.Any(()).tag(sync=True)
    label = traitlets.Int(7).tag(sync=True)
    guidance = traitlets.Float(1.0).tag(sync=True)
    steps = traitlets.Int(8).tag(sync=True)

    def __init__(self, flow: LatentFlow, *, step_choices: Iterable[int] = (1, 2, 4, 8, 25), most_guidance: float = 4.0):
        """``step_choices`` are the numbers of Heun steps to choose from, in increasing order.

        Raises ``InvalidInput`` for choices that are no such numbers, and ``Unsupported``, which is one, for a flow that
        the page cannot run.
        """
        self._choices = tuple(int(steps) for steps in step_choices)
        if not self._choices or list(self._choices) != sorted({steps for steps in self._choices if steps > 0}):
            raise InvalidInput(f"step_choices must be numbers of steps in increasing order, but got {self._choices}.")
        self._flow = flow
        steps = min(self._choices, key=lambda steps: abs(steps - flow.steps))
        noise = torch.randn(PROBES, flow.latent_dim, generator=torch.Generator().manual_seed(0))
        self._start = noise[:1]
        content = {
            "graph": self._graph(noise),
            "labels": list(range(LABELS)),
            "step_choices": list(self._choices),
            "most_guidance": most_guidance,
            "size": list(self.picture(noise[0].tolist(), 0, flow.guidance, 1).shape),
        }
        super().__init__(_state=content, z=noise[0].tolist(), guidance=flow.guidance, steps=steps)

    @traitlets.validate("z")
    def _noise(self, proposal: traitlets.Bunch) -> tuple[float, ...]:
        z = tuple(float(number) for number in proposal["value"])
        if len(z) != self._flow.latent_dim or not all(abs(number) < float("inf") for number in z):
            raise InvalidInput(f"z must be {self._flow.latent_dim} finite numbers, but got {len(z)}.")
        return z

    @traitlets.validate("label")
    def _digit(self, proposal: traitlets.Bunch) -> int:
        label = int(proposal["value"])
        if label not in range(LABELS):
            raise InvalidInput(f"label must be a digit from 0 to {LABELS - 1}, but got {label}.")
        return label

    @traitlets.validate("steps")
    def _count(self, proposal: traitlets.Bunch) -> int:
        steps = int(proposal["value"])
        if steps not in self._choices:
            raise InvalidInput(f"steps must be one of {self._choices}, but got {steps}.")
        return steps

    def picture(
        self,
        z: Iterable[float] | None = None,
        label: int | None = None,
        guidance: float | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """The kernel's image (height, width), uint8; what is not given is as it is shown."""
        noise = torch.tensor([list(self.z if z is None else z)], dtype=torch.float32)
        digit = torch.tensor([self.label if label is None else label])
        guidance = self.guidance if guidance is None else guidance
        image = self._images(noise, digit, guidance, self.steps if steps is None else steps)
        return (image[0, 0] * 255).round().byte()

    @torch.no_grad()
    def _images(self, noise: Tensor, label: Tensor, guidance: float, steps: int) -> Tensor:
        flow, parameter = self._flow, next(self._flow.parameters())
        kept, training = (flow.steps, flow.guidance), flow.training
        flow.eval()
        flow.steps, flow.guidance = steps, guidance
        try:
            return flow.decode(noise.to(parameter), label.to(parameter.device)).cpu().clamp(0, 1)
        finally:
            flow.steps, flow.guidance = kept
            flow.train(training)

    def _graph(self, noise: Tensor) -> dict[str, Any]:
        label = torch.arange(len(noise)) % LABELS
        expected = self._images(noise, label, self._flow.guidance, self._flow.steps)
        with torch.no_grad():
            return flow_graph(self._flow, noise, expected, label, times=math.lcm(*self._choices, self._flow.steps))

    def __repr__(self) -> str:
        return "FlowExplorer: any digit from noise; run the notebook to draw"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel a still picture and a line that never change."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        noise = self._start.expand(LABELS, -1)
        images = self._images(noise, torch.arange(LABELS), self._flow.guidance, self._flow.steps)
        figure = plots.image_grid(images, LABELS, title="one noise, ten labels", scale=0.8)
        return {**data, "text/plain": repr(self), "image/png": png(figure)}, metadata
