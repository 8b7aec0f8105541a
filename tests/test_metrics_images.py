"""Image metrics agree with scikit-image's own, are fast, and refuse what is no pair of images."""

import time

import numpy as np
import pytest
import torch
from skimage import metrics as oracle
from torch import nn

from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.metrics.images import mse, psnr, reconstruct, reconstruction_quality, ssim
from ae_utils.models import VAE, Autoencoder
from ae_utils.networks.convolutional import conv_decoder, conv_encoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.recipes.registry import RECIPES


@pytest.fixture(scope="module")
def pair(test):
    """Digits and the same with noise: two tensors (500, 1, 28, 28)."""
    noise = torch.randn(test.x.shape, generator=torch.Generator().manual_seed(0))
    return (test.x + 0.2 * noise).clamp(0, 1), test.x


def per_image(metric, pair, **options):
    images = (tensor.squeeze(1).double().numpy() for tensor in pair)
    return torch.tensor([metric(target, x_hat, **options) for x_hat, target in zip(*images, strict=True)])


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (mse, oracle.mean_squared_error, {}),
        (psnr, oracle.peak_signal_noise_ratio, {"data_range": 1.0}),
        (ssim, oracle.structural_similarity, {"data_range": 1.0}),
    ],
    ids=["mse", "psnr", "ssim"],
)
def test_each_metric_is_scikit_images(pair, ours, theirs, options):
    result = ours(*pair)
    assert result.shape == (500,)
    assert torch.allclose(result, per_image(theirs, pair, **options).float(), rtol=0, atol=1e-4)


def test_equal_images_are_perfect(test):
    assert mse(test.x, test.x).eq(0).all()
    assert psnr(test.x, test.x).eq(float("inf")).all()
    assert torch.allclose(ssim(test.x, test.x), torch.ones(500), atol=1e-6)


def test_ssim_of_ten_thousand_images_takes_seconds():
    x = mnist("test").x
    began = time.process_time()
    assert ssim(x.flip(0), x).shape == (10_000,)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("metric", [mse, psnr, ssim])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((2, 1, 28, 28), (3, 1, 28, 28)),
        ((2, 1, 27, 27), (2, 1, 28, 28)),
        ((2, 28, 28), (2, 28, 28)),
        ((2, 1, 1, 28, 28), (2, 1, 1, 28, 28)),
    ],
    ids=["counts", "sizes", "channels", "axes"],
)
def test_shapes_that_do_not_fit_are_named(metric, one, other):
    with pytest.raises(InvalidInput, match="expect two tensors of the same shape") as refused:
        metric(torch.zeros(one), torch.zeros(other))
    assert str(one) in str(refused.value) and str(other) in str(refused.value)


def test_quality_is_the_mean_over_images(test):
    model = Autoencoder(conv_encoder(4), conv_decoder(4), 4)
    x_hat = reconstruct(model, test)
    quality = reconstruction_quality(model, test)
    assert quality == pytest.approx({name: float(f(x_hat, test.x).mean()) for name, f in METRICS.items()}, rel=1e-5)


def test_a_model_with_pixels_from_minus_1_to_1_is_measured_on_pixels_between_0_and_1(test):
    model = RECIPES["conv-batchnorm"].build().eval()
    nn.init.constant_(model.decoder[-2].bias, -1.0)  # below 0 whatever the other weights are
    with torch.no_grad():
        output = model(test.to_range(-1, 1).x).x_hat
    assert output.min() < 0
    assert torch.allclose(reconstruct(model, test), (output + 1) / 2, atol=1e-6)
    assert np.isfinite(list(reconstruction_quality(model, test).values())).all()


def test_a_model_without_a_pixel_range_is_given_pixels_between_0_and_1(test):
    model = VAE(dense_encoder((6,)), dense_decoder((3,), last=nn.Identity), 3)
    with torch.no_grad():
        assert torch.allclose(reconstruct(model, test), model.decode(model.encode(test.x)), atol=1e-6)


METRICS = {"mse": mse, "psnr": psnr, "ssim": ssim}
