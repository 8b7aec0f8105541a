"""Your turn in lesson 02: a convolution, a transposed convolution by stamping, PSNR."""

import math
import re
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong
from ae_utils.course.checks.your_turn import called, compare, your_turn
from ae_utils.metrics import images

CONVOLUTIONS = ((7, 3), (5, 2), (6, 4))  # pixels and kernel, per side
STAMPS = ((4, 3, 2), (4, 2, 3), (2, 4, 1), (3, 4, 2))  # pixels, kernel, stride


# --- convolution ---------------------------------------------------------------------------------------------------


def own_convolve(x, weight):
    """Sum of pixels times weights at each place of the kernel: (n, n) and (k, k) → (n - k + 1, n - k + 1)."""
    k = len(weight)
    size = len(x) - k + 1
    places = [(i, j) for i in range(size) for j in range(size)]
    return torch.stack([(x[i : i + k, j : j + k] * weight).sum() for i, j in places]).view(size, size)


@your_turn(own_convolve)
def convolve(answer) -> str:
    """``answer(x, weight)``: an image (n, n) under a kernel (k, k), without padding → (n - k + 1, n - k + 1)."""
    for n, k in CONVOLUTIONS:
        x, weight = torch.randn(n, n), torch.randn(k, k)
        size = f"{n} pixels have n - k + 1 = {n - k + 1} places for a kernel of side {k}"
        if (n, k) != CONVOLUTIONS[0]:
            size += "; a kernel of 3 came out right: take its side k from weight, n from x"
        result = _picture(answer, size, x, weight)
        _check_places(tuple(result.shape), n, k)
        mistakes = _wrong_convolutions(x, weight)
        compare(result, _conv(x, weight), mistakes, "each is the sum of k² products, pixel by weight")
    return "the same as F.conv2d; deep learning's convolution does not flip the kernel"


def _check_places(shape: tuple[int, ...], n: int, k: int) -> None:
    size, case = n - k + 1, f"for {n} pixels and a kernel of {k}"
    if shape == (size * size,):
        raise Wrong(f"{case} the {size * size} numbers come in one row: lay them out as {size} × {size}")
    if len(shape) > 2 and math.prod(shape) == size * size:
        raise Wrong(f"the result has {len(shape)} axes: a picture has two")
    if shape == (n, n):
        raise Wrong("the picture is as large as the image: no padding, the kernel stays inside")
    if shape == (n + k - 1, n + k - 1):
        raise Wrong("the picture is larger than the image: no padding, the kernel stays inside")
    if shape == (size - 1, size - 1):
        raise Wrong(f"{case} the last place is missing: there are n - k + 1 = {size} per side")
    if shape != (size, size):
        raise Wrong(f"{case} the size is {shape}, but there are n - k + 1 = {size} places per side")


def _wrong_convolutions(x: Tensor, weight: Tensor) -> dict[str, Tensor]:
    wanted, ones = _conv(x, weight), torch.ones_like(weight)
    return {
        "the kernel is flipped: here x[i + a, j + c] meets weight[a, c]": _conv(x, weight.flip(0, 1)),
        "the kernel's rows are flipped: row a of the kernel meets row i + a": _conv(x, weight.flip(0)),
        "the kernel's columns are flipped: column c of the kernel meets column j + c": _conv(x, weight.flip(1)),
        "the picture is transposed: rows and columns are swapped": wanted.T,
        "the kernel is transposed: its rows lie on the image's rows": _conv(x, weight.T),
        "the image is transposed: rows and columns are swapped": _conv(x.T, weight),
        "this is the mean of the products: take their sum": wanted / weight.numel(),
        "the sign is wrong: nothing is subtracted": -wanted,
        "the pixels are summed without their weights": _conv(x, ones),
        "pixel and weight are added: multiply them": _conv(x, ones) + weight.sum(),
        "the weights are subtracted from the pixels: multiply them": _conv(x, ones) - weight.sum(),
        "the pixels are squared: each is multiplied by its weight": _conv(x.square(), ones),
    }


def _conv(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x[None, None], weight[None, None])[0, 0]


# --- transposed convolution ----------------------------------------------------------------------------------------


