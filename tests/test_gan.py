"""GANs: each network learns from its own loss, and leaves the other one alone."""

import math

import pytest
import torch
from torch import nn

from ae_utils.data.dataset import Batch, Batches
from ae_utils.losses.gan import discriminator_loss, generator_loss, gradient_penalty
from ae_utils.metrics.classifier import class_probabilities, pretrained_classifier
from ae_utils.metrics.samples import (
    classes_reached,
    confident_fraction,
    label_entropy,
    label_fractions,
    nearest_distance,
)
from ae_utils.models import Discriminator, Generator
from ae_utils.networks.mixture import MixtureComponent
from ae_utils.recipes.registry import RECIPES
from ae_utils.training.gan import AdversarialStep
from ae_utils.training.loop import History, fit
from ae_utils.training.schedules import linear_decay
from ae_utils.training.step import Diverged
from ae_utils.widgets.live import LivePlot


@pytest.fixture(params=["gan", "gan-conv", "gan-mixture"])
def recipe(request):
    return RECIPES[request.param]


@pytest.fixture
def step(recipe):
    torch.manual_seed(0)
    return recipe.step(recipe, recipe.build())


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_a_component_is_the_place_of_the_largest_of_the_first_numbers():
    z = torch.tensor([[0.1, 0.7, -2.0, 9.0], [-1.0, -3.0, -0.5, 9.0]])
    expected = torch.tensor([[0.1, 0.7, -2.0, 9.0, 0.0, 5.0, 0.0], [-1.0, -3.0, -0.5, 9.0, 0.0, 0.0, 5.0]])
    assert torch.equal(MixtureComponent(3, scale=5.0)(z), expected)


def test_all_components_are_equally_probable():
    torch.manual_seed(0)
    components = MixtureComponent(16, scale=1.0)(torch.randn(40_000, 64))[:, 64:]
    assert torch.equal(components.sum(1), torch.ones(40_000))
    assert components.mean(0).tolist() == pytest.approx([1 / 16] * 16, abs=0.005)  # four standard errors


def test_a_generator_with_components_jumps_from_one_to_the_next():
    generator = RECIPES["gan-mixture"].build().eval()
    z = torch.zeros(3, 64)
    z[:, 0], z[:, 1] = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.9998, 0.9999, 1.0001])
    with torch.no_grad():
        before, at, after = generator(z)
    assert (after - at).abs().max() > 100 * (at - before).abs().max()


def test_losses_are_cross_entropies():
    real, fake = torch.randn(20), torch.randn(20)
    entropy = nn.BCEWithLogitsLoss()
    expected = entropy(real, torch.ones(20)) + entropy(fake, torch.zeros(20))
    assert discriminator_loss(real, fake) == pytest.approx(expected.item(), rel=1e-6)
    assert generator_loss(fake) == pytest.approx(entropy(fake, torch.ones(20)).item(), rel=1e-6)
    assert discriminator_loss(torch.zeros(5), torch.zeros(5)) == pytest.approx(2 * math.log(2))


def test_the_generators_gradient_is_largest_where_its_fakes_are_bad():
    logit = torch.tensor([-8.0], requires_grad=True)
    generator_loss(logit).backward()
    saturating = torch.sigmoid(logit.detach())  # |d log(1 - D) / d logit|
    assert abs(logit.grad) > 0.99 > 100 * saturating


def test_gradient_penalty_is_the_squared_norm_of_the_gradient():
    x = torch.rand(6, 1, 28, 28, requires_grad=True)
    gradient = torch.randn(28 * 28)
    penalty = gradient_penalty(x.flatten(1) @ gradient, x)
    assert penalty.item() == pytest.approx(gradient.square().sum().item(), rel=1e-5)


def test_each_update_leaves_the_other_network_alone(step, train):
    z = torch.randn(32, 64)
    generator, discriminator = weights(step.generator), weights(step.discriminator)
    step.update_discriminator(train.x[:32], step.generator(z).detach())
    assert torch.equal(weights(step.generator), generator)
    assert not torch.equal(weights(step.discriminator), discriminator)
    discriminator = weights(step.discriminator)
    step.update_generator(step.generator(z))
    assert torch.equal(weights(step.discriminator), discriminator)
    assert not torch.equal(weights(step.generator), generator)


