"""Sums, signs and modes against oracles: closed forms, ``torch.distributions``, arithmetic by hand."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence
from torch.nn import functional as F

from ae_utils.data.dataset import Batch, Images
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.losses.classification import cross_entropy
from ae_utils.losses.gan import discriminator_loss
from ae_utils.losses.regularized import sparse_l1
from ae_utils.losses.vae import binarized, gaussian, importance_weighted, negative_elbo
from ae_utils.metrics.classifier import class_probabilities, features
from ae_utils.metrics.conditional import all_digits, decode_with_labels, draw
from ae_utils.metrics.images import reconstruct
from ae_utils.metrics.latent import codes
from ae_utils.metrics.likelihood import active_units, elbo, log_likelihood
from ae_utils.models import CVAE, VAE, Autoencoder, DigitClassifier, Discriminator, Generator
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.networks.dense import dense_decoder, dense_encoder, linear_bn_act
from ae_utils.training.auxiliary_classifier import AuxiliaryClassifierStep
from ae_utils.training.gan import AdversarialStep
from ae_utils.training.schedules import linear_decay
from ae_utils.training.step import GradientStep, adam


class Output(NamedTuple):
    """What an objective reads of a model's output."""

    x_hat: Tensor | None = None
    z: Tensor | None = None
    logits: Tensor | None = None
    mu: Tensor | None = None
    logvar: Tensor | None = None


def test_l1_is_the_sum_over_a_codes_numbers():
    x, z = torch.zeros(2, 1, 28, 28), torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -4.0]])
    terms = sparse_l1(lambda x, label: Output(x, z), Batch(x, x, torch.zeros(2)), 0.0, weight=1.0)
    assert terms["l1"].item() == (3.5 + 7.0) / 2


# --- the importance-weighted bound of a model whose posterior is exact: every weight is p(x), whatever is drawn ------

GAIN, STD = 1.5, 0.7  # z from N(0, 1), x from N(GAIN z, STD²), so x from N(0, GAIN² + STD²)


def exact(x, label, samples=1):
    variance = 1 / (1 + GAIN**2 / STD**2)
    mu = (variance * GAIN / STD**2 * x.flatten(1)).repeat_interleave(samples, 0)
    logvar = torch.full_like(mu, math.log(variance))
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    return Output(z=z, logits=GAIN * z[:, :, None, None], mu=mu, logvar=logvar)


def normal(logits, target):
    return -Normal(logits, STD).log_prob(target).flatten(1).sum(1)


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_the_importance_weighted_bound_is_log_p_of_an_exact_posterior(samples):
    x = torch.tensor([-4.0, 0.0, 0.3, 2.0, 6.0])[:, None, None, None]
    log_p = Normal(0.0, math.sqrt(GAIN**2 + STD**2)).log_prob(x).mean()
    terms = importance_weighted(exact, Batch(x, x, torch.zeros(5)), 0.0, samples=samples, likelihood=normal)
    assert terms["loss"].item() == pytest.approx(-log_p.item(), rel=1e-5)


def test_the_importance_weighted_bound_is_that_of_each_image(train):
    """Against a loop over images and samples, with the same random numbers."""
    torch.manual_seed(0)
    model = VAE(dense_encoder((6,)), dense_decoder((3,), last=nn.Identity), 3)
    x, samples = train.x[:4], 5
    torch.manual_seed(1)
    loss = importance_weighted(model, Batch(x, x, train.label[:4]), 0.0, samples=samples)["loss"]
    torch.manual_seed(1)
    eps = torch.randn(4, samples, 3)  # images in the outer loop
    bounds = []
    for image, draws in zip(x, eps, strict=True):
        mu, logvar = model.posterior(image[None])
        posterior = Normal(mu[0], torch.exp(0.5 * logvar[0]))
        z = posterior.mean + posterior.stddev * draws
        log_ratio = (Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z)).sum(1)
        log_p_x = torch.distributions.Bernoulli(logits=model.logits(z), validate_args=False).log_prob(image)
        bounds.append(torch.logsumexp(log_ratio + log_p_x.flatten(1).sum(1), 0) - math.log(samples))
    assert loss.item() == pytest.approx(-torch.stack(bounds).mean().item(), rel=1e-5)


