"""Encoder and decoder builders. An encoder maps images (batch, 1, 28, 28) to ``latent_dim`` numbers, a decoder back."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ae_utils.arguments import SIZE, expects
from ae_utils.errors import InvalidInput

IMAGE = (1, 28, 28)
PIXELS = 28 * 28


class Affine(nn.Module):
    """``scale * x + shift`` with two fixed numbers: Tanh's [-1, 1] back to [0, 1], for one."""

    def __init__(self, scale: float, shift: float):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift

    def extra_repr(self) -> str:
        return f"scale={self.scale}, shift={self.shift}"


class Shift(nn.Module):
    """Adds ``sign`` times a fixed image (784 values, saved with the weights): centres data, or undoes it."""

    mean: Tensor

    def __init__(self, sign: int):
        super().__init__()
        self.sign = sign
        self.register_buffer("mean", torch.zeros(PIXELS))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sign * self.mean


def dense(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Linear layers between ``widths`` with an activation between (not after) them.

    Raises ``InvalidInput`` for fewer than two widths, or one below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise InvalidInput(f"dense expects two or more widths of at least 1, but got {tuple(widths)}.")
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation()]
    return layers[:-1]


def dense_encoder(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """784 → … → code through linear layers; ``widths`` runs from the layer after the pixels to the code."""
    return nn.Sequential(nn.Flatten(), *dense((PIXELS, *widths), activation))


def dense_decoder(
    widths: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    last: Callable[[], nn.Module] = nn.Sigmoid,
) -> nn.Sequential:
    """Code → … → 784 through linear layers, ``last`` on the pixels; ``widths`` runs from the code to before them."""
    return nn.Sequential(*dense((*widths, PIXELS), activation), last(), nn.Unflatten(1, IMAGE))


@expects(latent_dim=SIZE)
def conv_encoder(latent_dim: int = 64) -> nn.Sequential:
    """28×28 → latent_dim by three convolutions: stride 2 halves the picture twice, a 7×7 kernel reads the rest."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 16 × 14 × 14
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 32 × 7 × 7
        nn.ReLU(),
        nn.Conv2d(32, latent_dim, 7),  # latent_dim × 1 × 1
        nn.Flatten(),
    )


@expects(latent_dim=SIZE)
def conv_decoder(latent_dim: int = 64) -> nn.Sequential:
    """The mirror image of ``conv_encoder`` in transposed convolutions, Sigmoid on the pixels."""
    return nn.Sequential(
        nn.Unflatten(1, (latent_dim, 1, 1)),
        nn.ConvTranspose2d(latent_dim, 32, 7),  # 32 × 7 × 7
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),  # 16 × 14 × 14
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),  # 1 × 28 × 28
        nn.Sigmoid(),
    )


@expects(latent_dim=SIZE)
def maxpool_encoder(latent_dim: int = 64) -> nn.Sequential:
    """``conv_encoder`` with the largest of every 2×2 pixels kept, where that one takes steps of 2."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # 16 × 28 × 28
        nn.ReLU(),
        nn.MaxPool2d(2),  # 16 × 14 × 14
        nn.Conv2d(16, 32, 3, padding=1),  # 32 × 14 × 14
        nn.ReLU(),
        nn.MaxPool2d(2),  # 32 × 7 × 7
        nn.Conv2d(32, latent_dim, 7),  # latent_dim × 1 × 1
        nn.Flatten(),
    )


def normalized(layers: nn.Sequential) -> nn.Sequential:
    """The same (transposed) convolutions with a ``BatchNorm2d`` before every ReLU (Ioffe and Szegedy 2015)."""
    result = nn.Sequential()
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            result.append(nn.BatchNorm2d(result[-1].out_channels))  # type: ignore[arg-type] # of a convolution
        result.append(layer)
    return result


def hidden(width_in: int, width: int, activation: Callable[[], nn.Module] = nn.SiLU) -> list[nn.Module]:
    """A linear layer with BatchNorm and an activation."""
    return [nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width), activation()]


class Conditional(nn.Module):
    """A hidden layer with a scale and a shift for each label after its BatchNorm (de Vries et al. 2017).

    Takes cat(features, one_hot label) and, with ``pass_on``, gives such: so layers that all hear the label still stand
    in one ``nn.Sequential``.
    """

    def __init__(self, width_in: int, width: int, *, labels: int = 10, pass_on: bool = True):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))
        self.scale, self.shift = (nn.Parameter(fill(labels, width)) for fill in (torch.ones, torch.zeros))
        self.activation, self.pass_on = nn.SiLU(), pass_on

    def forward(self, x: Tensor) -> Tensor:
        features, label = x.split((x.shape[1] - len(self.scale), len(self.scale)), 1)
        y = self.activation(self.main(features) * (label @ self.scale) + label @ self.shift)
        return torch.cat((y, label), 1) if self.pass_on else y


