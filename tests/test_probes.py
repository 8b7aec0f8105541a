"""Probes: every exhibit of the museum is caught, no healthy model is accused, and nothing is changed by looking."""

import copy
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.course.museum.exhibits import EXHIBITS, REPORT, report, table
from ae_utils.course.probes.data import leak_of_test_data, no_batch_of_one, order_changes
from ae_utils.course.probes.diagnose import PROBES, diagnose
from ae_utils.course.probes.evaluation import average_of_weights, evaluation_mode, same_in_company
from ae_utils.course.probes.finding import FINE, SKIPPED, SUSPICIOUS, Diagnosis, Finding
from ae_utils.course.probes.gan import both_networks_move, gan_gradients
from ae_utils.course.probes.model import (
    draw_of_z,
    gradient_everywhere,
    label_matters,
    one_batch_by_heart,
    output_range,
)
from ae_utils.course.probes.objective import (
    batch_average,
    beats_the_mean_image,
    kl_at_prior,
    kl_formula,
    kl_weight,
    perfect_output,
)
from ae_utils.data.altered import altered
from ae_utils.data.dataset import Batch, Batches
from ae_utils.errors import InvalidInput
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.losses.gan import discriminator_loss, generator_loss
from ae_utils.losses.vae import gaussian, importance_weighted, kl_to_prior, negative_elbo
from ae_utils.models import VAE, Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.recipes.gan import adversarial_step
from ae_utils.recipes.registry import RECIPES
from ae_utils.seeds import own_random_numbers
from ae_utils.training.loop import fit

GANS = [name for name, recipe in RECIPES.items() if getattr(recipe.step, "func", None) is adversarial_step]
STEPS = {"untrained": 0, "trained": 2}  # epochs on 64 images


@pytest.fixture(scope="module")
def few(train):
    """64 clean and 64 altered images."""
    return {"clean": train[:64], "altered": altered(train[:64], seed=1).images}


