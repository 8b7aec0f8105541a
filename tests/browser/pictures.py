"""Decoders of every kind that the page must run, a tab to see them in, and the comparison with the kernel."""

import contextlib

import numpy as np
import torch
from torch import nn

from ae_utils.models import Autoencoder
from ae_utils.networks.residual import ResidualBlock, residual_decoder

PIXELS = """canvas => Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
    .filter((_, i) => i % 4 === 0)"""
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def dense(inputs):
    return nn.Sequential(
        nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
    )


def transposed(inputs):
    return nn.Sequential(
        nn.Sequential(nn.Linear(inputs, 3136), nn.LeakyReLU(0.1), nn.Unflatten(1, (64, 7, 7))),
        nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
    )


def shuffled(inputs):
    return nn.Sequential(
        *(nn.Linear(inputs, 256), nn.BatchNorm1d(256), nn.SiLU(), nn.Linear(256, 1568), nn.Unflatten(1, (32, 7, 7))),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.PixelShuffle(2), nn.BatchNorm2d(16), nn.SiLU()),
        *(nn.Conv2d(16, 4, 3, padding=1), nn.PixelShuffle(2), nn.Sigmoid()),
    )


def tanh(inputs):
    return nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))


def residual(inputs):
    return residual_decoder(inputs, 8)


def enlarged(inputs):
    shortcut = nn.Sequential(nn.Upsample(size=(14, 14)), nn.Conv2d(8, 4, 1))
    block = ResidualBlock(nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1), shortcut)
    layers = nn.Linear(inputs, 392), nn.Unflatten(1, (8, 7, 7)), block, nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(*layers, nn.PixelShuffle(2))


DECODERS = {decoder.__name__: decoder for decoder in (dense, transposed, shuffled, tanh, residual, enlarged)}


def lively(module):
    """Random weights and statistics that make pictures of strong contrast, which change with the code."""
    generator = torch.Generator().manual_seed(1)
    for name, values in [*module.named_parameters(), *module.named_buffers()]:
        if values.is_floating_point():
            fan_in = values[0].numel() if values.ndim == 2 else 20
            random = torch.randn(values.shape, generator=generator)
            values.data = random.abs() + 0.5 if "var" in name else 2 * random / max(fan_in, 1) ** 0.5
    return module


def model_of(kind, latent_dim=3):
    """A model of the course around a decoder; the tanh one lives in [-1, 1] and ends in an ``Affine``."""
    pixel_range = (-1, 1) if kind == "tanh" else (0, 1)
    return Autoencoder(nn.Identity(), lively(DECODERS[kind](latent_dim)), latent_dim, pixel_range=pixel_range).eval()


def assert_same(shown, expected):
    """Two pictures as bytes agree to 1/255 in every pixel."""
    difference = np.abs(np.asarray(shown, int) - np.asarray(expected, int).ravel())
    assert difference.max() <= 1, f"{(difference > 1).sum()} pixels differ, by up to {difference.max()}"


@contextlib.contextmanager
def quiet_tab(browser, *, allowed=None, **options):
    """A tab of its own. An error in its page or console fails the test, unless it holds the words ``allowed``."""
    context, errors = browser.new_context(**options), []
    tab = context.new_page()
    tab.on("console", lambda message: message.type == "error" and errors.append(message.text))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    context.close()
    assert [error for error in errors if not (allowed and allowed in error)] == []