def test_the_importance_weighted_objective_reports_the_kl_of_each_image():
    x = torch.tensor([-4.0, 0.0, 0.3])[:, None, None, None]
    mu, logvar = exact(x, None)[-2:]
    kl = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(1).mean()
    terms = importance_weighted(exact, Batch(x, x, torch.zeros(3)), 0.0, likelihood=normal)
    assert terms["kl"].item() == pytest.approx(kl.item(), rel=1e-5)


@pytest.mark.parametrize(("objective", "progress"), [(negative_elbo, 0.0), (importance_weighted, 0.5)])
def test_grey_pixels_stay_grey_unless_asked_otherwise(objective, progress):
    seen, x = [], torch.rand(4, 1, 1, 1)

    def model(x, label, **options):
        seen.append(x)
        return exact(x, label, **options)

    objective(model, Batch(x, x, torch.zeros(4)), progress, likelihood=normal)
    assert set(seen[0].unique().tolist()) == set(x.unique().tolist())


def test_five_samples_are_drawn_and_a_pixel_is_a_tenth_wide_by_default():
    asked, x = [], torch.rand(4, 1, 1, 1)

    def model(x, label, samples):
        asked.append((len(x), samples))
        return exact(x, label, samples)

    importance_weighted(model, Batch(x, x, torch.zeros(4)), 0.0, likelihood=normal)
    assert asked == [(4, 5)]  # each image once, with five codes
    expected = -Normal(torch.sigmoid(x), 0.1).log_prob(x).flatten()
    assert torch.allclose(gaussian(x, x), expected, rtol=1e-4)


def test_without_warm_up_the_kl_counts_from_the_first_batch():
    x = torch.rand(4, 1, 1, 1)
    terms = negative_elbo(exact, Batch(x, x, torch.zeros(4)), 0.0, likelihood=normal)
    assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + terms["kl"]).item())


# --- the digit classifier's objective --------------------------------------------------------------------------------


class PixelFinder(nn.Module):
    """A classifier of fixed logits that remembers where the one white pixel was."""

    def __init__(self, logits=None):
        super().__init__()
        self.seen, self.fixed = [], logits

    def forward(self, x, label=None):
        self.seen.append(tuple(x[0, 0].nonzero()[0].tolist()))
        return Output(logits=torch.zeros(len(x), 10) if self.fixed is None else self.fixed)


@pytest.fixture
def white_pixel():
    x = torch.zeros(2, 1, 28, 28)
    x[:, 0, 14, 10] = 1.0
    return Batch(x, x, torch.tensor([1, 2]))


def test_cross_entropy_and_error_by_hand(white_pixel):
    """Four images: one is right; of the wrong digits one is below the label, and two are above."""
    logits, label = torch.zeros(4, 10), torch.tensor([1, 2, 7, 8])
    logits[range(4), [1, 5, 3, 9]] = torch.tensor([2.0, 1.0, 1.0, 1.0])
    x = white_pixel.x[:1].expand(4, -1, -1, -1)
    terms = cross_entropy(PixelFinder(logits), Batch(x, x, label), 0.0)
    expected = (math.log(9 + math.exp(2)) - 2 + 3 * math.log(9 + math.e)) / 4
    assert terms["loss"].item() == pytest.approx(expected) and terms["error"].item() == 0.75


@pytest.mark.parametrize(("shift", "steps"), [(1, (-1, 0, 1)), (2, (-2, -1, 0, 1, 2))])
def test_a_shift_covers_both_ends_down_and_right(shift, steps, white_pixel):
    torch.manual_seed(0)
    model = PixelFinder()
    for _ in range(300):
        cross_entropy(model, white_pixel, 0.0, shift=shift)
    assert set(model.seen) == {(14 + down, 10 + right) for down in steps for right in steps}


