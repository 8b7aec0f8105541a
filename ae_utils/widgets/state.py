"""What the explorer and the page share: checked arguments, slider ranges, and images decoded from codes."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput
from ae_utils.networks.conditional import LABELS
from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.graph import Flow, Unsupported, flow_graph, page_graph
from ae_utils.widgets.markers import marker_paths, svg_data
from ae_utils.widgets.thumbnails import thumbnails

MOST_POINTS, MOST_NUMBERS = 3000, 100_000  # of the pad's scatter plot: at most 400 kB
MOST_IMAGES = 1000  # of the thumbnails: some 300 kB
FEW = 8  # sliders that are shown at first
PROBES, FEW_PROBES = 64, 8  # codes that a graph is checked on, at first and while its weights move
Decoder = nn.Module | Callable[..., Tensor]


class Model(Protocol):
    """A model of ``ae_utils.models``: the two parts that ``decode`` consists of."""

    decoder: nn.Module
    output_activation: nn.Module


class ExplorerState:
    """A decoder and the ranges of the codes that its sliders reach.

    ``decoder`` is a model with ``decode``, a module on z, or a function of z; with ``choices`` each also takes labels
    (n,). ``codes`` (n, latent_dim) give the sliders their ranges (the middle 99 % of each dimension) and the pad its
    scatter plot; without codes a slider runs over ±``slider_range``. With the ``images`` (n, 1, h, w) of the codes the
    sliders start at the first one's code.

    Raises ``InvalidInput`` with a sentence for arguments that do not fit together.
    """

    def __init__(
        self,
        decoder: Decoder,
        latent_dim: int | None = None,
        codes: Tensor | None = None,
        labels: Tensor | None = None,
        choices: tuple[int, ...] = (),
        slider_range: float = 3.0,
        images: Tensor | None = None,
    ):
        owner = getattr(decoder, "__self__", None)
        if isinstance(owner, nn.Module) and getattr(decoder, "__name__", "") == "decode":
            decoder = owner  # model.decode means the model
        self.decoder: Decoder = decoder
        self.choices, self.slider_range = tuple(int(choice) for choice in choices), slider_range
        self.codes = _checked_codes(codes)
        self.latent_dim = _checked_latent_dim(self.decoder, latent_dim, self.codes)
        self._check()
        self.labels = _checked_labels(labels, self.codes)
        self.images = images
        self.low, self.start, self.high = self._ranges()
        self.label = self._first_label()
        image = self.decode(self.start[None], self.choices[:1])
        self.size, self.probes = tuple(image.shape[2:]), PROBES
        self.order = self._order() if self.latent_dim > FEW else list(range(self.latent_dim))

    def decode(self, z: Tensor, label: Sequence[int] | Tensor = ()) -> Tensor:
        """Codes (n, latent_dim), and n labels if there are choices → images (n, 1, height, width) in [0, 1]."""
        decoder = self.decoder
        decode = getattr(decoder, "decode", None)
        tensor = next(decoder.parameters(), None) if isinstance(decoder, nn.Module) else None
        z = z.to(tensor) if tensor is not None else z
        labels = (torch.as_tensor(label, device=z.device),) if self.choices else ()
        with torch.no_grad(), _evaluating(decoder):
            images = decode(z, *labels) if decode is not None else decoder(z, *labels)
        if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[:2] != (len(z), 1):
            gave = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise InvalidInput(f"The decoder must return images ({len(z)}, 1, height, width), but returned {gave}.")
        return images.float().cpu().clamp(0, 1)

    def encoded_again(self) -> "ExplorerState":
        """The state with the weights that the model has now, which encode the images of the pad's codes again.

        Raises ``InvalidInput`` for codes without their images, or without a model that encodes them.
        """
        now = copy.copy(self)
        now.probes = FEW_PROBES
        if self.codes is None:
            return now
        if self.images is None or not hasattr(self.decoder, "encode"):
            raise InvalidInput("codes can be encoded again only from their images, by a model with encode: give both.")
        now.images = self.images[:: self.every]
        now.labels = None if self.labels is None else self.labels[:: self.every]
        now.codes = _checked_codes(self._encode(now.images, now.labels))
        now.low, now.start, now.high = now._ranges()
        return now

    def _encode(self, images: Tensor, labels: Tensor | None) -> Tensor:
        model = cast(Any, self.decoder)
        low, high = getattr(model, "pixel_range", (0, 1))
        x = images.to(next(model.parameters())) * (high - low) + low
        given = (labels.to(x.device),) if self.choices and labels is not None else ()
        with torch.no_grad(), _evaluating(model):
            return model.encode(x, *given)

    def graph(self) -> dict[str, Any]:
        """The decoder as a graph for the page. Raises ``Unsupported`` with the reason when it cannot be one."""
        decoder = self.decoder
        if not isinstance(decoder, nn.Module):
            raise Unsupported("a function cannot be sent to the page, only a module")
        if hasattr(decoder, "decode") and not hasattr(decoder, "velocity"):
            model = cast(Model, decoder)
            decoder = nn.Sequential(model.decoder, model.output_activation)
        z, label = self._probes(), None
        if self.choices:
            label = torch.tensor([self.choices[i % len(self.choices)] for i in range(len(z))])
        with torch.no_grad():
            if hasattr(decoder, "velocity"):
                return flow_graph(cast(Flow, decoder), z, self.decode(z, () if label is None else label), label)
            return page_graph(decoder, z, self.decode(z, () if label is None else label), label)

    def for_page(self) -> dict[str, Any]:
        """What the page needs besides the graph: ``ranges``, choices, the pad's labels (uint8), images."""
        content: dict[str, Any] = {
            **self.ranges(),
            "label": self.label,
            "choices": list(self.choices),
            "size": list(self.size),
            "colours": list(DIGIT_COLOURS),
            "markers": [svg_data(path) for path in marker_paths()],
            "names": [str(label) for label in range(LABELS)],
            "order": self.order if self.latent_dim > FEW else None,
            "thumbnails": None,
        }
        if self.labels is not None:
            content["labels"] = self.labels[:: self.every].to(torch.uint8).numpy().tobytes()
        if self.codes is not None and self.images is not None:
            content["thumbnails"] = thumbnails(self.images, len(self.codes), self.every, name="images")
        return content

    def ranges(self) -> dict[str, Any]:
        """What moves with the encoder's weights: each slider's ends and first place, and the pad's codes (float32)."""
        content: dict[str, Any] = {name: getattr(self, name).tolist() for name in ("low", "high", "start")}
        if self.codes is not None:
            content["codes"] = self.codes[:: self.every].contiguous().numpy().tobytes()
        return content

    @property
    def every(self) -> int:
        """The pad shows every ``every``-th code."""
        most = min(MOST_POINTS if self.images is None else MOST_IMAGES, MOST_NUMBERS // self.latent_dim)
        return 1 if self.codes is None else -(-len(self.codes) // max(1, most))

    def traversals(self, rows: int = 8, columns: int = 9) -> Tensor:
        """Images (rows·columns, 1, height, width): each row varies one dimension of the code from low to high.

        Of many dimensions, those that change the image most.
        """
        rows = min(rows, self.latent_dim)
        z = self.start.repeat(rows, columns, 1)
        for row, dimension in enumerate(self.order[:rows]):
            z[row, :, dimension] = torch.linspace(float(self.low[dimension]), float(self.high[dimension]), columns)
        z = z.flatten(0, 1)
        return self.decode(z, self.choices[:1] * len(z))

    def _order(self) -> list[int]:
        """The dimensions, first the one whose slider changes the image most from one end to the other (squared)."""
        ends = self.start.repeat(2, self.latent_dim, 1)
        for end, values in zip(ends, (self.low, self.high), strict=True):
            end.diagonal().copy_(values)
        low, high = (self.decode(end, self.choices[:1] * len(end)) for end in ends)
        return [int(i) for i in (high - low).square().flatten(1).sum(1).argsort(descending=True, stable=True)]

    def _check(self) -> None:
        if self.codes is not None and self.codes.shape[1] != self.latent_dim:
            raise InvalidInput(
                f"codes must have {self.latent_dim} columns (latent_dim), but got {self.codes.shape[1]}."
            )
        if not 1e-6 <= self.slider_range < float("inf"):
            raise InvalidInput(f"slider_range must be a number above 0 (1e-6 at least), but got {self.slider_range}.")
        if not set(self.choices) <= set(range(LABELS)):
            raise InvalidInput(f"label_choices must be classes from 0 to {LABELS - 1}, but got {self.choices}.")

    def _ranges(self) -> tuple[Tensor, Tensor, Tensor]:
        """The lowest, first and highest position of each slider, each (latent_dim,)."""
        if self.codes is None:
            if self.images is not None:
                raise InvalidInput("images come with codes: give codes, one for each image.")
            middle = torch.zeros(self.latent_dim)
            return middle - self.slider_range, middle, middle + self.slider_range
        low, high = torch.from_numpy(np.quantile(self.codes.numpy(), (0.005, 0.995), axis=0)).float()
        flat = high - low < 1e-6  # a dimension that the encoder does not use
        start = self.codes.median(0).values if self.images is None else self.codes[0]
        return torch.where(flat, low - 1, low), start, torch.where(flat, high + 1, high)

    def _first_label(self) -> int | None:
        """The label that is chosen at first: that of the first image, where it is known and a choice."""
        if self.images is not None and self.labels is not None and int(self.labels[0]) in self.choices:
            return int(self.labels[0])
        return self.choices[0] if self.choices else None

    def _probes(self) -> Tensor:
        """Random codes within the sliders' ranges, and some of those given."""
        random = torch.rand(self.probes, self.latent_dim, generator=torch.Generator().manual_seed(0))
        z = self.low + random * (self.high - self.low)
        return z if self.codes is None else torch.cat([z, self.codes[:: -(-len(self.codes) // self.probes)]])


def _checked_codes(codes: Tensor | None) -> Tensor | None:
    if codes is None:
        return None
    codes = torch.as_tensor(codes).detach().float().cpu()
    if codes.ndim != 2 or not len(codes):
        raise InvalidInput(f"codes must have the shape (n, latent_dim), but got {tuple(codes.shape)}.")
    if not codes.isfinite().all():
        raise InvalidInput("codes must be finite numbers.")
    return codes


def _checked_latent_dim(decoder: Decoder, latent_dim: int | None, codes: Tensor | None) -> int:
    """The decoder's own, else as given, else as many as the codes have columns."""
    own = getattr(decoder, "latent_dim", latent_dim)
    if latent_dim is None:
        latent_dim = own if own is not None or codes is None else codes.shape[1]
    elif latent_dim != own:
        raise InvalidInput(f"latent_dim must be {own}, the decoder's own, but got {latent_dim}.")
    if not isinstance(latent_dim, int) or latent_dim < 1:
        raise InvalidInput(f"latent_dim must be a whole number of at least 1, but got {latent_dim}.")
    return latent_dim


def _checked_labels(labels: Tensor | None, codes: Tensor | None) -> Tensor | None:
    if labels is None:
        return None
    labels = torch.as_tensor(labels).detach().cpu()
    if codes is None or labels.shape != codes.shape[:1]:
        count = 0 if codes is None else len(codes)
        raise InvalidInput(f"labels must be one for each of {count} codes, but have the shape {tuple(labels.shape)}.")
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= LABELS:
        raise InvalidInput(f"labels must be whole numbers from 0 to {LABELS - 1}.")
    return labels


@contextlib.contextmanager
def _evaluating(decoder: Decoder) -> Iterator[None]:
    """Evaluation mode for a while, for every part that was training."""
    parts = [part for part in decoder.modules() if part.training] if isinstance(decoder, nn.Module) else []
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part in parts:
            part.training = True