def test_both_losses_go_through_the_same_loop(step, train, test):
    history = fit(step, Batches(train[:320], 32), Batches(test, 100), epochs=2, seed=0).frame()
    assert list(history.columns) == ["epoch", "split", "discriminator_loss", "generator_loss"]
    assert history.notna().all().all()


def test_a_live_plot_shows_both_losses(step, train, monkeypatch):
    monkeypatch.setattr("ae_utils.widgets.live.display", lambda *_, **__: None)
    live = LivePlot(every=1000)
    fit(step, Batches(train[:64], 32), epochs=1, seed=0, **live.hooks)
    assert [axis.get_ylabel() for axis in live.figure.axes] == ["discriminator loss", "generator loss"]
    assert live.figure.get_suptitle() == "1 epoch"


def test_the_model_has_the_average_of_the_generators_weights(step, train):
    seen = []

    def remember(state):
        seen.append(weights(step.generator))

    fit(step, Batches(train[:96], 32), epochs=1, seed=0, on_batch_end=(remember,))
    average = seen[0]
    for later in seen[1:]:
        average = 0.999 * average + 0.001 * later
    assert torch.allclose(weights(step.model), average, atol=1e-6)


def test_statistics_belong_to_the_averaged_weights(step, train):
    """Fresh codes give the same images with the batch's own statistics as with the stored ones."""
    fit(step, Batches(train[:640], 32), epochs=1, seed=0)
    z = torch.randn(2000, 64)
    with torch.no_grad():
        stored = step.model(z)
        own = step.model.train()(z)
    step.model.eval()
    assert (stored - own).abs().mean() < 0.01


def test_stopped_and_resumed_gives_the_bits_of_never_stopped(recipe, step, train):
    kept = {}

    def keep(state):
        if state.epoch == 0:
            kept.update(torch.load(_saved(step.state_dict()), weights_only=True), rows=list(state.history.rows))

    fit(step, Batches(train[:320], 32, shuffle=True), epochs=2, seed=0, on_epoch_end=(keep,))
    resumed = recipe.step(recipe, recipe.build())
    rows = kept.pop("rows")
    resumed.load_state_dict(kept)
    fit(resumed, Batches(train[:320], 32, shuffle=True), epochs=2, seed=0, history=History(rows))
    for network in ("generator", "discriminator", "model"):
        assert torch.equal(weights(getattr(resumed, network)), weights(getattr(step, network)))


def _saved(content):
    import io

    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return file


def test_divergence_stops_with_a_sentence(step, train):
    with torch.no_grad():
        next(step.generator.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged, match=r"the discriminator's loss became nan in epoch 1, batch 1; try a lower"):
        fit(step, Batches(train[:64], 32), epochs=1, seed=0)


def test_real_digits_cover_all_classes_clearly(test):
    probabilities = class_probabilities(pretrained_classifier(), test.x)
    assert classes_reached(probabilities) == 10
    assert 2.25 < label_entropy(probabilities) < math.log(10)
    assert confident_fraction(probabilities) > 0.9
    assert label_fractions(probabilities).sum() == pytest.approx(1)


def test_a_collapsed_generator_is_seen(test):
    probabilities = class_probabilities(pretrained_classifier(), test.x[:1].expand(100, -1, -1, -1))
    assert classes_reached(probabilities) == 1
    assert label_entropy(probabilities) == 0


def test_nearest_distance_finds_copies(train, test):
    assert nearest_distance(train.x[:5], train.x).max() == 0
    expected = (test.x[0] - train.x).square().flatten(1).sum(1).sqrt().min()
    assert nearest_distance(test.x[:1], train.x).item() == pytest.approx(expected.item(), rel=1e-4)


def linear_step(schedule=None, **options):
    """Two linear networks and plain gradient descent, .01 for the generator and .001 for the discriminator."""
    torch.manual_seed(0)
    generator = Generator(nn.Sequential(nn.Linear(2, 784), nn.Unflatten(1, (1, 28, 28))), 2)
    discriminator = Discriminator(nn.Sequential(nn.Flatten(), nn.Linear(784, 1)))
    optimizers = (torch.optim.SGD(one.parameters(), lr=lr) for one, lr in ((generator, 0.01), (discriminator, 0.001)))
    return AdversarialStep(
        generator, discriminator, *optimizers, **({"schedule": schedule} if schedule else {}), **options
    )


@pytest.fixture
def batch(train):
    return Batch(train.x[:8], train.x[:8], train.label[:8])