def test_nothing_moves_in_an_evaluation_or_without_a_shift(white_pixel):
    model = PixelFinder()
    for _ in range(20):
        cross_entropy(model, white_pixel, 0.0)
        with torch.no_grad():
            cross_entropy(model, white_pixel, 0.0, shift=9)
    assert set(model.seen) == {(14, 10)}


def test_binarising_leaves_no_grey_in_a_target_of_its_own():
    x, target = torch.full((500, 1, 28, 28), 0.5), torch.full((500, 1, 28, 28), 0.2)
    made = binarized(Batch(x, target, torch.zeros(500)))
    assert set(made.target.unique().tolist()) == {0.0, 1.0}
    assert made.target.mean().item() == pytest.approx(0.2, abs=0.01)


def test_an_active_unit_is_one_whose_variance_counts():
    """The unit with a standard deviation of .05 has a variance of .0025, which is below .01."""

    class Coder(nn.Module):
        def encode(self, x, label):
            return x.flatten(1)[:, :3] * torch.tensor([0.05, 0.2, 0.0]) / x.flatten(1)[:, :3].std(0)

    x = torch.rand(800, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    images = Images(x, x, torch.zeros(800, dtype=torch.int64))
    assert active_units(Coder(), images).tolist() == [False, True, False]
    assert active_units(Coder(), images, threshold=0.001).tolist() == [True, True, False]


# --- R1 and the auxiliary classifier ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.2, 3.0])
def test_the_discriminators_penalty_is_half_gamma_times_the_squared_gradient(gamma):
    """A linear one: its gradient is its weight, and the gradient of gamma / 2 · |weight|² is gamma · weight."""
    torch.manual_seed(0)
    discriminator = Discriminator(nn.Sequential(nn.Flatten(), nn.Linear(784, 1)))
    generator, every, lr = Generator(nn.Linear(2, 784), 2), 4, 1e-3
    optimizers = (torch.optim.SGD(network.parameters(), lr=lr) for network in (generator, discriminator))
    step = AdversarialStep(generator, discriminator, *optimizers, r1_gamma=gamma, r1_every=every)
    weight, (real, fake) = discriminator.body[1].weight, torch.rand(2, 6, 1, 28, 28)
    before = weight.detach().clone()
    (gradient,) = torch.autograd.grad(discriminator_loss(discriminator(real), discriminator(fake)), weight)
    step.update_discriminator(real, fake)
    assert torch.allclose(weight, before - lr * (gradient + every * gamma * before), atol=1e-8)


def auxiliary_step(classifier, **options):
    torch.manual_seed(0)
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 4))
    decoder = ConditionalSequential(ConcatLabel(), *dense_decoder((12,), last=nn.Identity))
    model = CVAE(encoder, decoder, 2)
    optimizers = (adam(part.parameters(), lr=lr) for part, lr in ((model, 1e-3), (classifier, 2e-3)))
    return AuxiliaryClassifierStep(model, classifier, negative_elbo, *optimizers, **options)


def linear_classifier():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


@pytest.fixture
def batch(train):
    return Batch(train.x[:32], train.x[:32], train.label[:32])


def test_the_classifier_reads_samples_in_evaluation_mode(batch):
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))
    step, modes = auxiliary_step(classifier), []
    classifier.register_forward_hook(lambda classifier, *_: modes.append(classifier.training))
    GradientStep.train(step, batch, 0.5)
    assert modes == [False] and classifier[2].num_batches_tracked == 0
    step.train(batch, 0.5)
    assert modes == [False, False, True] and classifier[2].num_batches_tracked == 1


def test_what_the_classifier_reads_are_images(batch):
    """With noise of up to .6 on them, but between black and white."""
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    step, seen = auxiliary_step(classifier), []
    classifier.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    step.train(batch, 0.5)
    assert len(seen) == 2
    for images in seen:
        assert images.min() == 0 and images.max() == 1
    noise = (seen[1] - batch.target[16:]).flatten(1)[:, :28]  # the first row of a digit is black
    assert noise.max() > 0.5 and (noise.amax(1) < 0.1).any(), "of another strength for each"


