"""A learned prior: a normalizing flow over codes, and the VAE that has one."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from ae_utils.data.dataset import Batch
from ae_utils.losses.vae import importance_weighted, learned_prior_elbo, log_posterior, negative_elbo
from ae_utils.metrics.conditional import draw
from ae_utils.metrics.likelihood import binary, elbo, log_likelihood
from ae_utils.models import VAE, PriorVAE
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.networks.prior import FlowPrior
from ae_utils.recipes.registry import get


def flow(latent_dim=3, layers=4):
    """A flow with random weights, far from the identity."""
    torch.manual_seed(0)
    prior = FlowPrior(latent_dim, 16, layers)
    for parameter in prior.parameters():
        nn.init.normal_(parameter, std=0.5)
    return prior


def parts(latent_dim=3):
    torch.manual_seed(1)
    return dense_encoder((16, 2 * latent_dim)), dense_decoder((latent_dim, 16), last=nn.Identity)


@pytest.mark.parametrize("latent_dim", [2, 3, 7])
def test_codes_and_noise_are_each_other_s_inverse(latent_dim):
    prior, noise = flow(latent_dim), torch.randn(50, latent_dim)
    z = prior.codes(noise)
    for layer in prior.layers:
        z, _ = layer(z)
    assert torch.allclose(z, noise, atol=1e-4)


def test_the_log_determinant_is_that_of_the_jacobian():
    prior, z = flow(), torch.randn(3)

    def through(z):
        z = z[None]
        for layer in prior.layers:
            z, _ = layer(z)
        return z[0]

    jacobian = torch.autograd.functional.jacobian(through, z)
    expected = Normal(0.0, 1.0).log_prob(through(z)).sum() + jacobian.det().abs().log()
    assert float(prior(z[None]).detach()) == pytest.approx(float(expected.detach()), abs=1e-4)


def test_the_density_integrates_to_one():
    prior = flow(2)
    axis = torch.linspace(-30, 30, 1201)
    with torch.no_grad():
        density = prior(torch.cartesian_prod(axis, axis)).double().exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1, abs=0.02)


def test_an_untrained_prior_is_the_standard_normal():
    z = torch.randn(20, 5)
    assert torch.allclose(FlowPrior(5, 16, 3)(z), Normal(0.0, 1.0).log_prob(z).sum(1), atol=1e-5)


def test_log_posterior_is_the_normal_density():
    z, mu, logvar = torch.randn(3, 10, 4)
    assert torch.allclose(log_posterior(z, mu, logvar), Normal(mu, (0.5 * logvar).exp()).log_prob(z).sum(1), atol=1e-5)


def test_with_the_standard_normal_the_objective_is_the_elbo_on_average(test):
    """The KL of the z drawn, averaged over many, is the one in closed form."""
    vae, same = VAE(*parts(), 3), PriorVAE(*parts(), FlowPrior(3, 8, 2), 3)
    batch = Batch(test.x[:50], test.x[:50], test.label[:50])
    with torch.no_grad():
        torch.manual_seed(0)
        drawn = torch.stack([learned_prior_elbo(same, batch, 0.0)["kl"] for _ in range(500)])
        kl = negative_elbo(vae, batch, 0.0)["kl"]
    assert float(drawn.mean()) == pytest.approx(float(kl), abs=4 * float(drawn.std()) / math.sqrt(500))


def test_metrics_take_the_learned_prior(test):
    """A prior that finds every code e times as likely raises log p(x) and the ELBO by one nat each."""

    class Raised(FlowPrior):
        def forward(self, z):
            return super().forward(z) + 1

    images = binary(test)[:20]
    values = []
    for kind in (FlowPrior, Raised):
        torch.manual_seed(3)
        model = PriorVAE(*parts(), kind(3, 8, 0), 3)
        torch.manual_seed(4)
        values.append((float(elbo(model, images).mean()), float(log_likelihood(model, images, samples=20).mean())))
    assert [b - a for a, b in zip(*values, strict=True)] == pytest.approx([1, 1], abs=1e-3)


def test_the_importance_weighted_bound_takes_the_learned_prior(test):
    """With one code it is the ELBO; with 500 it is the estimate of log p(x)."""
    model, images = PriorVAE(*parts(), flow(), 3), binary(test)[:20]
    batch = Batch(images.x, images.x, images.label)
    with torch.no_grad():
        torch.manual_seed(5)
        elbo_loss = learned_prior_elbo(model, batch, 0.0)
        torch.manual_seed(5)
        one = importance_weighted(model, batch, 0.0, samples=1)
        assert {name: float(one[name]) for name in one} == pytest.approx(
            {name: float(elbo_loss[name]) for name in one}, rel=1e-5
        )
        many = importance_weighted(model, batch, 0.0, samples=500)["loss"]
        assert float(many) == pytest.approx(-float(log_likelihood(model, images, samples=500).mean()), abs=0.5)


def test_channels_last_is_a_matter_of_memory_alone(test):
    """The recipe's network lies in memory channels last and has the loss and the gradients of the usual layout."""
    batch, found = Batch(test.x[:32], test.x[:32], test.label[:32]), []
    for layout in (torch.channels_last, torch.contiguous_format):
        torch.manual_seed(0)
        model = get("vae-flow-prior").build().to(memory_format=layout)
        torch.manual_seed(1)
        loss = learned_prior_elbo(model, batch, 0.0)["loss"]
        loss.backward()
        found.append([loss.detach(), *(model.get_parameter(f"encoder.{layer}.weight").grad for layer in (0, 3, 6))])
    torch.manual_seed(0)
    assert get("vae-flow-prior").build().encoder[3].weight.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_samples_come_through_the_prior():
    model = PriorVAE(*parts(), flow(), 3)
    plain = VAE(model.encoder, model.decoder, 3)
    label = torch.zeros(5, dtype=torch.int64)
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(draw(model, label), model.decode(model.prior.codes(noise)))
    assert not torch.allclose(draw(model, label), draw(plain, label))
