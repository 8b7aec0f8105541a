"""The conditional VAE: its layers are conditioned on the label, an auxiliary classifier reads its samples."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.__main__ import main
from ae_utils.data.dataset import Batches
from ae_utils.errors import InvalidInput
from ae_utils.losses.vae import negative_elbo
from ae_utils.metrics.classifier import classify_with, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, conditional_accuracy, draw
from ae_utils.networks.conditional import (
    ConcatLabel,
    Conditional,
    ConditionalLinear,
    ConditionalSequential,
    require_label,
)
from ae_utils.recipes import conditional
from ae_utils.recipes.conditional import auxiliary_classifier, same_code_ten_labels, samples_by_label
from ae_utils.recipes.registry import RECIPES
from ae_utils.training.auxiliary_classifier import AuxiliaryClassifierStep
from ae_utils.training.loop import fit
from ae_utils.training.schedules import linear_decay


def step_of(name, seed=0):
    torch.manual_seed(seed)
    return RECIPES[name].step(RECIPES[name], RECIPES[name].build())


def weights(module):
    return torch.cat([parameter.detach().flatten().clone() for parameter in module.parameters()])


@pytest.fixture
def batch(train):
    return next(iter(Batches(train, 64)))


def test_a_conditional_linear_layer_is_batchnorm_times_scale_plus_shift_of_the_label_then_silu():
    torch.manual_seed(0)
    layer, x, label = ConditionalLinear(6, 4), torch.randn(20, 6), torch.arange(20) % 10
    nn.init.normal_(layer.scale.weight)
    nn.init.normal_(layer.shift.weight)
    normed = F.batch_norm(x @ layer.main[0].weight.T, None, None, training=True)
    expected = F.silu(normed * layer.scale.weight[label] + layer.shift.weight[label])
    assert torch.allclose(layer(x, label), expected, atol=1e-6)


def test_a_conditional_linear_layer_starts_with_the_same_scale_1_and_shift_0_for_every_label():
    layer, x = ConditionalLinear(6, 4), torch.randn(20, 6)
    expected = F.silu(F.batch_norm(x @ layer.main[0].weight.T, None, None, training=True))
    for digit in (0, 9):
        assert torch.allclose(layer(x, torch.full((20,), digit)), expected, atol=1e-6)


def test_a_conditional_sequential_passes_the_label_to_its_conditional_layers_only():
    class Adds(Conditional):
        def forward(self, x, label):
            return x + label[:, None]

    class Doubles(nn.Module):
        def forward(self, *given):
            (x,) = given  # and no label
            return 2 * x

    layers = ConditionalSequential(Adds(), Doubles(), Adds(), Doubles())
    x, label = torch.randn(3, 5), torch.tensor([1, 0, 7])
    assert torch.equal(layers(x, label), 2 * (2 * (x + label[:, None]) + label[:, None]))


def test_the_one_hot_label_follows_the_features():
    x, label = torch.randn(3, 4), torch.tensor([2, 0, 9])
    assert torch.equal(ConcatLabel()(x, label), torch.cat((x, torch.eye(10)[label]), 1))


def test_labels_that_are_digits_pass_as_they_are():
    label = torch.tensor([3, 0, 9])
    assert require_label(label, 3) is label
    assert require_label(label[:0], 0).shape == (0,)


@pytest.mark.parametrize(
    "wrong",
    [
        *(torch.tensor([3]), torch.tensor([[3, 4]]), torch.tensor([3, 10]), torch.tensor([-1, 3])),
        *(torch.tensor([3, 4], dtype=dtype) for dtype in (torch.int32, torch.uint8, torch.float32)),
    ],
    ids=lambda wrong: f"{wrong.tolist()} {wrong.dtype}",
)
@pytest.mark.parametrize("call", ["forward", "posterior", "encode", "logits", "decode"])
def test_a_cvae_refuses_what_are_no_labels_by_name_too(call, wrong, test):
    model = RECIPES["cvae"].build().eval()
    images = test.x[:2] if call in ("forward", "posterior", "encode") else torch.zeros(2, model.latent_dim)
    name = "x" if call in ("forward", "posterior", "encode") else "z"
    for positional, named in (((images, wrong), {}), ((), {"label": wrong, name: images})):
        with pytest.raises(InvalidInput, match="expected 2 labels 0–9 as int64, but got"):
            getattr(model, call)(*positional, **named)
    with pytest.raises(InvalidInput, match="this model is conditional: give it a label"):
        getattr(model, call)(images)


def test_only_the_labels_of_a_batch_learn():
    layer = ConditionalLinear(6, 4)
    layer(torch.randn(4, 6), torch.tensor([2, 2, 7, 7])).square().sum().backward()
    assert layer.shift.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [2, 7]


def test_a_classification_term_of_no_weight_changes_nothing(batch):
    plain, auxiliary = step_of("cvae"), step_of("cvae")
    for step, train in ((plain, super(type(plain), plain).train), (auxiliary, auxiliary.train)):
        step.weight = 0.0
        torch.manual_seed(1)
        train(batch, 0.5)
    assert torch.equal(weights(plain.model), weights(auxiliary.model))


def test_each_update_leaves_the_other_alone(batch):
    step = step_of("cvae")
    model, classifier = weights(step.model), weights(step.classifier)
    super(type(step), step).train(batch, 0.5)
    assert not torch.equal(weights(step.model), model) and torch.equal(weights(step.classifier), classifier)
    step.train(batch, 0.5)
    assert not torch.equal(weights(step.classifier), classifier)


def test_the_schedule_scales_the_rate_of_each_group_of_both_optimizers(batch):
    networks = RECIPES["cvae"].build(), auxiliary_classifier()
    parts = (networks[0].encoder, networks[0].decoder), (networks[1][:-1], networks[1][-1])
    rates = (0.004, 0.002), (0.01, 0.03)
    optimizers = (
        torch.optim.SGD([{"params": part.parameters(), "lr": rate} for part, rate in zip(*both, strict=True)])
        for both in zip(parts, rates, strict=True)
    )
    step = AuxiliaryClassifierStep(*networks, negative_elbo, *optimizers, schedule=linear_decay)
    for progress, factor in ((0.75, 0.5), (0.9, 0.2), (0.0, 1.0)):
        step.train(batch, progress)
        for optimizer, expected in zip((step.optimizer, step.classifier_optimizer), rates, strict=True):
            found = [group["lr"] for group in optimizer.param_groups]
            assert found == pytest.approx([factor * rate for rate in expected])


def test_classification_is_how_well_the_classifier_reads_the_labels_off_samples(batch):
    step = step_of("cvae")
    step.classifier.forward = lambda x: torch.zeros(len(x), 10)  # all digits equally probable
    terms = step.evaluate(batch)
    assert terms["classification"].item() == pytest.approx(torch.tensor(10.0).log().item())
    assert (terms["loss"] - terms["reconstruction"] - 2.5 * terms["kl"]).item() == pytest.approx(
        step.weight * terms["classification"].item(), abs=1e-3
    )


def test_a_few_seconds_of_training_raise_the_conditional_accuracy(train):
    step, label = step_of("cvae"), all_digits(500)
    fit(step, Batches(train, 64, shuffle=True), epochs=4, seed=0)
    classify = classify_with(pretrained_classifier())
    assert conditional_accuracy(classify, draw(step.model, label), label) > 0.3  # chance is .1


@pytest.mark.parametrize("figure", [samples_by_label, same_code_ten_labels])
def test_figures_show_eight_rows_of_ten(figure, test):
    model = RECIPES["cvae"].build()
    assert figure(model, test, "untrained").axes[0].images[0].get_array().shape == (8 * 28, 10 * 28)


def test_the_report_has_both_classifiers_and_the_error(train, test, monkeypatch):
    monkeypatch.setattr(conditional, "mnist", lambda split: train)
    monkeypatch.setattr(conditional, "classifiers", conditional.classifiers.__wrapped__)
    report = conditional.conditional_quality(RECIPES["cvae"].build(), test)
    accuracies = {"sampled_classifier", "sampled_nearest_neighbours", "other_label_classifier"}
    assert accuracies | {"sampled_within_class_std", "mse"} <= set(report)
    assert all(value >= 0 for value in report.values())


@pytest.mark.parametrize("arguments", [("cvae", "--label", "7"), ("cvae",), ("vae",)])
def test_a_class_is_drawn_at_inference_time(arguments, short_run, tmp_path):
    name, *options = arguments
    assert main(["sample", str(short_run(name)), "--count", "12", "--out", str(tmp_path / "new.png"), *options]) == 0
    assert (tmp_path / "new.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cvae", "--label", "10"), "'--label': 10 is not in the range 0<=x<=9."),
        (("cvae", "--label", "-1"), "'--label': -1 is not in the range 0<=x<=9."),
        (("vae", "--label", "7"), "vae is not conditional"),
        (("linear-3d",), "linear-3d has no prior"),
        ((None,), "does not exist"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence_and_no_file(arguments, sentence, short_run, tmp_path, capsys):
    name, *options = arguments
    folder = short_run(name) if name else tmp_path / "nowhere"
    assert main(["sample", str(folder), "--out", str(tmp_path / "new.png"), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "choices"), [("cvae", 10), ("vae", 0), ("gan", 0)])
def test_a_page_has_a_button_for_each_label_of_a_conditional_model(name, choices, short_run, tmp_path):
    assert main(["explore", str(short_run(name)), "--html", str(tmp_path / "page.html")]) == 0
    assert f'"choices": {list(range(choices))}' in (tmp_path / "page.html").read_text()


def test_a_classifier_has_nothing_to_explore(short_run, tmp_path, capsys):
    assert main(["explore", str(short_run("digit-classifier")), "--html", str(tmp_path / "page.html")]) == 2
    assert "digit-classifier has no decoder" in capsys.readouterr().err