def remembered(step):
    """What the classifier is given and what it returns, one pair for each call."""
    seen = []
    step.classifier.register_forward_hook(lambda _, given, logits: seen.append((given[0].detach(), logits.detach())))
    return seen


def test_the_classifier_reads_samples_for_half_the_labels_and_learns_from_the_other_half(batch):
    """Without noise; the model's loss has its cross-entropy with a weight of 10, the default."""
    step = auxiliary_step(linear_classifier(), noise_std=0.0)
    seen = remembered(step)
    terms = step.train(batch, 0.5)
    (_, of_samples), (real, of_real) = seen
    assert terms["classification"].item() == pytest.approx(F.cross_entropy(of_samples, batch.label[:16]).item())
    assert torch.equal(real, batch.target[16:])
    assert terms["classifier_loss"].item() == pytest.approx(F.cross_entropy(of_real, batch.label[16:]).item())
    without = terms["reconstruction"] + terms["kl"]
    assert terms["loss"].item() == pytest.approx((without + 10 * terms["classification"]).item(), rel=1e-6)


def test_noise_is_of_any_strength_up_to_the_given_one(batch):
    step = auxiliary_step(linear_classifier(), noise_std=0.05)
    seen, grey = remembered(step), torch.full((2000, 1, 28, 28), 0.5)
    step.train(Batch(grey, grey, torch.zeros(2000, dtype=torch.int64)), 0.5)
    std = (seen[1][0] - 0.5).flatten(1).std(1)
    assert std.min() < 0.001 and std.mean().item() == pytest.approx(0.025, rel=0.05)
    assert std.max().item() == pytest.approx(0.05, rel=0.1)


def test_the_default_noise_is_of_up_to_three_fifths(batch):
    """Seen where it is cut off last: in images of middle grey."""
    step = auxiliary_step(linear_classifier())
    seen, grey = remembered(step), torch.full((2000, 1, 28, 28), 0.5)
    step.train(Batch(grey, grey, torch.zeros(2000, dtype=torch.int64)), 0.5)
    inside = ((seen[1][0] > 0) & (seen[1][0] < 1)).double().flatten(1).mean(1).min()  # where the noise is strongest
    assert inside.item() == pytest.approx(math.erf(0.5 / 0.6 / math.sqrt(2)), abs=0.06)


@pytest.mark.parametrize(("count", "half"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3)])
def test_half_a_batch_is_at_least_two_images_where_there_are_two(count, half, train):
    step = auxiliary_step(linear_classifier())
    seen = remembered(step)
    step.train(Batch(train.x[:count], train.x[:count], train.label[:count]), 0.5)
    assert [len(given) for given, _ in seen] == [half, half]


def test_the_schedule_scales_the_classifiers_rate_too(batch):
    step = auxiliary_step(linear_classifier(), schedule=linear_decay)
    for progress, factor in ((0.75, 0.5), (0.0, 1.0)):
        step.train(batch, progress)
        assert step.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * factor)
        assert step.classifier_optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 * factor)


def test_the_models_update_gives_the_classifier_no_gradients_and_no_term_a_graph(batch):
    step = auxiliary_step(linear_classifier())
    GradientStep.train(step, batch, 0.5)
    assert all(parameter.grad is None for parameter in step.classifier.parameters())
    assert not any(term.requires_grad for term in step.train(batch, 0.5).values())


# --- evaluation is done in evaluation mode ---------------------------------------------------------------------------

