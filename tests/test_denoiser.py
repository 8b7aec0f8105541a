"""The denoiser for all noise levels, its objective and its chain, against data whose best denoiser is known."""

import math

import pytest
import torch
from torch import nn

from ae_utils.data.dataset import Batch
from ae_utils.losses.noise_levels import all_levels
from ae_utils.networks.denoiser import PIXEL_STD, NoiseConditionedDenoiser, denoising_chain, denoising_step

MEAN, STD = 0.4, 0.2  # of normal pixels


def best(x, std):
    """The best denoiser of pixels from N(MEAN, STD²)."""
    std = std[:, None, None, None]
    return (STD**2 * x + std**2 * MEAN) / (STD**2 + std**2)


class Mixture(nn.Module):
    """What is left of the denoiser where its network supplies nothing."""

    def forward(self, x, std):
        std = std[:, None, None, None]
        return PIXEL_STD**2 / (std**2 + PIXEL_STD**2) * x


def normal_images(count=200):
    x = PIXEL_STD * torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return Batch(x, x, torch.zeros(count, dtype=torch.int64))


def randomized(denoiser):
    """A denoiser whose blocks do something, as after training."""
    torch.manual_seed(0)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.1)
    return denoiser.eval()


# --- the chain -----------------------------------------------------------------------------------------------------


def test_a_step_keeps_as_much_of_the_noise_as_the_next_level_has():
    x = torch.randn(3, 1, 4, 4)
    x_hat = best(x, torch.full((3,), 0.5))
    assert torch.equal(denoising_step(best, x, 0.5, 0.0), x_hat)
    assert torch.allclose(denoising_step(best, x, 0.5, 0.5), x)
    assert torch.allclose(denoising_step(best, x, 0.5, 0.1) - x_hat, 0.2 * (x - x_hat))


def test_many_small_steps_of_the_best_denoiser_turn_noise_into_the_data_s_distribution():
    noise = torch.randn(400, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    chain = denoising_chain(best, noise, [50 * 0.99**i for i in range(1200)])
    assert len(chain) == 1201 and torch.equal(chain[0], 50 * noise)
    assert abs(chain[-1].mean() - MEAN) < 0.01 and abs(chain[-1].std() - STD) < 0.01


def test_a_chain_keeps_no_graph():
    assert not denoising_chain(NoiseConditionedDenoiser(8), torch.randn(2, 1, 28, 28), (1.0, 0.5))[-1].requires_grad


# --- the network ---------------------------------------------------------------------------------------------------


def test_it_leaves_images_alone_when_there_is_hardly_any_noise():
    x = torch.rand(2, 1, 28, 28)
    assert torch.allclose(randomized(NoiseConditionedDenoiser(8))(x, torch.full((2,), 1e-4)), x, atol=1e-2)


def test_each_image_has_a_level_of_its_own():
    denoiser, x = randomized(NoiseConditionedDenoiser(8)), torch.rand(2, 1, 28, 28)
    both = denoiser(x, torch.tensor([0.1, 2.0]))
    for index, std in enumerate((0.1, 2.0)):
        alone = denoiser(x[index : index + 1], torch.tensor([std]))
        assert torch.allclose(both[index : index + 1], alone, atol=1e-5)
    assert not torch.allclose(both[:1], denoiser(x[:1], torch.tensor([2.0])), atol=1e-2)


def test_every_parameter_is_trained():
    denoiser = randomized(NoiseConditionedDenoiser(8))
    all_levels(denoiser, normal_images(8), 0.0)["loss"].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in denoiser.parameters())


# --- the objective -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_mean", [-3.0, -0.9, 1.5])
def test_every_level_counts_alike(log_mean):
    """Where only the mixture is there, the network has as much left to do per pixel, whatever the level."""
    torch.manual_seed(0)
    loss = all_levels(Mixture(), normal_images(), 0.0, log_mean=log_mean, log_std=0.0)["loss"]
    assert loss.item() == pytest.approx(784, rel=0.02)


def test_the_levels_are_spread_out_around_their_middle():
    levels = []

    def model(x, std):
        levels.append(std)
        return x

    torch.manual_seed(0)
    all_levels(model, normal_images(2000), 0.0)
    all_levels(model, normal_images(5), 0.0, log_std=0.0)
    assert abs(levels[0].log().mean() + 0.9) < 0.1 and abs(levels[0].log().std() - 1.3) < 0.1
    assert torch.allclose(levels[1], torch.full((5,), math.exp(-0.9)))


def test_a_model_that_returns_the_target_has_no_loss():
    batch = normal_images(4)
    assert all_levels(lambda x, std: batch.target, batch, 0.0)["loss"] == 0
