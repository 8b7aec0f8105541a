"""What the studio's page is made of: two graphs of every model, and what its codes and errors of test digits are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.models import CVAE, VAE, Autoencoder, DigitClassifier, LatentFlow
from ae_utils.networks.conditional import LABELS
from ae_utils.networks.dense import PIXELS, Affine
from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.graph import Unsupported, encoder_graph, flow_graph, page_graph
from ae_utils.widgets.markers import marker_paths, svg_data

Model = Autoencoder | VAE
MOST_SLIDERS, MAP_POINTS, DIGITS, PROBES = 64, 2000, 10, 64
FLOW_TIMES, FLOW_STEPS = 20, 10  # the page knows the velocity at 21 times, and takes ten steps from noise to code


@dataclass(frozen=True)
class Statistics:
    """What a model makes of the test digits.

    ``dimensions`` of the code that have sliders, at most ``MOST_SLIDERS``, those that vary most; ``low`` and ``high``
    of each, between which the middle 99 % lie; quantiles of the squared ``errors`` per pixel, evenly spaced from the
    smallest to the largest; and of a VAE the median ``negative_elbo``, in nats.
    """

    dimensions: list[int]
    low: list[float]
    high: list[float]
    errors: list[float]
    negative_elbo: float | None = None


@dataclass(frozen=True)
class StudioModel:
    """A model in the studio, with a line that says what it is."""

    model: Model
    summary: str
    statistics: Statistics


def studio_state(
    models: Mapping[str, StudioModel], classifier: DigitClassifier, test: Images, flow: LatentFlow | None, redraws: str
) -> dict[str, Any]:
    """All that the page needs. ``flow`` draws from the codes of the model named ``redraws``.

    Raises ``InvalidInput`` with the model's name for one that the page cannot run, and for no models.
    """
    if not models:
        raise InvalidInput("the studio expects at least one model, but got none.")
    digits = test[_of_each(test.label, DIGITS)]
    content: dict[str, Any] = {
        "models": [_model(name, each, test) for name, each in models.items()],
        "classifier": _classifier(classifier, test.x[:PROBES]),
        "digits": (digits.x * 255).round().byte().numpy().tobytes(),
        "labels": digits.label.byte().numpy().tobytes(),
        "colours": list(DIGIT_COLOURS),
        "markers": [svg_data(path) for path in marker_paths()],
    }
    if flow is not None:
        content["flow"] = {"codes of": redraws, **_flow(flow)}
    return content


def page_parts(model: Model) -> tuple[nn.Module, nn.Module]:
    """The encoder from images in [0, 1], and the decoder to images in [0, 1]."""
    low, high = getattr(model, "pixel_range", (0, 1))
    return nn.Sequential(Affine(high - low, low), model.encoder), nn.Sequential(model.decoder, model.output_activation)


@torch.no_grad()
def _model(name: str, each: StudioModel, test: Images) -> dict[str, Any]:
    model = each.model
    few = test[: max(PROBES, 2)]
    label = few.label if isinstance(model, CVAE) else None
    encoder, decoder = page_parts(model)
    given = () if label is None else (label,)
    codes = model.encoder(encoder[0](few.x), *given)  # type: ignore[index] # a sequence
    z = codes[:, : model.latent_dim]
    try:
        graphs = {
            "encoder": encoder_graph(encoder, few.x, codes, label),
            "decoder": page_graph(decoder, z, model.decode(z, label), label),
        }
    except Unsupported as reason:
        raise InvalidInput(f"{name} cannot run in the studio: {reason}.") from None
    content = {"name": name, "summary": each.summary, "latent_dim": model.latent_dim, **vars(each.statistics), **graphs}
    if isinstance(model, VAE):
        content |= {"variational": True, "conditional": isinstance(model, CVAE), "eps": _noise(model.latent_dim)}
    if model.latent_dim == 2 and not isinstance(model, CVAE):
        shown = test[:MAP_POINTS]
        points = model.encode(shown.to_range(*getattr(model, "pixel_range", (0, 1))).x)
        content["map"] = {
            "codes": points.numpy().tobytes(),
            "labels": shown.label.byte().numpy().tobytes(),
        }
    return content


@torch.no_grad()
def _classifier(classifier: DigitClassifier, x: Tensor) -> dict[str, Any]:
    return encoder_graph(nn.Sequential(classifier.body, classifier.head), x, classifier(x).logits)


@torch.no_grad()
def _flow(flow: LatentFlow) -> dict[str, Any]:
    """The flow's velocity; its codes are decoded by the autoencoder, which the page has already."""
    kept, flow.steps = flow.steps, FLOW_STEPS
    try:
        noise = torch.randn(PROBES, flow.latent_dim, generator=torch.Generator().manual_seed(0))
        label = torch.arange(PROBES) % LABELS
        graph = flow_graph(flow, noise, flow.decode(noise, label), label, times=FLOW_TIMES)
    finally:
        flow.steps = kept
    return {"graph": graph["flow"], "noise": noise[0].tolist()}


def _noise(latent_dim: int) -> list[float]:
    """The eps of the z with which the page estimates the ELBO: always the same, so that the estimate moves smoothly."""
    return cast(list[float], torch.randn(latent_dim, generator=torch.Generator().manual_seed(0)).tolist())


def _of_each(label: Tensor, count: int) -> Tensor:
    """Indices of the first ``count`` images of each class, in the classes' order."""
    return torch.cat([torch.nonzero(label == digit)[:count, 0] for digit in range(LABELS)])


assert PIXELS == 784  # what the page draws on