def strided(
    channels: Sequence[int], kernels: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU
) -> list[nn.Module]:
    """Convolutions of stride 2 with BatchNorm and an activation: 28×28 → 14×14 → 7×7 → 4×4."""
    layers = []
    for (channels_in, channels_out), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [
            nn.Conv2d(channels_in, channels_out, kernel, stride=2, padding=(kernel - 1) // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            activation(),
        ]
    return layers


def transposed(
    channels: Sequence[int], kernels: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU
) -> list[nn.Module]:
    """The mirror image of ``strided`` in transposed convolutions, 4×4 → 7×7 → 14×14 → 28×28; the last one is bare."""
    layers = []
    for (channels_in, channels_out), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [
            nn.ConvTranspose2d(channels_in, channels_out, kernel, stride=2, padding=1),
            nn.BatchNorm2d(channels_out),
            activation(),
        ]
    return layers[:-2]


def shuffle_decoder(latent_dim: int, width: int, channels: int = 32) -> nn.Sequential:
    """Code → logits (batch, 1, 28, 28) by two linear layers and two convolutions, each with a pixel shuffle after it.

    A shuffle makes one picture of twice the size out of four channels, at a quarter of a transposed convolution's
    work (Shi et al. 2016).
    """
    return nn.Sequential(
        *hidden(latent_dim, width),
        *hidden(width, channels * 7 * 7),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.Conv2d(channels, 4 * channels // 2, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # channels / 2 × 14 × 14
        nn.BatchNorm2d(channels // 2),
        nn.SiLU(),
        nn.Conv2d(channels // 2, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )


class Residual(nn.Module):
    """Two convolutions with BatchNorm, and around both of them a shortcut (He, Zhang, Ren, Sun 2016).

    ``resize`` is the first convolution: it may change the size of the picture or the number of channels; then a 1×1
    convolution with the same geometry, on a picture brought to size, is the shortcut.
    """

    def __init__(self, resize: nn.Conv2d | nn.ConvTranspose2d, shortcut: nn.Module):
        super().__init__()
        channels = resize.out_channels
        self.main = nn.Sequential(
            resize,
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut, self.activation = shortcut, nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.main(x) + self.shortcut(x))


def residual_down(channels_in: int, channels: int) -> Residual:
    """A residual block that halves height and width, rounding up."""
    resize = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False)
    shortcut = nn.Conv2d(channels_in, channels, 1, stride=2, bias=False)
    return Residual(resize, nn.Sequential(shortcut, nn.BatchNorm2d(channels)))


def residual_up(channels_in: int, channels: int, side: int) -> Residual:
    """A residual block that grows its picture to ``side`` × ``side``, from half of it rounded up."""
    resize = nn.ConvTranspose2d(channels_in, channels, 4 - side % 2, stride=2, padding=1, bias=False)
    shortcut = (nn.Upsample(size=(side, side)), nn.Conv2d(channels_in, channels, 1, bias=False))
    return Residual(resize, nn.Sequential(*shortcut, nn.BatchNorm2d(channels)))


def residual_features(width: int) -> list[nn.Module]:
    """28×28 → 14×14 → 7×7 → 4×4 with residual blocks, flattened to 16 × 4 width numbers."""
    blocks = [residual_down(1, width), residual_down(width, 2 * width), residual_down(2 * width, 4 * width)]
    return [*blocks, nn.Flatten()]


def residual_decoder(inputs: int, width: int) -> nn.Sequential:
    """``inputs`` numbers → 64 width numbers → logits (batch, 1, 28, 28) with residual blocks."""
    return nn.Sequential(*hidden(inputs, 64 * width), *residual_pictures(width))


def residual_pictures(width: int) -> list[nn.Module]:
    """64 width numbers as 4×4 → 7×7 → 14×14 with residual blocks → logits (batch, 1, 28, 28) by a pixel shuffle."""
    return [
        nn.Unflatten(1, (4 * width, 4, 4)),
        residual_up(4 * width, 2 * width, 7),
        residual_up(2 * width, width, 14),
        nn.Conv2d(width, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    ]