torch.manual_seed(0)
NORMED = (nn.Flatten(), *linear_bn_act(784, 6))
MODELS = {
    "autoencoder": Autoencoder(nn.Sequential(*NORMED, nn.Dropout(0.5)), dense_decoder((6,)), 6),
    "vae": VAE(nn.Sequential(*NORMED), nn.Sequential(*linear_bn_act(3, 8), *dense_decoder((8,), last=nn.Identity)), 3),
    "cvae": CVAE(ConditionalSequential(nn.Flatten(), ConcatLabel(), *linear_bn_act(794, 6)),
                 ConditionalSequential(ConcatLabel(), nn.Dropout(0.5), *dense_decoder((13,), last=nn.Identity)), 3),
    "classifier": DigitClassifier(nn.Sequential(*NORMED, nn.Dropout(0.5)), 6),
}  # fmt: skip
MEASURES = {
    "codes": ("autoencoder", codes),
    "reconstruct": ("autoencoder", reconstruct),
    "elbo": ("vae", elbo),
    "log_likelihood": ("vae", lambda model, images: log_likelihood(model, images, samples=3)),
    "active_units": ("vae", lambda model, images: active_units(model, images, threshold=0.2)),
    "draw": ("cvae", lambda model, images: draw(model, all_digits(20))),
    "decode_with_labels": ("cvae", lambda model, images: decode_with_labels(model, images, images.label)),
    "features": ("classifier", lambda classifier, images: features(classifier, images.x)),
    "class_probabilities": ("classifier", lambda classifier, images: class_probabilities(classifier, images.x)),
    "step": ("autoencoder", lambda model, images: evaluated(model, mean_squared_error, images)),
    "step of a vae": ("vae", lambda model, images: evaluated(model, negative_elbo, images)),
}


def evaluated(model, objective, images):
    step = GradientStep(model, objective, adam(model.parameters()))
    return step.evaluate(Batch(images.x, images.target, images.label))["loss"]


@pytest.mark.parametrize("name", MEASURES)
def test_nothing_is_measured_in_training_mode(name, test):
    """A model that was just training is measured as one in evaluation mode, and learns nothing from it."""
    kind, measure = MEASURES[name]
    model, images, found = MODELS[kind], test[:40], []
    for training in (False, True):
        model.train(training)
        kept = {key: value.clone() for key, value in model.state_dict().items()}
        torch.manual_seed(1)
        found.append(measure(model, images).detach())
        assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())
    assert torch.equal(*found)


@pytest.mark.parametrize("name", MEASURES)
def test_nothing_is_measured_with_gradients(name, test):
    """They would keep every layer's activations in memory."""
    kind, measure = MEASURES[name]
    modes = set()
    hook = nn.modules.module.register_module_forward_hook(lambda *_: modes.add(torch.is_grad_enabled()))
    try:
        measure(MODELS[kind], test[:20])
    finally:
        hook.remove()
    assert modes == {False}


def test_a_gan_is_evaluated_in_evaluation_mode(test):
    discriminator = Discriminator(nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Dropout(0.5), nn.Linear(8, 1)))
    generator = Generator(nn.Sequential(*linear_bn_act(2, 4), nn.Linear(4, 784), nn.Unflatten(1, (1, 28, 28))), 2)
    step = AdversarialStep(
        generator, discriminator, *(adam(network.parameters()) for network in (generator, discriminator))
    )
    batch, modes = Batch(test.x[:20], test.x[:20], test.label[:20]), []
    for network in (step.model, discriminator):
        network.register_forward_hook(lambda network, *_: modes.append(network.training))
    for training in (False, True):
        discriminator.train(training)
        step.evaluate(batch)
    assert modes == [False] * 6, "twice: real images, fakes and the logits of both"


def test_the_exact_posterior_above_is_exact():
    """The oracle's own check: joint density over posterior is the marginal, by torch.distributions."""
    joint = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, GAIN], [GAIN, GAIN**2 + STD**2]]))
    x = torch.tensor([[[[1.3]]]])
    output = exact(x, None)
    posterior = Normal(output.mu, torch.exp(0.5 * output.logvar)).log_prob(output.z)
    marginal = joint.log_prob(torch.cat([output.z[0], x.flatten()])) - posterior
    assert marginal.item() == pytest.approx(Normal(0.0, math.sqrt(GAIN**2 + STD**2)).log_prob(x).item(), rel=1e-5)
