"""Systems 5–7: published shapes and settings, and what the fast one changes."""

import pytest
import torch
from torch import nn

from ae_utils.data.dataset import Batches
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.networks.convolutional import conv_decoder, conv_encoder, with_batchnorm
from ae_utils.plots import differences, feature_maps, filters
from ae_utils.recipes.base import csv_images
from ae_utils.recipes.registry import RECIPES
from ae_utils.training.loop import fit
from ae_utils.widgets.graph import page_graph

NAMES = ("conv", "conv-batchnorm", "conv-maxpool", "conv-fast")


def sizes(network, x):
    """Channels and sides behind every layer that computes."""
    shapes = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def of(model, kind):
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def test_conv_is_the_published_net():
    model = RECIPES["conv"].build()
    assert sizes(model.encoder, torch.zeros(1, 1, 28, 28)) == [(16, 14, 14), (32, 7, 7), (64, 1, 1)]
    assert sizes(model.decoder, torch.zeros(1, 64)) == [(32, 7, 7), (16, 14, 14), (1, 28, 28)]
    assert [layer.kernel_size[0] for layer in of(model, nn.Conv2d)] == [3, 3, 7]
    assert [layer.kernel_size[0] for layer in of(model, nn.ConvTranspose2d)] == [7, 3, 3]
    assert isinstance(model.decoder[-1], nn.Sigmoid)


def test_batchnorm_stands_before_every_relu_and_tanh_at_the_end():
    model = RECIPES["conv-batchnorm"].build()
    for part in (model.encoder, model.decoder):
        kinds = [type(layer) for layer in part]
        assert all(kinds[index - 1] is nn.BatchNorm2d for index, kind in enumerate(kinds) if kind is nn.ReLU)
    assert [layer.num_features for layer in of(model, nn.BatchNorm2d)] == [16, 32, 32, 16]
    assert isinstance(model.decoder[-1], nn.Tanh) and model.pixel_range == (-1, 1)


def test_maxpool_halves_where_conv_strides():
    model = RECIPES["conv-maxpool"].build()
    shapes = [(16, 28, 28), (16, 14, 14), (32, 14, 14), (32, 7, 7), (64, 1, 1)]
    assert sizes(model.encoder, torch.zeros(1, 1, 28, 28)) == shapes
    assert all(layer.stride == (1, 1) for layer in of(model.encoder, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "epochs", "system"), [("conv", 13, 5), ("conv-batchnorm", 10, 6), ("conv-maxpool", 13, 7)]
)
def test_published_training(name, epochs, system):
    recipe = RECIPES[name]
    options = recipe.step(recipe, recipe.build()).optimizer.param_groups[0]
    assert (recipe.epochs, recipe.system, recipe.batch_size) == (epochs, system, 64)
    assert (options["lr"], options["weight_decay"]) == (1e-3, 1e-5)
    assert (recipe.source is csv_images) == (recipe.pixel_range == (-1, 1)) == (name == "conv-batchnorm")


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_64_numbers(name, test):
    model = RECIPES[name].build().eval()
    output = model(test.x[:3])
    assert output.z.shape == (3, 64) and output.x_hat.shape == (3, 1, 28, 28)
    assert model.decode(output.z).min() >= 0


def test_with_batchnorm_keeps_the_layers():
    plain = conv_encoder(5)
    result = with_batchnorm(plain)
    assert [layer for layer in result if not isinstance(layer, nn.BatchNorm2d)] == list(plain)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_can_run_the_decoder(name, test):
    model = RECIPES[name].build().eval()
    with torch.no_grad():
        z = model.encode(test.x[:8])
        made = page_graph(nn.Sequential(model.decoder, model.output_activation), z, model.decode(z))
    assert len(made["ops"]) >= 6


def test_the_fast_one_learns_digits_in_seconds(train, test):
    """2,000 digits five times over: better than PCA with 16 numbers fitted to all 60,000 (.0269)."""
    recipe = RECIPES["conv-fast"]
    torch.manual_seed(0)
    step = recipe.step(recipe, recipe.build())
    fit(step, Batches(train, 64, shuffle=True, seed=0), epochs=5, seed=0)
    assert mse(reconstruct(step.model, test), test.x).mean() < 0.0269


def test_the_fast_one_keeps_channels_side_by_side():
    model = RECIPES["conv-fast"].build()
    assert of(model, nn.Conv2d)[1].weight.is_contiguous(memory_format=torch.channels_last)
    model.load_state_dict(RECIPES["conv-fast"].build().state_dict())
    assert of(model, nn.Conv2d)[1].weight.is_contiguous(memory_format=torch.channels_last)


def test_conv_decoder_undoes_the_shapes_of_conv_encoder(test):
    for latent_dim in (1, 2, 64):
        z = conv_encoder(latent_dim)(test.x[:2])
        assert z.shape == (2, latent_dim) and conv_decoder(latent_dim)(z).shape == (2, 1, 28, 28)


def test_differences_are_coloured_and_the_rest_is_grey(test):
    figure = differences(test.x, 1 - test.x, test.x, titles=("negative", "same"), count=3)
    maps = [axis.images[0].get_cmap().name for axis in figure.axes]
    assert maps == ["gray"] * 6 + ["RdBu_r"] * 3 + ["gray"] * 3 + ["RdBu_r"] * 3
    assert (figure.axes[-1].images[0].get_array() == 0).all()


def test_filters_are_white_at_zero_and_maps_black():
    weight = RECIPES["conv"].build().encoder[0].weight
    low, high = filters(weight).axes[0].images[0].get_clim()
    assert low == -high and high == pytest.approx(float(weight.detach().abs().max()))
    maps = torch.rand(16, 14, 14)
    figure = feature_maps(maps, columns=8)
    assert len(figure.axes) == 16 and figure.axes[0].images[0].get_clim() == (0, pytest.approx(float(maps.max())))
