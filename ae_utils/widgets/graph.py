"""A network as a graph for the page: its layers one after the other, each with its weights.

``static/network.js`` evaluates what is made here. A graph is a list of dictionaries such as
``{"op": "linear", "weight": …, "bias": …}``; one with more than ``MOST_MULTIPLY_ADDS`` per evaluation is refused.
"""

import copy
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from ae_utils.errors import InvalidInput
from ae_utils.networks.mixture import MixtureComponent
from ae_utils.networks.velocity import NO_LABEL
from ae_utils.widgets.fold import (
    AddTimeLabel,
    AppendLabel,
    LabelScaleShift,
    PageNetwork,
    ScaleShift,
    Sum,
    fold_batchnorm,
    fold_velocity,
)

Op = dict[str, Any]  # its name, tensors, sizes, and for parallel branches lists of such dictionaries
MOST_MULTIPLY_ADDS = 5_000_000
CLOSE = 0.5 / 255  # half of what page and kernel may differ by, as a margin for codes that are not tried
CLOSE_CODES = 0.01  # what rounding may change a code by, as a fraction of the largest number in it
Close = Callable[[Tensor, Tensor], bool]


class Flow(Protocol):
    """What ``models.LatentFlow`` consists of."""

    autoencoder: Any
    velocity: nn.Module
    steps: int
    guidance: float
    mean: Tensor
    std: Tensor


class Unsupported(InvalidInput):
    """The page cannot run this decoder; the message says why."""


def page_graph(decoder: nn.Module, codes: Tensor, expected: Tensor, label: Tensor | None = None) -> dict[str, Any]:
    """The graph of a decoder: ``{"ops": [...], "dtype": "float16" or "float32"}``, its arrays as bytes.

    ``codes`` (n, inputs), and labels (n,) for a conditional decoder, go through the graph's layers and must give
    ``expected`` (n, 1, height, width) to 1/255, in float16 if that is enough. Raises ``Unsupported`` for a layer the
    page does not know, for too many multiply-adds, and for a decoder whose images are not those of its layers.
    """
    return _graph(decoder, codes, expected, label, _close, "images that decode gives")


def encoder_graph(encoder: nn.Module, images: Tensor, expected: Tensor, label: Tensor | None = None) -> dict[str, Any]:
    """The graph of an encoder, or of a classifier: as ``page_graph``, from images (n, 1, height, width) to rows.

    ``expected`` (n, outputs) are the encoder's own; a hundredth of the largest is what float16 may change them by.
    """
    return _graph(encoder, images, expected, label, _close_codes, "codes that encode gives")


def page_network(network: nn.Module, dtype: str) -> PageNetwork:
    """What the page evaluates, for the kernel: the network's layers with their numbers rounded to ``dtype``."""
    layers = fold_batchnorm(network).cpu().eval()
    return layers.half().float() if dtype == "float16" else layers


def _graph(
    network: nn.Module, x: Tensor, expected: Tensor, label: Tensor | None, close: Close, what: str
) -> dict[str, Any]:
    """The network's graph in the first of two number formats in which its layers are ``close`` to what is expected."""
    for dtype in ("float16", "float32"):
        layers = page_network(network, dtype)
        ops = _ops(layers, x[:1], None if label is None else label[:1])
        if _multiply_adds(ops) > MOST_MULTIPLY_ADDS:
            raise Unsupported(f"an image takes more than {MOST_MULTIPLY_ADDS / 1e6:.0f} million multiply-adds")
        if close(layers(x, label), expected):
            return {"dtype": dtype, "ops": [_packed(op, dtype) for op in ops]}
    raise Unsupported(f"its layers, one after the other, do not give the {what}")


