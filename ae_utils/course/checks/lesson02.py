"""Checks of lesson 02: sizes, receptive fields, the max-pool encoder, a transposed convolution without stamping."""

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, same

SIZES = ((28, 3, 2, 1), (14, 3, 2, 1), (7, 7, 1, 0), (28, 5, 1, 0), (28, 4, 2, 1), (10, 3, 3, 2))
TRANSPOSED_SIZES = ((1, 7, 1, 0, 0), (7, 3, 2, 1, 1), (14, 3, 2, 1, 1), (14, 4, 2, 1, 0), (5, 3, 3, 0, 2))
STACKS = (([(3, 1)], 3), ([(3, 1), (3, 1)], 5), ([(3, 2), (3, 1)], 7), ([(3, 2), (3, 2), (7, 1)], 31))


@check
def conv_size(answer) -> str:
    """``answer(n, kernel, stride, padding)``: the number of pixels per side of a convolution's output."""
    for n, kernel, stride, padding in SIZES:
        result, case = given(answer(n, kernel, stride, padding)), f"({n}, {kernel}, {stride}, {padding})"
        free = n + 2 * padding - kernel
        if result == free // stride + 1:
            continue
        if result == free / stride + 1:
            raise Wrong(f"for {case} the last step does not fit any more: {result} places must become a whole number")
        if result == (free - padding) // stride + 1:
            raise Wrong(f"for {case} you say {result}: the padding is added at both ends")
        if result == free // stride:
            raise Wrong(f"for {case} you say {result}: that is the number of steps, but the first place needs no step")
        raise Wrong(f"for {case} you say {result}, but there are {free // stride + 1} places")
    return "28 → 14 → 7 → 1, as in the encoder"


@check
def transposed_size(answer) -> str:
    """``answer(n, kernel, stride, padding, output_padding)``: pixels per side of a transposed convolution's output."""
    for n, kernel, stride, padding, extra in TRANSPOSED_SIZES:
        case = f"({n}, {kernel}, {stride}, {padding}, {extra})"
        result = given(answer(n, kernel, stride, padding, extra))
        size = (n - 1) * stride - 2 * padding + kernel + extra
        if result == n * stride - 2 * padding + kernel + extra:
            raise Wrong(f"for {case} you say {result}: {n} stamps have {n - 1} steps between them")
        if extra and result == size - extra:
            raise Wrong(f"for {case} you say {result}: the output padding adds pixels at the end")
        if result != size:
            raise Wrong(f"for {case} you say {result}, but it is {size}: where do the first and the last stamp lie?")
    return "1 → 7 → 14 → 28, as in the decoder"


@check
def down_and_up(answer) -> str:
    """``answer()``: a convolution from 28 to 10 pixels per side and a transposed one back, both with 3×3 kernels."""
    layers = given(answer())
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    if not (isinstance(layers, tuple | list) and len(layers) == 2 and all(map(isinstance, layers, kinds))):
        raise Wrong("an nn.Conv2d and an nn.ConvTranspose2d are expected, in this order")
    if any(layer.kernel_size != (3, 3) for layer in layers):
        raise Wrong(f"the kernels are {' and '.join(str(layer.kernel_size) for layer in layers)}: make both 3 × 3")
    down, up = layers
    small = down(torch.zeros(1, down.in_channels, 28, 28))
    if small.shape[2:] != (10, 10):
        raise Wrong(f"28 pixels become {small.shape[2]}, not 10: try other strides and paddings in your conv_size")
    size = up(torch.zeros(1, up.in_channels, 10, 10)).shape[2]
    if size != 28:
        raise Wrong(f"28 → 10 is right, but the way back gives {size}: 10 stamps, how far apart, and what is cut off?")
    return "28 → 10 → 28"


@check
def receptive_field(answer) -> str:
    """``answer(layers)``, each (kernel, stride): pixels per side that one output of the last layer depends on."""
    for layers, pixels in STACKS:
        result = given(answer(layers))
        if result == pixels:
            continue
        if result == 1 + sum(kernel - 1 for kernel, _ in layers):
            raise Wrong(f"for {layers} you say {result}: behind a stride of 2, neighbours lie two pixels apart")
        if result == _own_stride_counted(layers):
            raise Wrong(f"for {layers} you say {result}: a layer's stride spreads the layers after it, not itself")
        raise Wrong(f"for {layers} you say {result}, but it is {pixels}: go from the first layer to the last")
    return "31 × 31 is more than the image: every number of the code can depend on every pixel"


