"""Likelihood metrics, against a model whose log p(x) is known in closed form."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from ae_utils.data.dataset import Images
from ae_utils.metrics.likelihood import active_units, binary, elbo, log_likelihood
from ae_utils.models import VAE
from ae_utils.recipes.vae import dense_vae

STD = 0.5


class Fixed(nn.Module):
    """An encoder whose mean is linear in the first two pixels and whose variance is the same for each image."""

    def __init__(self, weight, logvar):
        super().__init__()
        self.weight, self.logvar = weight, logvar

    def forward(self, x):
        mu = x.flatten(1)[:, :2] @ self.weight
        return torch.cat([mu, self.logvar.expand_as(mu)], 1)


def gaussian_of_two_pixels(logits, target):
    """Only the first two pixels count, and they are N(logits, STD²)."""
    error = (logits - target).flatten(1)[:, :2]
    return (error.square() / (2 * STD**2) + math.log(STD * math.sqrt(2 * math.pi))).sum(1)


@pytest.fixture
def linear():
    """p(z) = N(0, I), p(x|z) = N(Wz, STD²): then p(x) = N(0, WWᵀ + STD²) and the posterior are Gaussians."""
    weight = torch.tensor([[1.0, 0.3], [-0.2, 0.8]])
    decoder = nn.Sequential(nn.Linear(2, 784, bias=False), nn.Unflatten(1, (1, 28, 28)))
    decoder[0].weight.data.zero_()
    decoder[0].weight.data[:2] = weight
    covariance = torch.linalg.inv(torch.eye(2) + weight.T @ weight / STD**2)
    read = (covariance @ weight.T / STD**2).T
    encoder = Fixed(read, covariance.diagonal().log() + 0.3)  # upright and a little too wide
    marginal = MultivariateNormal(torch.zeros(2), weight @ weight.T + STD**2 * torch.eye(2))
    return VAE(encoder, decoder, 2), marginal


@pytest.fixture
def images():
    torch.manual_seed(0)
    x = torch.zeros(150, 1, 28, 28)
    x.view(150, -1)[:, :2] = torch.rand(150, 2) * 2 - 1
    return Images(x, x, torch.zeros(150, dtype=torch.int64))


def truth(marginal, images):
    return marginal.log_prob(images.x.flatten(1)[:, :2])


def test_the_estimate_reaches_the_exact_log_likelihood(linear, images):
    model, marginal = linear
    estimate = log_likelihood(model, images, samples=3000, likelihood=gaussian_of_two_pixels)
    torch.testing.assert_close(estimate, truth(marginal, images), rtol=0, atol=0.1)


def test_the_elbo_is_below_it(linear, images):
    model, marginal = linear
    bound = torch.stack([elbo(model, images, likelihood=gaussian_of_two_pixels) for _ in range(100)]).mean(0)
    assert (bound.mean() < truth(marginal, images).mean() - 0.02).all()


def test_one_sample_is_the_elbo_on_average(linear, images):
    model, _ = linear
    options = {"likelihood": gaussian_of_two_pixels}
    one = torch.stack([log_likelihood(model, images, samples=1, **options) for _ in range(200)]).mean()
    bound = torch.stack([elbo(model, images, **options) for _ in range(200)]).mean()
    assert one.item() == pytest.approx(bound.item(), abs=0.05)


def test_chunks_change_nothing_but_noise(linear, images, monkeypatch):
    model, _ = linear
    options = {"samples": 400, "likelihood": gaussian_of_two_pixels}
    whole = log_likelihood(model, images, **options)
    monkeypatch.setattr("ae_utils.metrics.likelihood.DECODED_AT_ONCE", 700)  # 7 samples at a time, 400 = 57 · 7 + 1
    torch.testing.assert_close(log_likelihood(model, images, **options), whole, rtol=0, atol=0.3)


def test_the_estimate_rises_with_samples(test):
    torch.manual_seed(0)
    model, images = dense_vae(20), binary(test)
    values = [log_likelihood(model, images, samples=count).mean() for count in (1, 10, 100)]
    assert values[0] < values[1] < values[2]


def test_binary_images_are_the_same_for_the_same_seed(test):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    one, again, other = binary(test), binary(test), binary(test, seed=1)
    assert torch.equal(one.x, again.x) and not torch.equal(one.x, other.x)
    assert torch.equal(torch.rand(2), expected)  # and nobody else's random numbers are used up
    assert one.target is one.x


def test_active_units_are_those_whose_mu_moves(linear, images):
    model, _ = linear
    model.encoder.weight = model.encoder.weight * torch.tensor([1.0, 0.0])
    assert active_units(model, images).tolist() == [True, False]


def test_a_thousand_codes_are_decoded_at_once_and_no_more_than_asked_for(linear, images):
    model, decoded = linear[0], []
    model.decoder.register_forward_pre_hook(lambda _, given: decoded.append(len(given[0])))
    log_likelihood(model, images[:120], samples=23, likelihood=gaussian_of_two_pixels)
    assert max(decoded) == 1000 and sum(decoded) == 120 * 23
    decoded.clear()
    log_likelihood(model, images[:10], likelihood=gaussian_of_two_pixels)
    assert sum(decoded) == 10 * 500, "by default"


def test_the_elbo_of_each_image_is_its_own(linear, images):
    """Minus the likelihood and the KL of torch.distributions, with the same random numbers."""
    model, _ = linear
    torch.manual_seed(1)
    found = elbo(model, images, likelihood=gaussian_of_two_pixels)
    torch.manual_seed(1)
    with torch.no_grad():
        output = model(images.x)
    posterior = Normal(output.mu, torch.exp(0.5 * output.logvar))
    kl = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(found, -gaussian_of_two_pixels(output.logits, images.x) - kl)


def test_the_scoreboards_binary_images_are_those_of_seed_0(test):
    assert torch.equal(binary(test).x, binary(test, seed=0).x)