def flow_graph(
    flow: Flow, codes: Tensor, expected: Tensor, label: Tensor | None = None, *, times: int | None = None
) -> dict[str, Any]:
    """The graph of a latent flow: that of its autoencoder's decoder, and its velocity under ``"flow"``.

    The same as ``page_graph``, but what is checked are the images at the end of all steps. The page knows the
    velocity at the times 0, 1/``times``, … 1, so it can take any number of steps that divides ``times``, which is
    the flow's own number of steps or a multiple of it.
    """
    times = times or flow.steps
    full = fold_velocity(flow.velocity, times).cpu().eval()
    half = copy.deepcopy(full).half().float()
    decoder = nn.Sequential(flow.autoencoder.decoder, flow.autoencoder.output_activation)
    label = torch.full((len(codes),), NO_LABEL) if label is None else label
    for dtype, velocity in (("float16", half), ("float32", full)):
        z = _integrated(velocity, codes, label, flow, times) * flow.std + flow.mean
        ops = _ops(velocity, codes[:1], label[:1])
        if _multiply_adds(ops) > MOST_MULTIPLY_ADDS:
            raise Unsupported(f"a step takes more than {MOST_MULTIPLY_ADDS / 1e6:.0f} million multiply-adds")
        if _close(fold_batchnorm(decoder).eval()(z), expected):
            scale: Op = {"mean": flow.mean, "std": flow.std}
            numbers = {"steps": flow.steps, "times": times, "guidance": flow.guidance, "unknown": NO_LABEL}
            packed = {"dtype": dtype, "ops": [_packed(op, dtype) for op in ops], **numbers, **_packed(scale, dtype)}
            return {**page_graph(decoder, z, expected), "flow": packed}
    raise Unsupported("its layers, one after the other, do not give the images that decode gives")


def _integrated(velocity: PageNetwork, z: Tensor, label: Tensor, flow: Flow, times: int) -> Tensor:
    """The velocity integrated by Heun's method, as ``models.LatentFlow`` does."""
    unknown, stride = torch.full_like(label, NO_LABEL), times // flow.steps

    def guided(z: Tensor, time: int) -> Tensor:
        return torch.lerp(velocity(z, unknown, time), velocity(z, label, time), flow.guidance)

    for time in range(0, times, stride):
        first = guided(z, time)
        z = z + (first + guided(z + first / flow.steps, time + stride)) / (2 * flow.steps)
    return z


def _close(images: Tensor, expected: Tensor) -> bool:
    if images.shape != expected.shape:
        return False
    return bool((images.clamp(0, 1) - expected.clamp(0, 1)).abs().max() < CLOSE)


def _close_codes(codes: Tensor, expected: Tensor) -> bool:
    if codes.shape != expected.shape:
        return False
    return bool(((codes - expected).abs().amax(1) <= CLOSE_CODES * expected.abs().amax(1)).all())


def _ops(layers: PageNetwork, x: Tensor, label: Tensor | None = None) -> list[Op]:
    """A dictionary for each layer that computes; ``x`` (1, inputs) goes through them for its shapes."""
    ops: list[Op] = []
    for layer in layers:
        if type(layer) not in OPS:
            raise Unsupported(f"{type(layer).__name__} is not a layer that the page knows")
        before, x = x, PageNetwork(layer)(x, label)
        op = OPS[type(layer)](layer, before, x)
        if op:
            ops.append({**op, "size": x.numel()})
    return ops


def _multiply_adds(ops: list[Op]) -> int:
    inside = [value for op in ops for value in op.values() if _is_branch(value)]
    return sum(op.get("multiply_adds", 0) for op in ops) + sum(map(_multiply_adds, inside))