def own_stamp(x, weight, stride):
    """The kernel, times each pixel, added at places ``stride`` apart: (n, n) and (k, k) → side (n - 1) * stride + k."""
    k = len(weight)
    side = (len(x) - 1) * stride + k
    picture = torch.zeros(side, side)
    for i, row in enumerate(x):
        for j, pixel in enumerate(row):
            picture[i * stride : i * stride + k, j * stride : j * stride + k] += pixel * weight
    return picture


@your_turn(own_stamp)
def stamp(answer) -> str:
    """``answer(x, weight, stride)``: an image (n, n), each pixel stamps the kernel (k, k), ``stride`` apart."""
    for n, k, stride in STAMPS:
        x, weight = torch.randn(n, n), torch.randn(k, k)
        side = (n - 1) * stride + k
        size = f"{n} stamps of side {k}, {stride} apart, need (n - 1) * stride + k = {side} pixels per side"
        result = _picture(answer, size, x, weight, stride)
        if result.shape != (side, side):
            raise Wrong(_why_size(tuple(result.shape), n, k, stride, size))
        wanted = _stamped(x, weight, stride, stride)
        alone = _stamped(torch.ones(n, n), torch.ones(k, k), stride, stride) == 1
        if not torch.allclose(result, wanted, atol=1e-5) and torch.allclose(result[alone], wanted[alone], atol=1e-5):
            raise Wrong("a single stamp is right, but where stamps overlap they add up: do not overwrite")
        compare(result, wanted, _wrong_stamps(x, weight, stride), "each pixel, times the kernel, at (i, j) * stride")
    return "the same as F.conv_transpose2d: stamps that overlap add up"


