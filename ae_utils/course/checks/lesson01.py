"""Checks of lesson 01: parameters, PCA by hand, the deep autoencoder, another scale, a line of codes."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, check, given, images, same
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder

DEEP = [784, 128, 64, 32, 16, 12, 3, 12, 16, 32, 64, 128, 784]


@check
def count_parameters(answer) -> str:
    """``answer(widths)``: the number of weights and biases of linear layers between ``widths``."""
    for widths in ((784, 3), (5, 4, 3), (784, 128, 64, 12, 3, 12, 64, 128, 784)):
        count = given(answer(widths))
        weights = sum(a * b for a, b in pairwise(widths))
        if count == weights:
            raise Wrong("you counted the weights; each layer also has one bias for every number it puts out")
        if count == weights + sum(widths):
            raise Wrong("the first width is the input: nothing computes it, so it has no biases")
        if count != weights + sum(widths[1:]):
            raise Wrong(f"for widths {widths} the count is {weights + sum(widths[1:]):,}, but you say {count}")
    return f"the published autoencoder with a code size of 3 has {count:,} parameters"


@check
def pca_reconstruct(answer) -> str:
    """``answer(x, mean, components)``: images (n, 784) projected onto orthonormal rows ``components`` (k, 784)."""
    generator = torch.Generator().manual_seed(1)
    x, mean = (torch.rand(shape, generator=generator) for shape in ((6, 784), (784,)))
    components = torch.linalg.qr(torch.randn(784, 4, generator=generator))[0].T
    result = given(answer(x, mean, components))
    centred = (x - mean) @ components.T @ components
    if not isinstance(result, Tensor) or result.shape != x.shape:
        raise Wrong(f"a tensor of shape {tuple(x.shape)} is expected, one row per image; did you stop at the code?")
    if same(result, centred):
        raise Wrong("this is the reconstruction of x - mean: the mean has to be added back")
    if same(result, x @ components.T @ components):
        raise Wrong("the plane of PCA passes through the mean, not through 0: subtract the mean first")
    if same(result, mean + x @ components.T @ components):
        raise Wrong("the mean is added, but was not subtracted before projecting")
    if not same(result, centred + mean):
        raise Wrong("the numbers differ from PCA's: subtract the mean, project, go back, add the mean")
    return "these are PCA's reconstructions"


@check
def deep_autoencoder(model) -> str:
    """``model``: 784→128→64→32→16→12→3 and back with ReLU between, Tanh at the end, on images in [-1, 1]."""
    if not isinstance(model, Autoencoder):
        raise Wrong(f"an Autoencoder is expected, but this is a {type(model).__name__}")
    layers = [layer for part in (model.encoder, model.decoder) for layer in part.modules()]
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    widths = [layer.in_features for layer in linear] + [layer.out_features for layer in linear[-1:]]
    if widths != DEEP:
        raise Wrong(f"the widths are {widths}, expected {DEEP}")
    if any(isinstance(layer, nn.Sigmoid) for layer in layers):
        raise Wrong(
            "a sigmoid returns values in [0, 1], but here the pixels run from -1 to 1: which function does as well?"
        )
    if sum(isinstance(layer, nn.Tanh) for layer in layers) != 1:
        raise Wrong("the pixels run from -1 to 1: exactly one Tanh is expected, after the decoder's last layer")
    if sum(isinstance(layer, nn.ReLU) for layer in layers) != 10:
        raise Wrong("a ReLU is expected between any two linear layers, but neither on the code nor before the Tanh")
    if tuple(model.pixel_range) != (-1, 1):
        raise Wrong("the images run from -1 to 1: the Autoencoder has an argument for that")
    _runs(model)
    return "this is the deep autoencoder as it was published"


@check
def unit_scale(answer) -> str:
    """``answer(mse)``: a squared error per pixel measured in [-1, 1] → the same mistake's error in [0, 1]."""
    for mse in (1.0, 0.16):
        result = float(given(answer(mse)))
        if abs(result - mse / 2) < 1e-9:
            raise Wrong("a difference between pixels halves; what happens to its square?")
        if abs(result - (mse + 1) / 2) < 1e-9:
            raise Wrong(
                "that maps a pixel value; an error is a squared difference, and an added constant cancels in it"
            )
        if abs(result - mse / 4) > 1e-9:
            raise Wrong(f"for {mse:g} the answer is not {result:g}: how do (a - b)² and (a/2 - b/2)² compare?")
    return "a quarter, since differences halve and errors are their squares"


@check
def between(answer) -> str:
    """``answer(model, x_a, x_b, steps)``: ``steps`` images decoded along the line between the codes of two images."""
    model, x_a, x_b = _toy_model()
    result = images(answer(model, x_a, x_b, 5), 5)
    t = torch.linspace(0, 1, 5).view(-1, 1)
    with torch.no_grad():
        ends = model.encode(x_a), model.encode(x_b)
        wanted = model.decode(ends[0] + t * (ends[1] - ends[0]))
        outside = torch.arange(5).view(-1, 1) / 5
        short = model.decode(ends[0] + outside * (ends[1] - ends[0]))
    t = t.view(-1, 1, 1, 1)
    if same(result, (1 - t) * x_a + t * x_b):
        raise Wrong("you interpolate pixels; interpolate the two codes, and decode each mixture")
    if same(result, wanted.flip(0)):
        raise Wrong("the line runs backwards: the first image belongs to x_a")
    if same(result, short):
        raise Wrong("the last image is not yet x_b's: both ends belong to the line")
    if not same(result, wanted):
        raise Wrong("these are not the decoded codes at equal distances from x_a's to x_b's")
    return "five steps from one digit to another, through the code"


def _runs(model: Autoencoder) -> None:
    with torch.no_grad():
        answer = model(torch.zeros(2, 1, 28, 28))
    if tuple(answer.x_hat.shape) != (2, 1, 28, 28) or tuple(answer.z.shape) != (2, 3):
        raise Wrong(f"two images give x_hat {tuple(answer.x_hat.shape)} and z {tuple(answer.z.shape)}")


def _toy_model() -> tuple[Autoencoder, Tensor, Tensor]:
    """A small random nonlinear model, and two images with different codes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
        decoder = dense_decoder((3, 16), nn.Tanh)
        x_a, x_b = torch.rand(1, 1, 28, 28), torch.rand(1, 1, 28, 28)
        x_b[..., :14, :] = 0
    return Autoencoder(encoder, decoder, 3).eval(), x_a, x_b
