"""Terms and objectives of variational autoencoders, against torch.distributions; the models; the recipes."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from ae_utils.data.dataset import Batch, Batches
from ae_utils.errors import InvalidInput
from ae_utils.losses.classification import cross_entropy
from ae_utils.losses.vae import (
    bernoulli,
    binarized,
    gaussian,
    importance_weighted,
    kl_to_prior,
    log_weights,
    negative_elbo,
)
from ae_utils.models import CVAE, VAE, reparameterize
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.networks.dense import dense_decoder
from ae_utils.recipes.registry import get
from ae_utils.recipes.vae import dense_vae, small_vae
from ae_utils.runs.run import Run
from ae_utils.training.loop import fit
from ae_utils.training.step import GradientStep, adam
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


@pytest.mark.parametrize(
    ("mu", "logvar"), [((1, 20), (6, 20)), ((6, 20), (1, 20)), ((6, 1), (6, 20)), ((20,), (6, 20))]
)
def test_the_kl_of_two_shapes_is_refused_rather_than_broadcast(mu, logvar):
    with pytest.raises(InvalidInput, match=r"expected one shape, but got mu .* and logvar"):
        kl_to_prior(torch.zeros(mu), torch.zeros(logvar))
    with pytest.raises(InvalidInput, match=r"expected one shape, but got mu .* and logvar"):
        kl_to_prior(logvar=torch.zeros(logvar), mu=torch.zeros(mu))


@pytest.mark.parametrize(("likelihood", "error"), [(gaussian, InvalidInput), (bernoulli, ValueError)])
@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (6, 1, 1, 28), (28, 28), (1,)])
def test_a_likelihood_of_two_shapes_is_refused_rather_than_broadcast(likelihood, error, shape, batch):
    with pytest.raises(error):
        likelihood(batch.x, torch.zeros(shape))
    with pytest.raises(error):
        likelihood(target=batch.x, logits=torch.zeros(shape))


def test_reparameterize_draws_from_the_approximate_posterior():
    mu, logvar = torch.full((100_000,), 3.0), torch.full((100_000,), math.log(4.0))
    z = seeded(reparameterize, mu, logvar)
    assert z.mean().item() == pytest.approx(3, abs=0.03) and z.std().item() == pytest.approx(2, abs=0.03)


def test_gradients_reach_mu_and_logvar():
    mu, logvar = torch.zeros(50_000, requires_grad=True), torch.zeros(50_000, requires_grad=True)
    seeded(reparameterize, mu, logvar).square().mean().backward()  # E z² = mu² + exp(logvar)
    assert mu.grad.sum().item() == pytest.approx(0, abs=0.05)
    assert logvar.grad.sum().item() == pytest.approx(1, abs=0.05)


def test_an_untrained_net_has_a_loss_of_about_a_coin_toss_for_each_pixel(model, batch):
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
    output = model(batch.x)
    prior, posterior = Normal(0.0, 1.0), Normal(output.mu, torch.exp(0.5 * output.logvar))
    theirs = (prior.log_prob(output.z) - posterior.log_prob(output.z)).sum(1) - bernoulli(output.logits, batch.x)
    torch.testing.assert_close(log_weights(output, batch.target), theirs, rtol=1e-5, atol=1e-3)


def conditional():
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 10))
    return CVAE(encoder, ConditionalSequential(ConcatLabel(), dense_decoder((15,), last=nn.Identity)), 5)


@pytest.mark.parametrize("build", [lambda: dense_vae(5, 16), lambda: small_vae(5), conditional])
def test_codes_of_one_encoding_are_those_of_repeated_images(build, batch):
    """BatchNorm sees the same mean and variance either way."""
    torch.manual_seed(2)
    model, many = build(), [part.repeat_interleave(4, 0) for part in batch]
    once, repeated = seeded(model, batch.x, batch.label, samples=4), seeded(model, many[0], many[2])
    for part, same in zip(once, repeated, strict=True):
        torch.testing.assert_close(part, same, rtol=1e-5, atol=1e-5)
    assert len(once.logits) == 24 and not torch.equal(once.z[0], once.z[1])


def test_the_bound_is_that_of_repeated_images(model, batch):
    many = Batch(*(part.repeat_interleave(4, 0) for part in batch))
    log_w = log_weights(seeded(model, many.x), many.target).view(6, 4)
    loss = seeded(importance_weighted, model, batch, 0.0, samples=4)["loss"]
    assert loss.item() == pytest.approx(math.log(4) - log_w.logsumexp(1).mean().item(), rel=1e-6)


def test_each_image_is_encoded_once(model, batch):
    lengths = []
    model.encoder.register_forward_hook(lambda encoder, given, output: lengths.append(len(output)))
    importance_weighted(model, batch, 0.0, samples=7)
    assert lengths == [6]


@pytest.mark.parametrize("samples", [0, -1])
def test_a_bound_of_no_samples_is_refused(samples, model, batch):
    with pytest.raises(InvalidInput, match=f"expects at least one sample per image, but got {samples}"):
        importance_weighted(model, batch, 0.0, samples=samples)


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


def test_encode_and_decode_draw_nothing(model, batch):
    assert torch.equal(model.encode(batch.x), model(batch.x).mu)
    images = model.decode(model.encode(batch.x))
    assert images.shape == batch.x.shape and images.min() >= 0 and images.max() <= 1


def test_forward_draws_in_evaluation_mode_too(model, batch):
    assert not torch.equal(model.eval()(batch.x).z, model(batch.x).z)


def test_the_decoder_of_two_numbers_runs_in_the_page():
    explorer = LatentExplorer(small_vae(latent_dim=2))
    assert explorer.reason is None


def test_a_classifier_learns(train):
    torch.manual_seed(0)
    classifier = get("digit-classifier").build()
    step = GradientStep(classifier, partial(cross_entropy, shift=2), adam(classifier.parameters(), lr=3e-3))
    history = fit(step, Batches(train, 50, shuffle=True), epochs=2, seed=0)
    assert history.last()["error"] < 0.2


@pytest.mark.parametrize("name", ["vae", "digit-classifier"])
def test_recipes_run_and_report(name, tmp_path):
    report = Run(get(name), tmp_path, epochs=1, images=300).train()
    vae = {"negative_elbo", "log_likelihood", "active_units", "mse"}
    assert {"vae": vae, "digit-classifier": {"accuracy"}}[name] <= set(report["test"])


def test_vae_is_a_module_with_two_parts(model):
    assert isinstance(model, VAE) and isinstance(model.encoder, nn.Sequential)
