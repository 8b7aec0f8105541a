"""Sparse, denoising and contractive objectives: each term against an oracle, and each through `fit`."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, kl_divergence

from ae_utils.data.dataset import Batch, Batches
from ae_utils.data.noise import gaussian
from ae_utils.errors import InvalidInput
from ae_utils.losses.regularized import (
    contractive,
    contractive_sampled,
    denoising,
    kl_to_target,
    sparse_kl,
    sparse_l1,
    squared_error,
    squared_jacobian,
)
from ae_utils.models import Autoencoder, AutoencoderOutput
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.recipes.registry import RECIPES
from ae_utils.training.loop import evaluate, fit
from ae_utils.training.step import GradientStep, adam

UNITS = 12
OBJECTIVES = {
    "l1": partial(sparse_l1, weight=0.1),
    "kl": partial(sparse_kl, weight=0.1),
    "jacobian": partial(contractive, weight=0.1),
    "sampled": partial(contractive_sampled, weight=0.1),
    "denoising": partial(denoising, corrupt=gaussian),
}


def model(activation=nn.Sigmoid, widths=(UNITS,)):
    torch.manual_seed(0)
    encoder = dense_encoder(widths).append(activation())
    return Autoencoder(encoder, dense_decoder(widths[::-1]), widths[-1])


def batch(images, count=20):
    return Batch(images.x[:count], images.target[:count], images.label[:count])


def full_jacobian(net, x):
    """dz/dx (n, units, pixels), by automatic differentiation, one image after the other."""
    rows = [torch.autograd.functional.jacobian(net.encode, image[None])[0, :, 0].flatten(1) for image in x]
    return torch.stack(rows)


def test_squared_error_is_summed_over_pixels():
    assert squared_error(torch.full((3, 1, 28, 28), 0.5), torch.zeros(3, 1, 28, 28)).tolist() == [196.0] * 3


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (3, 1, 1, 28), (28, 28), (1,)])
def test_the_squared_error_of_two_shapes_is_refused_rather_than_broadcast(shape):
    x, other = torch.zeros(3, 1, 28, 28), torch.zeros(shape)
    for one, two in ((x, other), (other, x)):
        with pytest.raises(InvalidInput, match=r"expected one shape, but got x_hat .* and target"):
            squared_error(one, two)
        with pytest.raises(InvalidInput, match=r"expected one shape, but got x_hat .* and target"):
            squared_error(target=two, x_hat=one)


@pytest.mark.parametrize("rho", [0.01, 0.05, 0.5])
def test_kl_is_the_kl_between_coins(rho):
    q = torch.linspace(0.001, 0.999, 400)
    oracle = kl_divergence(Bernoulli(torch.tensor(rho)), Bernoulli(q))
    assert torch.allclose(kl_to_target(q, rho), oracle, rtol=1e-3, atol=1e-5)


def test_kl_is_finite_and_has_a_gradient_at_inactive_and_saturated_units():
    q = torch.tensor([0.0, 1.0], requires_grad=True)
    kl = kl_to_target(q, 0.05)
    kl.sum().backward()
    assert torch.isfinite(kl).all() and (kl > 0).all()
    assert q.grad[0] < 0 < q.grad[1], "up from 0, down from 1"
    assert torch.isfinite(q.grad).all()


@pytest.mark.parametrize("rho", [0.001, 0.05, 0.3])
def test_kl_is_never_negative_and_0_at_its_target(rho):
    near = rho + torch.linspace(-1e-4, 1e-4, 2001)
    kl = kl_to_target(near, rho)
    assert (kl >= 0).all() and kl[1000] < 1e-6
    assert (kl_to_target(torch.linspace(0, 1, 10_001), rho) >= 0).all()


@pytest.mark.parametrize("activation", [torch.tensor([0.2, 1.2]), torch.tensor([-0.1]), torch.tensor([float("nan")])])
def test_kl_refuses_what_is_no_mean_activation(activation):
    with pytest.raises(InvalidInput, match=r"expected activations in \[0, 1\], as after a sigmoid"):
        kl_to_target(activation, 0.05)


@pytest.mark.parametrize("rho", [0, 1, 1.5])
def test_kl_refuses_a_target_outside_0_and_1(rho):
    with pytest.raises(InvalidInput, match="rho between 0 and 1"):
        kl_to_target(torch.tensor([0.5]), rho)


def test_closed_form_is_the_full_jacobian(test):
    net, x = model(), test.x[:20]
    closed = squared_jacobian(net.encode(x), net.encoder[1].weight)
    assert torch.allclose(closed, full_jacobian(net, x).square().sum((1, 2)), rtol=1e-4, atol=0)


def test_the_contractive_penalty_of_a_layer_is_the_full_jacobians(test):
    net, part = model(), batch(test)
    oracle = full_jacobian(net, part.x).square().sum((1, 2)).mean()
    assert torch.allclose(contractive(net, part, 0.0, weight=1.0)["jacobian"], oracle, rtol=1e-4)


def test_the_sampled_penalty_is_right_on_average_for_deep_encoders(test):
    net, part = model(nn.Tanh, (30, 5)), batch(test)
    oracle = full_jacobian(net, part.x).square().sum((1, 2)).mean()
    torch.manual_seed(1)
    draws = torch.stack([contractive_sampled(net, part, 0.0, weight=1.0)["jacobian"] for _ in range(400)]).detach()
    assert abs(draws.mean() - oracle) < 4 * draws.std() / 400**0.5


def test_both_contractive_gradients_agree_on_average(test):
    part, gradients = batch(test, 5), []
    for objective, draws in ((contractive, 1), (contractive_sampled, 400)):
        net = model(widths=(3,))
        torch.manual_seed(1)
        mean = sum(objective(net, part, 0.0, weight=1.0)["jacobian"] for _ in range(draws)) / draws
        gradients.append(torch.autograd.grad(mean, net.encoder[1].weight)[0].flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_contractive_refuses_another_encoder(test):
    with pytest.raises(InvalidInput, match="one Linear layer with a weight of shape"):
        contractive(model(widths=(30, 5)), batch(test), 0.0, weight=1.0)


def test_contractive_refuses_codes_of_no_sigmoid(test):
    with pytest.raises(InvalidInput, match=r"codes in \[0, 1\], as after a sigmoid"):
        contractive(model(nn.Identity), batch(test), 0.0, weight=1.0)


def test_denoising_hands_the_model_noise_and_asks_for_the_clean_image(test):
    seen = []

    def net(x, label):
        seen.append(x)
        return model()(x)

    part = batch(test)
    loss = denoising(net, part, 0.0, corrupt=torch.zeros_like)["loss"]
    assert not seen[0].any() and part.x.any()
    assert torch.allclose(loss, squared_error(model()(seen[0]).x_hat, part.target).mean())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_terms_are_unweighted_and_add_up(name, test):
    torch.manual_seed(1)
    terms = OBJECTIVES[name](model(), batch(test), 0.0)
    assert all(term.ndim == 0 for term in terms.values())
    if name != "denoising":
        (penalty,) = set(terms) - {"loss", "reconstruction"}
        assert torch.allclose(terms["loss"], terms["reconstruction"] + 0.1 * terms[penalty])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_reconstruction_is_the_mean_over_the_batch(name, test):
    net, part = model(), batch(test)
    torch.manual_seed(1)
    found = OBJECTIVES[name](net, part, 0.0)["reconstruction"]
    torch.manual_seed(1)
    x_hat = net(gaussian(part.x) if name == "denoising" else part.x).x_hat
    assert found.item() == pytest.approx(((x_hat - part.target) ** 2).sum((1, 2, 3)).mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_training_lowers_the_loss(name, train, test):
    net = model()
    step, held_out = GradientStep(net, OBJECTIVES[name], adam(net.parameters(), lr=1e-3)), Batches(test, 100)
    before = evaluate(step, held_out)["loss"]
    fit(step, Batches(train, 50, shuffle=True), epochs=2, seed=0)
    assert evaluate(step, held_out)["loss"] < 0.9 * before


@pytest.mark.parametrize("name", OBJECTIVES)
def test_evaluation_says_the_same_each_time_and_draws_nothing(name, test):
    step = GradientStep(net := model(), OBJECTIVES[name], adam(net.parameters()))
    state = torch.get_rng_state()
    first = evaluate(step, Batches(test, 100))
    assert torch.equal(torch.get_rng_state(), state)
    assert evaluate(step, Batches(test, 100)) == first
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["sparse-l1", "sparse-kl", "denoising", "contractive", "denoising-fast"])
def test_the_code_of_every_recipe_is_wider_than_the_image(name, test):
    net = RECIPES[name].build()
    output = net(test.x[:3])
    assert output.z.shape == (3, net.latent_dim) and net.latent_dim > 784
    assert output.x_hat.min() >= 0 and output.x_hat.max() <= 1


@pytest.mark.parametrize("name", ["sparse-l1", "sparse-kl", "denoising", "contractive"])
def test_the_faithful_recipes_train_as_published(name):
    recipe = RECIPES[name]
    options = recipe.step(recipe, recipe.build()).optimizer.param_groups[0]
    assert (options["lr"], options["weight_decay"], recipe.batch_size) == (1e-3, 1e-5, 64)


@pytest.mark.parametrize("name", ["denoising", "denoising-fast"])
def test_denoising_recipes_report_the_noisy_and_the_denoised_images(name, test):
    recipe = RECIPES[name]
    report = recipe.evaluate(recipe.build(), test[:100])
    assert report["gaussian_noisy_psnr"] == pytest.approx(9.4, abs=0.2)
    assert report["salt_and_pepper_noisy_psnr"] == pytest.approx(10.2, abs=0.3)
    assert set(report) == {
        f"{noise}_{state}_{metric}"
        for noise in ("gaussian", "salt_and_pepper")
        for state in ("noisy", "denoised")
        for metric in ("psnr", "ssim")
    }


@pytest.mark.parametrize("name", ["sparse-l1", "sparse-kl", "contractive"])
def test_the_other_recipes_report_what_became_of_the_code(name, test):
    report = RECIPES[name].evaluate(RECIPES[name].build(), test[:100])
    assert {"mse", "psnr", "ssim", "active_fraction", "sensitivity"} == set(report)


def test_sparse_kl_refuses_a_target_outside_0_and_1(test):
    with pytest.raises(InvalidInput, match="rho between 0 and 1"):
        sparse_kl(model(), batch(test), 0.0, weight=0.1, rho=1.0)


def returns(x_hat, z=None):
    """A model that returns what it is given here."""
    return lambda x, label: AutoencoderOutput(x_hat, z)


def test_denoising_with_the_absolute_error_by_hand():
    """Two images of four pixels; squared errors 1 and 4 + .25, absolute ones 1 and 2 + .5."""
    target = torch.tensor([[1.0, 0, 0, 0], [0, 2.0, 0.5, 0]]).view(2, 1, 2, 2)
    given = Batch(target, target, torch.zeros(2))
    terms = denoising(returns(torch.zeros(2, 1, 2, 2)), given, 0.0, corrupt=torch.clone, l1_weight=0.2)
    assert terms["reconstruction"].item() == pytest.approx((1 + 4.25) / 2)
    assert terms["absolute_error"].item() == pytest.approx((1 + 2.5) / 2)
    assert terms["loss"].item() == pytest.approx((1 + 4.25) / 2 + 0.2 * (1 + 2.5) / 2)


def test_sparse_kl_is_that_of_each_units_mean_over_the_batch():
    """Summed over three units of two images, to a target of .05 by default (Ng 2011)."""
    z, x = torch.tensor([[0.1, 0.5, 0.9], [0.3, 0.1, 0.2]]), torch.zeros(2, 1, 28, 28)
    terms = sparse_kl(returns(x, z), Batch(x, x, torch.zeros(2)), 0.0, weight=1.0)
    oracle = kl_divergence(Bernoulli(torch.tensor(0.05)), Bernoulli(torch.tensor([0.2, 0.3, 0.55]))).sum()
    assert terms["kl"].item() == pytest.approx(oracle.item(), rel=1e-4)


def test_a_sampled_jacobian_leaves_the_batch_alone(test):
    part = batch(test)
    contractive_sampled(model(), part, 0.0, weight=1.0)
    assert not part.x.requires_grad
