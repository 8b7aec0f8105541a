"""Checks of lesson 08: five mistakes to mend."""

from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.checks import lesson04
from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.data.dataset import Batch, Images
from ae_utils.losses.vae import negative_elbo
from ae_utils.models import VAE, Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder, linear_bn_act
from ae_utils.seeds import own_random_numbers


@check
def elbo(answer) -> str:
    """``answer(model, batch, progress)``: minus the ELBO and its two terms, in nats per image."""
    loss, reconstruction, kl, wanted = _terms(answer, _batch(3))
    if same(kl, 2 * wanted["kl"], 1e-2):
        raise Wrong("kl is still twice the KL divergence of torch.distributions")
    if same(kl, wanted["kl"] / 2, 1e-2) or same(kl, wanted["kl"] / 4, 1e-2):
        raise Wrong("kl is too small now: the factor is there more than once, or in more places than one")
    if same(reconstruction, wanted["reconstruction"] / 2, 0.1):
        raise Wrong("the reconstruction is halved, too: it was right")
    return _confirmed(loss, reconstruction, kl, wanted)


@check
def by_class(answer) -> str:
    """``answer(model, batch, progress)``: the same, for batches of any size."""
    for count in (2, 5):
        loss, reconstruction, kl, wanted = _terms(answer, _batch(count))
        if same(kl, count * wanted["kl"], 1e-2):
            raise Wrong(f"with {count} images kl is {count} times the KL divergence: it is still summed over the batch")
        if same(kl, wanted["kl"] / count, 1e-2):
            raise Wrong(f"with {count} images kl is divided by {count} once too often: average over the batch once")
        if same(kl, wanted["kl"] / 10, 1e-2):
            raise Wrong("kl is averaged over the ten classes: an image has one, so sum over them")
        if same(kl, wanted["kl"] / 4, 1e-2):
            raise Wrong("kl is averaged over the dimensions: sum them, and average over the batch alone")
        sentence = _confirmed(loss, reconstruction, kl, wanted)
    return f"{sentence}, whatever the size of the batch"


def _terms(answer: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    with own_random_numbers(1):
        model = VAE(dense_encoder((16, 8), nn.Tanh), dense_decoder((4, 16), nn.Tanh, nn.Identity), 4).eval()
        for parameter in model.encoder.parameters():
            parameter.data.mul_(3)
    results = []
    for objective in (answer, negative_elbo):
        with own_random_numbers(2), torch.no_grad():
            results.append(given(objective(model, batch, 1.0)))
    if not isinstance(results[0], dict) or not {"loss", "reconstruction", "kl"} <= set(results[0]):
        raise Wrong("a dictionary with loss, reconstruction and kl is expected")
    loss, reconstruction, kl = (torch.as_tensor(results[0][name]) for name in ("loss", "reconstruction", "kl"))
    if loss.ndim or reconstruction.ndim or kl.ndim:
        raise Wrong("every term is one number: average over the batch")
    return loss, reconstruction, kl, results[1]


def _confirmed(loss: Tensor, reconstruction: Tensor, kl: Tensor, wanted: dict[str, Tensor]) -> str:
    if not same(reconstruction, wanted["reconstruction"], 0.1):
        raise Wrong(
            f"the reconstruction was {wanted['reconstruction']:.1f} nats and right; now it is {reconstruction:.1f}"
        )
    if not same(kl, wanted["kl"], 1e-2):
        raise Wrong(f"torch.distributions gives a KL divergence of {wanted['kl']:.2f} here, and kl is {kl:.2f}")
    if not same(loss, reconstruction + kl, 0.1):
        raise Wrong("kl is right, but the loss is not the sum of the two terms: is the old KL still in it?")
    return "both terms in nats per image, and their sum"


def _batch(count: int) -> Batch:
    x = torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(1)).round()
    return Batch(x, x, torch.arange(count))


@check
def error(answer) -> str:
    """``answer(model, images)``: the mean squared error per pixel, by a model in evaluation mode."""
    with own_random_numbers(1):
        encoder = nn.Sequential(nn.Flatten(), *linear_bn_act(784, 8), nn.Dropout(0.5), nn.Linear(8, 4))
        model = Autoencoder(encoder, dense_decoder((4, 8)), 4).train()
        x = torch.rand(50, 1, 28, 28)
    images = Images(x, x, torch.zeros(50, dtype=torch.int64))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    error = given(answer(model, images))
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    if any("running" in name for name in changed):
        raise Wrong("BatchNorm still takes its averages from the test images: that is training mode")
    if changed:
        raise Wrong(f"evaluation changed {changed[0]}: it must not change anything")
    if not isinstance(error, float):
        raise Wrong(f"a {type(error).__name__} came back: one number, a float, is expected")
    with torch.no_grad():
        wanted = (model.eval()(x).x_hat - x).square().mean().item()
    if abs(error - wanted) > 1e-5:
        raise Wrong(f"the error of this model is {wanted:.4f}, but yours {error:.4f}: is every image counted once?")
    return "the same error in any order and in batches of any size, and the statistics of BatchNorm are as they were"


importance_bound = lesson04.importance_bound  # the exercise has another bug, the answer is the same


@check
def decoder(answer) -> str:
    """``answer(latent_dim, width, height, columns)``: a decoder to images (n, 1, height, columns) in [0, 1]."""
    with own_random_numbers(1):
        for height, columns in ((6, 4), (3, 5)):
            decoder, z = given(answer(4, 8, height, columns)), 5 * torch.randn(7, 4)
            if not isinstance(decoder, nn.Module):
                raise Wrong(f"a module is expected, but a {type(decoder).__name__} came back")
            x_hat = decoder(z)
            _check_shape(tuple(x_hat.shape), height, columns)
            if x_hat.min().item() < 0 or x_hat.max().item() > 1:
                raise Wrong("the sigmoid at the end has gone: pixels lie in [0, 1]")
    return "rows first, then columns"


def _check_shape(shape: tuple[int, ...], height: int, columns: int) -> None:
    if shape == (7, 1, columns, height):
        raise Wrong(f"images of {height} rows and {columns} columns still come out with {columns} rows")
    if shape == (7, height, columns):
        raise Wrong("the axis of the channel, 1, is missing")
    if shape != (7, 1, height, columns):
        raise Wrong(f"images of shape (7, 1, {height}, {columns}) are expected, but {shape} came out")