def _why_size(shape: tuple[int, ...], n: int, k: int, stride: int, size: str) -> str:
    if shape == (n * stride + k,) * 2:
        return f"the picture is one stride too large: {n} stamps have {n - 1} steps between them"
    if shape == ((n - 2) * stride + k,) * 2:
        return f"the picture is one stride too small: {n} stamps have {n - 1} steps between them"
    if shape == (n - 1 + k,) * 2:
        return "the stride is ignored in the size: stamps lie that many pixels apart"
    if shape == ((n - k) // stride + 1,) * 2:
        return "this is a convolution, which makes the picture smaller: stamp instead"
    if len(shape) != 2:
        return f"the result has {len(shape)} axes: a picture has two"
    return f"the picture is {shape[0]} × {shape[1]}, but {size}"


def _wrong_stamps(x: Tensor, weight: Tensor, stride: int) -> dict[str, Tensor]:
    def stamped(x: Tensor, weight: Tensor) -> Tensor:
        return _stamped(x, weight, stride, stride)

    wanted = stamped(x, weight)
    pixels, kernels = stamped(x, torch.ones_like(weight)), stamped(torch.ones_like(x), weight)
    return {
        "the stride is ignored: stamp (i, j) begins at (i, j) * stride": _stamped(x, weight, 1, 1, stride),
        "the stride is ignored from column to column": _stamped(x, weight, stride, 1, stride),
        "the stride is ignored from row to row": _stamped(x, weight, 1, stride, stride),
        "the kernel is flipped: a stamp is the kernel as it is": stamped(x, weight.flip(0, 1)),
        "the kernel's rows are flipped: a stamp is the kernel as it is": stamped(x, weight.flip(0)),
        "the kernel's columns are flipped: a stamp is the kernel as it is": stamped(x, weight.flip(1)),
        "the picture is transposed: rows and columns are swapped": wanted.T,
        "the kernel is transposed: a stamp is the kernel as it is": stamped(x, weight.T),
        "the image is transposed: row i of it goes to row i * stride": stamped(x.T, weight),
        "the sign is wrong: stamps are added": -wanted,
        "the pixel is missing: each stamp is multiplied by its pixel": kernels,
        "the kernel is missing: each pixel is multiplied by all of it": pixels,
        "pixel and kernel are added: multiply them": pixels + kernels,
    }


def _stamped(x: Tensor, weight: Tensor, down: int, right: int, stride: int = 0) -> Tensor:
    """Stamps at other distances, on a picture for ``stride`` (0: for these distances)."""
    result = F.conv_transpose2d(x[None, None], weight[None, None], stride=(down, right))[0, 0]
    rows, columns = ((len(x) - 1) * (stride or step) + len(weight) for step in (down, right))
    return F.pad(result, (0, columns - result.shape[1], 0, rows - result.shape[0]))


def _picture(answer: Any, size: str, *inputs: Any) -> Tensor:
    """What the answer returns; when tensors did not fit each other, ``Wrong`` with the sentence about sizes."""
    try:
        result = called(answer, *inputs)
    except (RuntimeError, IndexError) as error:
        if isinstance(error, IndexError) or re.search(r"size|shape|stack expects", str(error)):
            raise Wrong(f"something does not fit: {size}") from None
        raise
    if not isinstance(result, Tensor):
        raise Wrong(f"a tensor is expected, but a {type(result).__name__} came back")
    return result


# --- PSNR ----------------------------------------------------------------------------------------------------------


@your_turn(images.psnr)
def psnr(answer) -> str:
    """``answer(x_hat, x)``: the peak signal-to-noise ratio of each image in decibels, for a peak of 1 → (n,)."""
    for count in (3, 2):
        x = 0.8 * torch.rand(count, 1, 28, 28)
        noise = torch.randn_like(x) * torch.tensor([0.05, 0.2, 0.6])[:count].view(-1, 1, 1, 1)
        x_hat = (x + noise).clamp(0, 0.9)
        result, squared = called(answer, x_hat, x), (x_hat - x).square()
        if not isinstance(result, Tensor):
            raise Wrong(f"a tensor with one number per image is expected, but a {type(result).__name__} came back")
        if result.shape != (count,):
            raise Wrong(_why_shape(result, squared))
        wanted = images.psnr(x_hat, x)
        compare(result, wanted, _wrong_psnrs(wanted, x_hat, x), "-10 log10 of each image's mean squared error")
    return "decibels, one number per image: 10 more for a tenth of the error"


def _why_shape(result: Tensor, squared: Tensor) -> str:
    count = len(squared)
    if not result.shape:
        whole = torch.isclose(result.float(), -10 * squared.mean().log10())
        return (
            "the mean is taken over the images before the logarithm: keep one error per image"
            if whole
            else "one number came back: keep one per image, the caller averages"
        )
    if result.shape == squared.shape:
        return "one number per pixel came back: take the mean over an image's pixels"
    if result.shape == squared.shape[1:]:
        return "the mean is taken over the first axis, which counts the images: keep that one"
    if result.numel() == count:
        return f"an axis is left over: the shape is {tuple(result.shape)}, expected ({count},)"
    return f"the shape is {tuple(result.shape)}, expected ({count},): take the mean over every axis but the first"


def _wrong_psnrs(wanted: Tensor, x_hat: Tensor, x: Tensor) -> dict[str, Tensor]:
    def decibels(value: Tensor) -> Tensor:
        return -10 * value.flatten(1).mean(1).log10()

    squared = (x_hat - x).square()
    return {
        "the sign is wrong: a smaller error has more decibels": -wanted,
        "this is the natural logarithm: decibels need log10": wanted * math.log(10),
        "this is the logarithm to base 2: decibels need log10": wanted * math.log2(10),
        "the factor is 20, which belongs to the root of the error: for the squared error it is 10": 2 * wanted,
        "the factor 10 belongs to the squared error: of its root it gives half the decibels": wanted / 2,
        "the factor 10 is missing: a decibel is a tenth of a bel": wanted / 10,
        "the squared errors are summed: take the mean over the pixels": wanted - 10 * math.log10(784),
        "the logarithm is missing": -10 * squared.flatten(1).mean(1),
        "these are absolute errors: square them": decibels((x_hat - x).abs()),
        "x_hat and x are added: the error is their difference": decibels((x_hat + x).square()),
        "the peak is 1, not 255": wanted + 20 * math.log10(255),
        "the peak is 1, whatever the largest pixel of x is": wanted + 20 * x.flatten(1).amax(1).log10(),
        "the peak is 1, whatever the largest pixel in the batch is": wanted + 20 * x.max().log10(),
        "the logarithm comes before the mean: average over the pixels first": -10 * squared.log10().flatten(1).mean(1),
        "this is the PSNR of all images together, repeated": -10 * squared.mean().log10().expand(len(x)),
    }