def _is_branch(value: object) -> TypeGuard[list[Op]]:
    """Whether a value of an op is a list of ops itself."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _packed(op: Op, dtype: str) -> Op:
    """The op with its tensors as bytes: numbers in ``dtype``, indices in uint32."""

    def pack(value: object) -> object:
        if _is_branch(value):
            return [_packed(op, dtype) for op in value]
        if not isinstance(value, Tensor):
            return value
        kind = dtype if value.is_floating_point() else np.uint32
        return value.detach().contiguous().numpy().astype(kind).tobytes()

    return {name: pack(value) for name, value in op.items()}


def _linear(layer: nn.Linear, before: Tensor, after: Tensor) -> Op:
    if before.ndim != 2:
        raise Unsupported("Linear is applied to more than one row per image")
    return {
        "op": "linear",
        "weight": layer.weight.T,  # (inputs, outputs)
        "bias": _bias(layer, layer.out_features),
        "multiply_adds": layer.weight.numel(),
    }


def _convolution(layer: nn.Conv2d, before: Tensor, after: Tensor) -> Op:
    weight = layer.weight.flatten(1)  # (outputs, inputs·height·width)
    return _grids(layer, "convolution", weight, image=before, grid=after)


def _transposed_convolution(layer: nn.ConvTranspose2d, before: Tensor, after: Tensor) -> Op:
    weight = layer.weight.flatten(1).T  # (outputs·height·width, inputs)
    return _grids(layer, "transposed_convolution", weight, image=after, grid=before)


def _grids(layer: nn.Conv2d | nn.ConvTranspose2d, op: str, weight: Tensor, *, image: Tensor, grid: Tensor) -> Op:
    """Both convolutions: the kernel is placed on ``image`` once for each position of ``grid``."""
    if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise Unsupported(f"{type(layer).__name__} with groups, dilation or a named padding is not known to the page")
    return {
        "op": op,
        "image": list(image.shape[1:]),
        "grid": list(grid.shape[2:]),
        "kernel": list(layer.kernel_size),
        "stride": list(layer.stride),
        "padding": list(layer.padding),
        "weight": weight,
        "bias": _bias(layer, layer.out_channels),
        "multiply_adds": weight.numel() * grid.shape[2] * grid.shape[3],
    }


def _max_pool(layer: nn.MaxPool2d, before: Tensor, after: Tensor) -> Op:
    kernel, stride, padding = (_pair(value) for value in (layer.kernel_size, layer.stride, layer.padding))
    if _pair(layer.dilation) != [1, 1] or layer.return_indices:
        raise Unsupported("MaxPool2d with dilation or indices is not known to the page")
    grid = list(after.shape[2:])
    return {
        "op": "max_pool", "image": list(before.shape[1:]), "grid": grid,
        "kernel": kernel, "stride": stride, "padding": padding,
    }  # fmt: skip


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _bias(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, outputs: int) -> Tensor:
    return torch.zeros(outputs) if layer.bias is None else layer.bias


def _scale_shift(layer: ScaleShift, before: Tensor, after: Tensor) -> Op:
    return {"op": "scale_shift", "scale": layer.scale, "shift": layer.shift}


def _sum(layer: Sum, before: Tensor, after: Tensor) -> Op:
    return {"op": "sum", "main": _ops(layer.main, before), "shortcut": _ops(layer.shortcut, before)}


def _label_scale_shift(layer: LabelScaleShift, before: Tensor, after: Tensor) -> Op:
    return {"op": "label_scale_shift", "scale": layer.scale, "shift": layer.shift}


def _add_time_label(layer: AddTimeLabel, before: Tensor, after: Tensor) -> Op:
    return {"op": "add_time_label", "times": layer.times, "labels": layer.labels}


def _layer_norm(layer: nn.LayerNorm, before: Tensor, after: Tensor) -> Op:
    if before.ndim != 2 or list(layer.normalized_shape) != [before.shape[1]]:
        raise Unsupported("LayerNorm is known to the page over all features of a vector only")
    return {"op": "layer_norm", "weight": layer.weight, "bias": layer.bias, "eps": layer.eps}


def _gather(layer: nn.Module, before: Tensor, after: Tensor) -> Op:
    """A layer that only moves numbers: it is applied to their indices to find where each one comes from."""
    indices = torch.arange(before.numel(), dtype=torch.float64).view(before.shape)
    return {"op": "gather", "source": layer(indices).long()}


def _upsample(layer: nn.Upsample, before: Tensor, after: Tensor) -> Op:
    if layer.mode != "nearest":
        raise Unsupported(f"Upsample(mode='{layer.mode}') is not known to the page, only 'nearest'")
    return _gather(layer, before, after)


def _nothing(layer: nn.Module, before: Tensor, after: Tensor) -> Op:
    return {}  # the numbers stay in their order


def _activation(name: str, *options: str) -> Callable[[nn.Module, Tensor, Tensor], Op]:
    def op(layer: nn.Module, before: Tensor, after: Tensor) -> Op:
        return {"op": name, **{option: getattr(layer, option) for option in options}}

    return op


OPS: dict[type[nn.Module], Callable[..., Op]] = {  # each takes a layer of its own type, then before and after
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed_convolution,
    nn.MaxPool2d: _max_pool,
    ScaleShift: _scale_shift,
    Sum: _sum,
    LabelScaleShift: _label_scale_shift,
    AddTimeLabel: _add_time_label,
    nn.LayerNorm: _layer_norm,
    AppendLabel: _activation("append_label"),
    MixtureComponent: _activation("mixture_component", "count", "scale"),
    nn.PixelShuffle: _gather,
    nn.Upsample: _upsample,
    nn.ReLU: _activation("relu"),
    nn.LeakyReLU: _activation("leaky_relu", "negative_slope"),
    nn.SiLU: _activation("silu"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("tanh"),
    nn.Hardtanh: _activation("hardtanh", "min_val", "max_val"),
    nn.Identity: _nothing,
    nn.Flatten: _nothing,
    nn.Unflatten: _nothing,
}
