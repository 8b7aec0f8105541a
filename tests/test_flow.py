"""Latent flow matching: the objective, the integration, guidance, and the step with averaged weights."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from ae_utils.__main__ import main
from ae_utils.data.dataset import Batch, Batches, Codes
from ae_utils.errors import InvalidInput
from ae_utils.losses.flow import flow_matching
from ae_utils.metrics.samples import precision_and_recall
from ae_utils.models import LatentFlow
from ae_utils.networks.velocity import NO_LABEL, VelocityNetwork
from ae_utils.recipes.flow import latent_flow, load_autoencoder, standardized_codes
from ae_utils.recipes.registry import get
from ae_utils.runs.run import Run
from ae_utils.training.averaged import AveragedStep
from ae_utils.training.loop import fit
from ae_utils.training.schedules import cosine
from ae_utils.training.step import GradientStep, adam


class Field(nn.Module):
    """A velocity that a function of (z, t, label) gives, and what it was asked."""

    def __init__(self, function):
        super().__init__()
        self.function, self.labels = function, []

    def forward(self, z_t, t, label):
        self.labels.append(label)
        return self.function(z_t, t[:, None], label[:, None])


class Autoencoder(nn.Module):
    """A stand-in whose codes are its images' first numbers."""

    latent_dim = 3

    def decode(self, z, label=None):
        return z


def batch_of(x):
    return Batch(x, x, torch.arange(len(x)) % 10)


def test_the_velocity_of_a_straight_line_has_no_loss():
    """All codes are c: the only velocity that leads there is (c - z_t) / (1 - t)."""
    c = torch.tensor([1.0, -2.0, 0.5])
    model = Field(lambda z, t, label: (c - z) / (1 - t))
    torch.manual_seed(0)
    assert flow_matching(model, batch_of(c.expand(500, 3)), 0.0)["loss"] < 1e-6


def test_the_loss_is_summed_over_dimensions_and_averaged_over_the_batch():
    """Velocity 0 against x - noise, whose squared norm is on average |x|² + dimensions."""
    torch.manual_seed(0)
    x = torch.full((20_000, 3), 2.0)
    loss = flow_matching(Field(lambda z, t, label: 0 * z), batch_of(x), 0.0)["loss"]
    assert loss == pytest.approx(3 * 4 + 3, rel=0.02)


@pytest.mark.parametrize("dropout", [0.0, 0.1, 1.0])
def test_a_fraction_of_the_labels_is_dropped(dropout):
    torch.manual_seed(0)
    model, batch = Field(lambda z, t, label: 0 * z), batch_of(torch.zeros(20_000, 3))
    flow_matching(model, batch, 0.0, label_dropout=dropout)
    (label,) = model.labels
    assert float((label == NO_LABEL).double().mean()) == pytest.approx(dropout, abs=0.01)
    assert torch.equal(label[label != NO_LABEL], batch.label[label != NO_LABEL])


def test_heun_s_method_has_an_error_of_second_order():
    """dz/dt = z + t from z(0) = 1 gives z(1) = 2e - 2."""
    exact, errors = 2 * torch.e - 2, []
    for steps in (10, 20, 40):
        flow = LatentFlow(Autoencoder(), Field(lambda z, t, label: z + t), steps=steps)
        errors.append(float((flow.integrate(torch.ones(1, 3)) - exact).abs().max()))
    assert 3.5 < errors[0] / errors[1] < 4.5 and 3.5 < errors[1] / errors[2] < 4.5


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_guidance_extrapolates_from_the_velocity_without_label(guidance):
    flow = LatentFlow(Autoencoder(), Field(lambda z, t, label: 0 * z + label), steps=1, guidance=guidance)
    moved = flow.integrate(torch.zeros(2, 3), torch.tensor([3, 7]))
    assert torch.allclose(moved[:, 0], NO_LABEL + guidance * (torch.tensor([3.0, 7.0]) - NO_LABEL))
    assert torch.allclose(flow.integrate(torch.zeros(2, 3)), torch.full((2, 3), float(NO_LABEL)))


def test_labels_that_are_none_are_refused():
    flow = LatentFlow(Autoencoder(), Field(lambda z, t, label: z))
    with pytest.raises(InvalidInput, match="labels 0–9"):
        flow.decode(torch.zeros(2, 3), torch.tensor([3, 10]))