@check
def maxpool_encoder(answer) -> str:
    """``answer(latent_dim)``: system 5's encoder with stride 1 and MaxPool2d(2) instead of stride 2."""
    encoder = given(answer(10))
    if not isinstance(encoder, nn.Module):
        raise Wrong(f"a module is expected, such as nn.Sequential(…), but this is a {type(encoder).__name__}")
    layers = list(encoder.modules())
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if any(layer.stride != (1, 1) for layer in convolutions):
        raise Wrong("a convolution still takes steps of 2: pooling is there to do the halving")
    if sum(isinstance(layer, nn.MaxPool2d) for layer in layers) != 2:
        raise Wrong("two MaxPool2d layers are expected: 28 → 14 and 14 → 7")
    _codes_of(encoder, 10)
    channels = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in convolutions]
    if channels != [(1, 16, 3), (16, 32, 3), (32, 10, 7)]:
        raise Wrong(f"the convolutions are {channels} (in, out, kernel); the channels and kernels of conv_encoder stay")
    if sum(isinstance(layer, nn.ReLU) for layer in layers) != 2:
        raise Wrong("two ReLUs are expected, as in conv_encoder: behind the first two convolutions")
    return "this is the max-pool encoder; the decoder needs no change"


@check
def without_stamping(answer) -> str:
    """``answer(layer)``: a module equal to ``ConvTranspose2d(…, 3, stride=2, padding=1, output_padding=1)``."""
    for channels, biased in (((2, 1), False), ((3, 2), False), ((3, 2), True)):
        layer, x = _transposed(*channels, biased)
        result, wanted = _pictures(given(answer(layer)), layer, x)
        if biased and not same(result, wanted):
            raise Wrong("all is right but the bias: each of the four channels that become one needs it")
        _compare(result, wanted)
    return "the same numbers, and every pixel is written once"


def _own_stride_counted(layers) -> int:
    pixels, apart = 1, 1
    for kernel, stride in layers:
        apart *= stride
        pixels += (kernel - 1) * apart
    return pixels


@torch.no_grad()
def _codes_of(encoder: nn.Module, latent_dim: int) -> None:
    try:
        shape = tuple(encoder(torch.zeros(2, 1, 28, 28)).shape)
    except RuntimeError as error:
        raise Wrong(f"two images do not go through: {str(error).splitlines()[0]}") from None
    if shape == (2, latent_dim, 1, 1):
        raise Wrong(f"the code is still a 1×1 feature map, {shape}: flatten it")
    if shape != (2, latent_dim):
        raise Wrong(
            f"two images give codes of shape {shape}, expected (2, {latent_dim}): follow the sizes, layer by layer"
        )


def _transposed(channels_in: int, channels_out: int, biased: bool) -> tuple[nn.ConvTranspose2d, Tensor]:
    """A random layer that makes 10×10 of 5×5, and something to put in."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        if not biased and layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return layer, torch.randn(2, channels_in, 5, 5)


@torch.no_grad()
def _pictures(module, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    if not isinstance(module, nn.Module):
        raise Wrong(f"a module is expected, such as nn.Sequential(…), but this is a {type(module).__name__}")
    if any(isinstance(part, nn.ConvTranspose2d) for part in module.modules()):
        raise Wrong("there is still a transposed convolution in it")
    return module(x), layer(x)


def _compare(result: Tensor, wanted: Tensor) -> None:
    if result.shape[2:] == (8, 8):
        raise Wrong("5×5 became 8×8: a kernel of 2 loses a place; which sides of x need a row and a column of zeros?")
    if result.shape != wanted.shape:
        raise Wrong(f"5×5 must become {tuple(wanted.shape)}, but you have {tuple(result.shape)}")
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = (..., slice(row, None, 2), slice(column, None, 2))
        if not same(result[part], wanted[part]):
            raise Wrong(
                f"pixels ({row}, {column}), ({row}, {column + 2}) … differ: which stamps reach them, and with what?"
            )