@pytest.mark.parametrize(("steps", "times"), [(0, 1), (1, 0), (8, 0), (15, 0), (16, 1), (32, 1)])
def test_the_default_penalty_has_gamma_of_a_fifth_on_every_sixteenth_step(steps, times):
    """R1 with γ = .2, counted 16 times: the gradient of γ / 2 · |weight|² is γ · weight."""
    step = linear_step()
    step.steps, weight, (real, fake) = steps, step.discriminator.body[1].weight, torch.rand(2, 6, 1, 28, 28)
    before = weight.detach().clone()
    (gradient,) = torch.autograd.grad(discriminator_loss(step.discriminator(real), step.discriminator(fake)), weight)
    step.update_discriminator(real, fake)
    assert torch.allclose(weight, before - 0.001 * (gradient + times * 16 * 0.2 * before), atol=1e-8)


def test_the_schedule_scales_both_learning_rates(batch):
    step = linear_step(linear_decay)
    for progress, factor in ((0.75, 0.5), (0.0, 1.0)):
        step.train(batch, progress)
        rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in step.optimizers.items()}
        assert rates == pytest.approx({"generator": 0.01 * factor, "discriminator": 0.001 * factor})


def test_the_schedule_scales_the_rate_of_each_group_of_both_optimizers(batch):
    step, rates = linear_step(), {"generator": (0.01, 0.02), "discriminator": (0.001, 0.004)}
    optimizers = {}
    for name, of_groups in rates.items():
        parameters = getattr(step, name).parameters()  # a weight and a bias
        groups = [{"params": [one], "lr": rate} for one, rate in zip(parameters, of_groups, strict=True)]
        optimizers[name] = torch.optim.SGD(groups)
    step = AdversarialStep(step.generator, step.discriminator, *optimizers.values(), schedule=linear_decay)
    for progress, factor in ((0.75, 0.5), (0.9, 0.2), (0.0, 1.0)):
        step.train(batch, progress)
        for name, optimizer in optimizers.items():
            found = [group["lr"] for group in optimizer.param_groups]
            assert found == pytest.approx([factor * rate for rate in rates[name]])


def test_both_train_in_training_mode_after_an_evaluation_too(step, train):
    given, modes = Batch(train.x[:32], train.x[:32], train.label[:32]), []
    step.evaluate(given)
    for network in (step.generator, step.discriminator):
        network.register_forward_hook(lambda network, *_: modes.append(network.training))
        network.eval()
    step.train(given, 0.5)
    assert modes == [True] * 4, "one batch drawn; real, fake, and fake once more"


def test_the_model_is_never_the_generator_that_trains(step, train):
    given = Batch(train.x[:32], train.x[:32], train.label[:32])
    for _ in range(3):
        assert step.model is not step.generator and not step.model.training
        step.train(given, 0.5)


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_the_model_after_loading_is_what_was_loaded(trained, batch):
    step, other = linear_step(), linear_step()
    nn.init.ones_(step.averaged.module.decoder[0].weight)
    for one in (step, other):
        for _ in range(trained):
            one.train(batch, 0.5)
    assert not torch.equal(weights(step.model), weights(other.model))
    other.load_state_dict(step.state_dict())
    assert torch.equal(weights(step.model), weights(other.model))


def test_training_leaves_no_graph_and_no_gradients_behind(batch):
    step = linear_step()
    terms = step.train(batch, 0.5)
    assert not any(term.requires_grad for term in terms.values()) and not batch.x.requires_grad


def test_the_generators_update_gives_the_discriminator_no_gradients():
    step = linear_step()
    step.update_generator(step.generator(torch.randn(8, 2)))
    assert all(parameter.grad is None for parameter in step.discriminator.parameters())


def test_an_evaluation_is_of_the_averaged_generators_fakes(batch):
    step = linear_step()
    step.train(batch, 0.5)
    nn.init.constant_(step.averaged.module.decoder[0].bias, 0.3)
    step.steps += 1  # so that the average is looked at again
    torch.manual_seed(1)
    terms = step.evaluate(batch)
    torch.manual_seed(1)
    with torch.no_grad():
        real, fake = step.discriminator(batch.x), step.discriminator(step.averaged.module(torch.randn(8, 2)))
    assert terms == {"discriminator_loss": discriminator_loss(real, fake), "generator_loss": generator_loss(fake)}
