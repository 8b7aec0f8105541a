"""Terms and objectives of variational autoencoders, against torch.distributions; the models; the recipes."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from ae_utils.data.images import Batch, Batches
from ae_utils.errors import InvalidInput
from ae_utils.losses.classification import cross_entropy
from ae_utils.losses.variational import (
    bernoulli,
    binarized,
    gaussian,
    importance_weighted,
    kl_to_prior,
    log_weights,
    negative_elbo,
)
from ae_utils.models import VAE, reparameterize
from ae_utils.recipes.catalogue import find
from ae_utils.recipes.run import Run
from ae_utils.recipes.variational import dense_vae, small_vae
from ae_utils.training import GradientStep, adam, fit
from ae_utils.widgets.explorer import LatentExplorer


@pytest.fixture
def batch():
    torch.manual_seed(1)
    x = torch.bernoulli(torch.rand(6, 1, 28, 28))
    return Batch(x, x, torch.arange(6))


@pytest.fixture
def model():
    torch.manual_seed(2)
    return dense_vae(latent_dim=5, width=16)


def seeded(function, *args, **options):
    torch.manual_seed(3)
    return function(*args, **options)


def test_kl_is_that_of_torch_distributions():
    mu, logvar = torch.randn(2, 100, 20)
    theirs = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_prior(mu, logvar), theirs, rtol=1e-6, atol=1e-5)


def test_kl_is_nothing_at_the_prior():
    assert torch.equal(kl_to_prior(torch.zeros(3, 7), torch.zeros(3, 7)), torch.zeros(3))


def test_bernoulli_is_that_of_torch_distributions(batch):
    logits = torch.randn(6, 1, 28, 28)
    theirs = -Bernoulli(logits=logits).log_prob(batch.target).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli(logits, batch.target), theirs)


def test_gaussian_is_that_of_torch_distributions():
    logits, target = torch.randn(2, 4, 1, 28, 28)
    theirs = -Normal(torch.sigmoid(logits), 0.3).log_prob(target).flatten(1).sum(1)
    torch.testing.assert_close(gaussian(logits, target, std=0.3), theirs, rtol=1e-5, atol=1e-3)


def test_reparameterize_draws_from_the_cloud():
    mu, logvar = torch.full((100_000,), 3.0), torch.full((100_000,), math.log(4.0))
    z = seeded(reparameterize, mu, logvar)
    assert z.mean().item() == pytest.approx(3, abs=0.03) and z.std().item() == pytest.approx(2, abs=0.03)


def test_slopes_reach_mu_and_logvar():
    mu, logvar = torch.zeros(50_000, requires_grad=True), torch.zeros(50_000, requires_grad=True)
    seeded(reparameterize, mu, logvar).square().mean().backward()  # E z² = mu² + exp(logvar)
    assert mu.grad.sum().item() == pytest.approx(0, abs=0.05)
    assert logvar.grad.sum().item() == pytest.approx(1, abs=0.05)


def test_an_untrained_net_pays_about_a_coin_for_each_pixel(model, batch):
    assert negative_elbo(model, batch, 0.0)["loss"].item() == pytest.approx(784 * math.log(2), rel=0.03)


def test_the_loss_is_reconstruction_and_beta_times_kl(model, batch):
    terms = negative_elbo(model, batch, 1.0, beta=4.0)
    assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + 4 * terms["kl"]).item())


@pytest.mark.parametrize(("progress", "beta"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)])
def test_warm_up_raises_beta_with_progress(model, batch, progress, beta):
    terms = negative_elbo(model, batch, progress, warmup=0.5)
    assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + beta * terms["kl"]).item())


def test_terms_do_not_depend_on_how_many_images_there_are(model, batch):
    twice = Batch(*(torch.cat([part, part]) for part in batch))
    one, two = (negative_elbo(model, part, 1.0)["kl"].item() for part in (batch, twice))
    assert one == pytest.approx(two, rel=1e-5)


def test_binarised_pixels_are_black_or_white_and_right_on_average():
    x = torch.full((500, 1, 28, 28), 0.3)
    pixels = seeded(binarized, Batch(x, x, torch.zeros(500))).x
    assert set(pixels.unique().tolist()) == {0.0, 1.0} and pixels.mean().item() == pytest.approx(0.3, abs=0.01)


def test_binarising_keeps_a_target_that_is_the_input():
    x = torch.rand(3, 1, 28, 28)
    same = binarized(Batch(x, x, torch.zeros(3)))
    other = binarized(Batch(x, x.clone(), torch.zeros(3)))
    assert same.target is same.x and not torch.equal(other.target, other.x)


def test_log_weights_are_those_of_torch_distributions(model, batch):
    answer = model(batch.x)
    prior, posterior = Normal(0.0, 1.0), Normal(answer.mu, torch.exp(0.5 * answer.logvar))
    theirs = (prior.log_prob(answer.z) - posterior.log_prob(answer.z)).sum(1) - bernoulli(answer.logits, batch.x)
    torch.testing.assert_close(log_weights(answer, batch.target), theirs, rtol=1e-5, atol=1e-3)


def test_more_samples_tighten_the_bound(model, batch):
    losses = [seeded(importance_weighted, model, batch, 0.0, samples=count)["loss"].item() for count in (1, 200)]
    assert losses[1] < losses[0]


def test_one_sample_is_minus_the_elbo_on_average(model, batch):
    many = Batch(*(part.repeat(300, *[1] * (part.ndim - 1)) for part in batch))
    one, elbo = (seeded(objective, model, many, 1.0)["loss"].item()
                 for objective in (partial(importance_weighted, samples=1), negative_elbo))  # fmt: skip
    assert one == pytest.approx(elbo, abs=0.2)


@pytest.mark.parametrize(
    "objective",
    [negative_elbo, importance_weighted, partial(negative_elbo, likelihood=gaussian, binarize=True, warmup=0.5)],
)
def test_objectives_train(objective, model, train):
    step = GradientStep(model, objective, adam(model.parameters(), lr=3e-3))
    history = fit(step, Batches(train[:1000], 50, shuffle=True), epochs=2, seed=0)
    assert history.rows[1]["loss"] < history.rows[0]["loss"]


def test_a_vae_says_what_it_expects(model):
    with pytest.raises(InvalidInput, match=r"images of shape .* got \(2, 784\)"):
        model(torch.zeros(2, 784))
    with pytest.raises(InvalidInput, match=r"codes of shape \(batch, 5\), but got \(2, 4\)"):
        model.decode(torch.zeros(2, 4))


def test_encode_and_decode_do_without_chance(model, batch):
    assert torch.equal(model.encode(batch.x), model(batch.x).mu)
    pictures = model.decode(model.encode(batch.x))
    assert pictures.shape == batch.x.shape and pictures.min() >= 0 and pictures.max() <= 1


def test_forward_rolls_the_dice_in_evaluation_too(model, batch):
    assert not torch.equal(model.eval()(batch.x).z, model(batch.x).z)


def test_the_decoder_of_two_numbers_runs_in_the_page():
    explorer = LatentExplorer(small_vae(latent_dim=2))
    assert explorer.reason is None


def test_a_classifier_learns(train):
    torch.manual_seed(0)
    judge = find("judge").build()
    step = GradientStep(judge, partial(cross_entropy, shift=2), adam(judge.parameters(), lr=3e-3))
    history = fit(step, Batches(train, 50, shuffle=True), epochs=2, seed=0)
    assert history.last()["error"] < 0.2


@pytest.mark.parametrize("name", ["vae", "judge"])
def test_recipes_run_and_report(name, tmp_path):
    report = Run(find(name), tmp_path, epochs=1, images=300).train()
    expected = {"vae": {"negative_elbo", "log_likelihood", "active_units", "mse"}, "judge": {"accuracy"}}
    assert expected[name] <= set(report["test"])


def test_vae_is_a_module_with_two_parts(model):
    assert isinstance(model, VAE) and isinstance(model.encoder, nn.Sequential)