def prepared(name, few):
    """A recipe's step, its model and its batches."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    model, images = recipe.build(), few["altered" if name.startswith("altered") else "clean"]
    if recipe.prepare:
        recipe.prepare(model, images)
    images = images.to_range(*recipe.pixel_range)
    inputs = recipe.inputs(model, images) if recipe.inputs else images
    return recipe, recipe.step(recipe, model), model, Batches(inputs, 16, shuffle=True)


# --- every mistake is caught, no healthy model is accused ------------------------------------------------------------


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_a_mistake_is_caught_and_its_mended_version_is_not_accused(exhibit):
    buggy, mended = exhibit.findings(True), exhibit.findings(False)
    caught = [finding.probe for finding in buggy if finding.verdict == SUSPICIOUS]
    assert caught
    assert [finding for finding in mended if finding.verdict == SUSPICIOUS] == []
    assert {finding.probe for finding in mended if finding.verdict == FINE} >= set(caught)


def test_there_are_fifteen_mistakes_each_with_a_public_source():
    places = [exhibit.place for exhibit in EXHIBITS]
    assert places[:15] == [*map(str, range(1, 11)), *(f"exercise {number}" for number in range(1, 6))]
    for source in (source for exhibit in EXHIBITS for source in exhibit.sources):
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", source.link)
        assert 2015 <= source.year <= 2026 and str(source.year) in str(source)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", STEPS.values(), ids=list(STEPS))
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in GANS])
def test_no_recipe_is_accused(name, epochs, few):
    recipe, step, model, batches = prepared(name, few)
    fit(step, batches, epochs=epochs, seed=0)
    findings = diagnose(step.model if epochs else model, recipe.objective, next(iter(batches)))
    assert findings.suspicious == ()
    assert sum(finding.verdict == FINE for finding in findings) >= (2 if name == "latent-flow" else 3)
    assert order_changes(batches).verdict == FINE
    assert no_batch_of_one(model, batches).verdict in (FINE, SKIPPED)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", STEPS.values(), ids=list(STEPS))
@pytest.mark.parametrize("name", GANS)
def test_no_gan_is_accused(name, epochs, few):
    _, step, _, batches = prepared(name, few)
    fit(step, batches, epochs=epochs, seed=0)
    batch = next(iter(batches))
    z = torch.randn(16, step.generator.latent_dim)
    halves = (
        lambda generator, discriminator, real: generator_loss(discriminator(generator(z))),
        lambda generator, discriminator, real: discriminator_loss(
            discriminator(real), discriminator(generator(z).detach())
        ),
    )
    assert both_networks_move(step, batch).verdict == FINE
    assert gan_gradients(step.generator, step.discriminator, *halves, batch.x).verdict == FINE
    assert same_in_company(step.model.decode, z).verdict == FINE
    assert evaluation_mode(step.model, lambda model: model.eval().decode(z)).verdict == FINE


@pytest.mark.parametrize("name", ["vanilla", "vae", "vae-best", "cvae-plain", "altered-ae"])
def test_no_evaluation_or_decoder_of_the_course_is_accused(name, few):
    recipe, step, model, batches = prepared(name, few)
    batch = next(iter(batches))
    z = torch.randn(16, recipe.build().latent_dim)
    assert evaluation_mode(model, lambda model: type(step).evaluate(with_model(step, model), batch)).verdict == FINE
    label = batch.label[: len(z)]
    assert same_in_company(lambda z: model.eval().decode(z, label[: len(z)]), z).verdict == FINE


def with_model(step, model):
    changed = copy.copy(step)
    changed.model = model
    return changed


# --- nothing is changed by looking -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vae", "conv-batchnorm", "denoising", "latent-flow"])
@pytest.mark.parametrize("training", [True, False])
def test_a_diagnosis_leaves_model_and_random_numbers_as_they_were(name, training, few):
    recipe, _, model, batches = prepared(name, few)
    batch = next(iter(batches))
    model.train(training)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    kept = batch.x.clone()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again = (diagnose(model, recipe.objective, batch) for _ in range(2))
    assert first == again
    assert torch.equal(torch.rand(3), expected) and torch.equal(batch.x, kept)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(bool((parameter.grad == 1).all()) for parameter in model.parameters())


def test_probes_work_where_gradients_are_switched_off(few):
    model = small_vae()
    with torch.no_grad():
        assert diagnose(model, negative_elbo, batch_of(few)) == diagnosed_with_gradients(few)
        assert not torch.is_grad_enabled()


def diagnosed_with_gradients(few):
    with torch.enable_grad():
        return diagnose(small_vae(), negative_elbo, batch_of(few))


# --- other people's models and mistakes ------------------------------------------------------------------------------


def small_vae(kind=VAE):
    with own_random_numbers(0):
        return kind(dense_encoder((32, 8)), dense_decoder((4, 32), last=nn.Identity), 4)


def batch_of(few, count=20):
    images = few["clean"][:count]
    return Batch(images.x, images.x, images.label)


def with_kl(formula, weight=1.0):
    """Minus the ELBO with another KL term; no term is reported."""

    def objective(model, batch, progress):
        output = model(batch.x, batch.label)
        pixels = F.binary_cross_entropy_with_logits(output.logits, batch.target, reduction="none").flatten(1).sum(1)
        return {"loss": pixels.mean() + weight * formula(output.mu, output.logvar).sum(1).mean()}

    return objective


@pytest.mark.parametrize(
    ("formula", "named"),
    [
        (lambda mu, lv: 0.5 * (mu.square() + lv.exp() - 1 + lv), "wrong sign"),
        (lambda mu, lv: -0.5 * (mu.square() + lv.exp() - 1 - lv), "the whole KL term"),
        (lambda mu, lv: 0.5 * (mu.square() + (2 * lv).exp() - 1 - lv), "variance already"),
        (lambda mu, lv: 0.5 * (mu.square() + (0.5 * lv).exp() - 1 - lv), "std stands where"),
        (lambda mu, lv: 0.5 * (mu + lv.exp() - 1 - lv), "mu is not squared"),
        (lambda mu, lv: 0.5 * (mu.square() + lv.exp() - 1), "logvar is missing"),
        (lambda mu, lv: mu.abs() + lv.square(), "no KL divergence"),
        (lambda mu, lv: 0 * mu, "there is no KL term"),
    ],
)
def test_a_wrong_kl_term_is_named_without_being_reported(formula, named, few):
    finding = kl_formula(small_vae(), with_kl(formula), batch_of(few))
    assert finding.verdict == SUSPICIOUS and named in finding.sentence


def test_a_right_kl_term_needs_no_name(few):
    formula = lambda mu, lv: 0.5 * (mu.square() + lv.exp() - 1 - lv)  # noqa: E731
    findings = [probe(small_vae(), with_kl(formula, 3.0), batch_of(few)) for probe in (kl_at_prior, kl_formula)]
    assert [finding.verdict for finding in findings] == [FINE, FINE]
    assert "beta = 3.000" in kl_weight(small_vae(), with_kl(formula, 3.0), batch_of(few)).sentence


@pytest.mark.parametrize(
    ("factor", "named"), [(2.0, "1/2"), (1 / 4, "averaged over dimensions"), (16.0, "over the batch"), (1.7, "1.700")]
)
def test_a_reported_kl_must_be_the_kl(factor, named, few):
    def objective(model, batch, progress):
        terms = negative_elbo(model, batch, progress)
        return {"loss": terms["loss"], "kl": factor * terms["kl"]}

    finding = kl_formula(small_vae(), objective, batch_of(few))
    assert finding.verdict == SUSPICIOUS and named in finding.sentence


@pytest.mark.parametrize(("beta", "verdict"), [(0.5, FINE), (4.0, FINE), (784.0, SUSPICIOUS), (0.01, SUSPICIOUS)])
def test_beta_is_measured(beta, verdict, few):
    finding = kl_weight(small_vae(), partial(negative_elbo, beta=beta), batch_of(few))
    assert finding.verdict == verdict and f"{beta:#.4g}" in finding.sentence


@pytest.mark.parametrize(("std", "verdict"), [(0.1, FINE), (0.7, FINE), (20.0, SUSPICIOUS)])
def test_the_noise_that_a_squared_error_stands_for_is_measured(std, verdict, few):
    finding = kl_weight(small_vae(), partial(negative_elbo, likelihood=partial(gaussian, std=std)), batch_of(few))
    assert finding.verdict == verdict and f"{std:#.4g}" in finding.sentence


def test_a_learned_prior_and_several_samples_are_left_alone(few):
    recipe, _, model, batches = prepared("vae-flow-prior", few)
    batch = next(iter(batches))
    assert kl_formula(model, recipe.objective, batch).verdict == SKIPPED
    assert diagnose(small_vae(), importance_weighted, batch_of(few)).suspicious == ()


class SigmoidTwice(VAE):
    """Logits go through a sigmoid in the objective."""


def sigmoid_first(model, batch, progress):
    output = model(batch.x, batch.label)
    pixels = F.binary_cross_entropy_with_logits(output.logits.sigmoid(), batch.target, reduction="none")
    return {"loss": pixels.flatten(1).sum(1).mean() + kl_to_prior(output.mu, output.logvar).mean()}


def sigmoid_first_binarized(model, batch, progress):
    x = torch.bernoulli(batch.x)
    return sigmoid_first(model, Batch(x, x, batch.label), progress)


@pytest.mark.parametrize("objective", [sigmoid_first, sigmoid_first_binarized])
def test_a_sigmoid_in_the_objective_is_seen(objective, few):
    assert perfect_output(small_vae(), objective, batch_of(few)).verdict == SUSPICIOUS


def test_targets_below_zero_are_seen(few):
    batch = batch_of(few)
    signed = Batch(2 * batch.x - 1, 2 * batch.x - 1, batch.label)
    finding = perfect_output(small_vae(), negative_elbo, signed)
    assert finding.verdict == SUSPICIOUS and "negative pixels" in finding.sentence
    model = Autoencoder(dense_encoder((32, 8)), dense_decoder((8, 32)), 8)
    assert output_range(model, mean_squared_error, signed).verdict == SUSPICIOUS


class Silent(VAE):
    """z is mu."""

    def forward(self, x, label=None):
        output = super().forward(x, label)
        return output._replace(z=output.mu, logits=self.logits(output.mu))


class Shifted(VAE):
    """eps is forgotten: z = mu + std."""

    def forward(self, x, label=None):
        output = super().forward(x, label)
        return output._replace(z=output.mu + torch.exp(0.5 * output.logvar))


class Literal(VAE):
    """logvar is multiplied by eps as it is."""

    def forward(self, x, label=None):
        output = super().forward(x, label)
        return output._replace(z=output.mu + output.logvar * torch.randn_like(output.mu))


@pytest.mark.parametrize(
    ("kind", "named"), [(Silent, "z is mu"), (Shifted, "eps, is missing"), (Literal, "exp(logvar)")]
)
def test_a_wrong_draw_of_z_is_named(kind, named, few):
    finding = draw_of_z(small_vae(kind), negative_elbo, batch_of(few))
    assert finding.verdict == SUSPICIOUS and named in finding.sentence


class Detached(VAE):
    """The decoder is trained, the encoder by its KL term alone."""

    def logits(self, z, label=None):
        return self.decoder(z.detach())


def test_a_reconstruction_that_does_not_reach_the_encoder_is_seen(few):
    finding = gradient_everywhere(small_vae(Detached), negative_elbo, batch_of(few))
    assert finding.verdict == SUSPICIOUS and "does not reach the encoder" in finding.sentence


def test_a_parameter_without_gradient_is_named(few):
    model = Autoencoder(dense_encoder((32, 8)), dense_decoder((8, 32)), 8)
    model.spare = nn.Linear(2, 2)
    finding = gradient_everywhere(model, mean_squared_error, batch_of(few))
    assert finding.verdict == SUSPICIOUS and "spare.weight, spare.bias" in finding.sentence
    model.spare.requires_grad_(False)
    assert gradient_everywhere(model, mean_squared_error, batch_of(few)).verdict == FINE


def test_a_loss_without_any_gradient_is_seen(few):
    def objective(model, batch, progress):
        return {"loss": mean_squared_error(model, batch, progress)["loss"].detach()}

    model = Autoencoder(dense_encoder((32, 8)), dense_decoder((8, 32)), 8)
    assert "no gradient at all" in gradient_everywhere(model, objective, batch_of(few)).sentence
    assert one_batch_by_heart(model, objective, batch_of(few), steps=20).verdict == SUSPICIOUS


@pytest.mark.parametrize(("factor", "named"), [("all", "every term is a sum"), ("kl", "average over the batch once")])
def test_sums_over_the_batch_are_told_apart(factor, named, few):
    def objective(model, batch, progress):
        terms, count = negative_elbo(model, batch, progress), len(batch.x)
        if factor == "all":
            return {name: count * term for name, term in terms.items()}
        return {"loss": terms["reconstruction"] + count * terms["kl"], "kl": count * terms["kl"]}

    finding = batch_average(small_vae(), objective, batch_of(few))
    assert finding.verdict == SUSPICIOUS and named in finding.sentence


def test_the_mean_image_is_beaten_by_a_trained_model_only(few):
    def objective(model, batch, progress):
        return mean_squared_error(model, batch, progress)

    model = Autoencoder(dense_encoder((64, 16)), dense_decoder((16, 64)), 16)
    assert beats_the_mean_image(model, objective, batch_of(few)).verdict == SUSPICIOUS
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        objective(model, batch_of(few), 1.0)["loss"].backward()
        optimizer.step()
    assert beats_the_mean_image(model, objective, batch_of(few)).verdict == FINE


def test_dropout_that_stays_switched_on_is_seen(few):
    model = Autoencoder(nn.Sequential(*dense_encoder((32, 8)), nn.Dropout(0.5)), dense_decoder((8, 32)), 8)
    finding = evaluation_mode(model, lambda model: model(few["clean"].x))
    assert finding.verdict == SUSPICIOUS and "Dropout" in finding.sentence
    assert evaluation_mode(model, lambda model: model.eval()(few["clean"].x)).verdict == FINE


@pytest.mark.parametrize(
    ("bound", "named"),
    [
        (lambda log_w: log_w.mean(1), "the ELBO again"),
        (lambda log_w: log_w.logsumexp(1), "take off log K"),
        (lambda log_w: log_w.max(1).values, "whose logarithm is 0.693"),
        (lambda log_w: log_w.exp().mean(1).log(), "use torch.logsumexp"),
    ],
)
def test_a_wrong_bound_is_named(bound, named):
    assert named in average_of_weights(bound).sentence


def test_a_forgotten_detach_is_seen(few):
    _, step, _, batches = prepared("gan", few)
    z, real = torch.randn(16, step.generator.latent_dim), next(iter(batches)).x
    forgotten = (
        lambda generator, discriminator, real: generator_loss(discriminator(generator(z))),
        lambda generator, discriminator, real: discriminator_loss(discriminator(real), discriminator(generator(z))),
    )
    finding = gan_gradients(step.generator, step.discriminator, *forgotten, real)
    assert finding.verdict == SUSPICIOUS and "reaches the generator" in finding.sentence
    step.update_generator = lambda fake: torch.tensor(0.0)
    finding = both_networks_move(step, next(iter(batches)))
    assert finding.verdict == SUSPICIOUS and "leaves the generator" in finding.sentence


def test_a_loader_of_pytorch_is_understood(train):
    data = torch.utils.data.TensorDataset(train.x[:40], train.label[:40])
    loader = partial(torch.utils.data.DataLoader, data, batch_size=10)
    assert order_changes(loader(shuffle=True)).verdict == FINE
    assert order_changes(loader(shuffle=False)).verdict == SUSPICIOUS
    assert order_changes(Batches(train[:2], 1)).verdict == SKIPPED
    assert no_batch_of_one(nn.BatchNorm1d(3), loader(batch_size=13)).verdict == SUSPICIOUS
    assert no_batch_of_one(nn.BatchNorm1d(3), loader(batch_size=13, drop_last=True)).verdict == FINE
    assert no_batch_of_one(nn.Linear(3, 3), loader(batch_size=13)).verdict == SKIPPED


def test_test_data_that_stay_out_are_fine(train, test):
    assert leak_of_test_data(lambda train, test: (train - train.mean(0), test), train.x, test.x).verdict == FINE
    leak = leak_of_test_data(lambda train, test: (train / test.max(), test), train.x, test.x.clamp(max=0.5))
    assert leak.verdict == SUSPICIOUS


# --- what is no model or objective of this kind ----------------------------------------------------------------------


def test_too_few_images_and_other_objectives_are_refused(few):
    model = small_vae()
    with pytest.raises(InvalidInput, match="two or more images"):
        diagnose(model, negative_elbo, batch_of(few, 1))
    with pytest.raises(InvalidInput, match='a scalar "loss"'):
        diagnose(model, lambda model, batch, progress: model(batch.x).mu.sum(), batch_of(few))
    with pytest.raises(InvalidInput, match='a scalar "loss"'):
        diagnose(model, lambda model, batch, progress: {"loss": model(batch.x).mu}, batch_of(few))


def test_a_model_that_cannot_be_copied_is_refused(few):
    model = small_vae()
    model.kept = model.encoder[1].weight * 2
    with pytest.raises(InvalidInput, match="expected a model that copy"):
        diagnose(model, negative_elbo, batch_of(few))


def test_a_model_that_returns_a_tensor_is_measured_as_far_as_it_goes(few):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(dense_encoder((32, 8)), dense_decoder((8, 32)))

        def forward(self, x, label=None):
            return self.body(x)

    findings = diagnose(Plain(), lambda m, b, p: {"loss": F.mse_loss(m(b.x), b.target)}, batch_of(few))
    verdicts = {finding.probe: finding.verdict for finding in findings}
    assert findings.suspicious == () and verdicts["gradient everywhere"] == verdicts["one batch by heart"] == FINE
    assert verdicts["output shape"] == SKIPPED


def test_a_model_without_labels_is_not_asked_to_use_them(few):
    assert label_matters(small_vae(), negative_elbo, batch_of(few)).verdict == SKIPPED


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_diagnosis_is_a_table():
    found = Diagnosis([Finding("output shape", FINE, "short"), Finding("draw of z", SUSPICIOUS, "word " * 40)])
    lines = repr(found).splitlines()
    assert lines[0] == "output shape  fine        short" and lines[1].startswith("draw of z     suspicious  word")
    assert len(lines) > 2 and all(line.startswith(" " * 26 + "word") for line in lines[2:])
    assert found.suspicious == (found[1],) and str(found[0]) == "output shape: fine: short"


def test_every_probe_has_a_name_and_says_what_it_measures():
    names = [probe.__name__ for probe in PROBES]
    assert len(set(names)) == len(names) == 11 and all(probe.__doc__ for probe in PROBES)


def test_every_exhibit_and_every_probe_stands_in_the_table():
    found = table()
    assert list(found.index) == [exhibit.name for exhibit in EXHIBITS] and set(found.to_numpy().flat) == {
        "caught",
        "fine",
        "",
    }
    assert (found == "caught").any(axis=1).all() and (found == "caught").any(axis=0).all()
    assert len(found.columns) == len(PROBES) + 7


def test_the_report_is_what_the_command_writes():
    without_decimals = partial(re.sub, r"\d*\.\d+", "0.0")
    assert without_decimals(REPORT.read_text(encoding="utf-8")) == without_decimals(report())