def test_the_velocity_depends_on_code_time_and_label():
    torch.manual_seed(0)
    network, z = VelocityNetwork(3, 16, 2), torch.randn(4, 3)
    t, label = torch.full((4,), 0.3), torch.full((4,), 5)
    base = network(z, t, label)
    assert base.shape == (4, 3)
    for other in (network(z + 1, t, label), network(z, t + 0.2, label), network(z, t, label - 5)):
        assert not torch.allclose(base, other)


def test_codes_are_standardized_and_come_back(train):
    model = latent_flow(64, 16, 1)
    load_autoencoder(model, train)
    x = standardized_codes(model, train).x
    assert torch.allclose(x.mean(0), torch.zeros(64), atol=1e-4) and torch.allclose(x.std(0), torch.ones(64), atol=1e-4)
    x_hat = model.autoencoder.decode(x * model.std + model.mean)
    assert float((x_hat - train.x).square().mean()) < 0.003


def test_training_leaves_the_autoencoder_alone(train):
    model = latent_flow(64, 16, 1)
    load_autoencoder(model, train)
    frozen = copy.deepcopy(model.autoencoder.state_dict())
    optimizer = adam([weight for weight in model.parameters() if weight.requires_grad])
    step = AveragedStep(GradientStep(model, flow_matching, optimizer))
    fit(step, Batches(standardized_codes(model, train), 100), epochs=1, seed=0)
    for trained in (model, step.model):
        assert all(torch.equal(value, frozen[name]) for name, value in trained.autoencoder.state_dict().items())
    assert not model.autoencoder.training


def averaged_step():
    torch.manual_seed(0)
    model = LatentFlow(Autoencoder(), VelocityNetwork(3, 8, 1))
    return AveragedStep(GradientStep(model, flow_matching, adam(model.parameters(), lr=0.01)), ema_decay=0.5)


def codes():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    return Batches(Codes(x, x, torch.arange(60) % 10), 20)


def test_the_average_follows_its_formula():
    step, seen = averaged_step(), []

    def note(state):
        seen.append(step.step.model.velocity.code.bias.detach().clone())

    fit(step, codes(), epochs=1, seed=0, on_batch_end=[note])
    expected = seen[0]  # the average begins with the first weights
    for number, weights in enumerate(seen[1:], 1):
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weights
    assert torch.allclose(step.model.velocity.code.bias, expected, atol=1e-6)


def test_a_resumed_averaged_training_has_the_same_bits():
    whole, first, second = averaged_step(), averaged_step(), averaged_step()
    fit(whole, codes(), epochs=3, seed=0)
    history = fit(first, codes(), epochs=2, seed=0)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    fit(second, codes(), epochs=3, seed=0, history=history)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True))
    assert whole.evaluate(next(iter(codes()))).keys() == {"loss"}


def test_the_cosine_falls_from_one_to_zero():
    assert [cosine(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])


def test_precision_and_recall_know_missing_and_foreign_samples():
    generator = torch.Generator().manual_seed(0)
    near, far = (center + 0.1 * torch.randn(300, 2, generator=generator) for center in (0.0, 50.0))
    both = torch.cat([near, far])
    assert precision_and_recall(both, both) == (1.0, 1.0)
    precision, recall = precision_and_recall(near, both)
    assert precision == 1.0 and recall == pytest.approx(0.5, abs=0.05)  # one of two kinds is missing
    precision, recall = precision_and_recall(both, near)
    assert precision == pytest.approx(0.5, abs=0.05) and recall == 1.0  # half of the samples are foreign
    assert precision_and_recall(near, far) == (0.0, 0.0)
    with pytest.raises(InvalidInput, match="more than 3 features"):
        precision_and_recall(near[:3], far)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "latent-flow"
    recipe = dataclasses.replace(get("latent-flow"), evaluate=lambda model, test: {}, figures=())
    Run(recipe, folder, epochs=1, images=300).train()
    return folder


def test_it_samples_from_the_command_line(run, tmp_path, capsys):
    for options in ((), ("--label", "7", "--guidance", "1.5", "--steps", "3")):
        out = tmp_path / f"{len(options)}.png"
        assert main(["sample", str(run), "--count", "4", "--out", str(out), *options]) == 0
        assert out.stat().st_size > 500
    assert "4 new digits" in capsys.readouterr().out


def test_guidance_is_refused_for_other_models(short_run, tmp_path, capsys):
    assert main(["sample", str(short_run("vae")), "--guidance", "2", "--out", str(tmp_path / "x.png")]) == 2
    assert "vae is no latent flow" in capsys.readouterr().err
