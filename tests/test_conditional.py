"""The conditional VAE: every layer hears the label, a helper reads what it draws, a class is drawn when asked for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.__main__ import main
from ae_utils.data.images import Batches
from ae_utils.metrics.obedience import all_digits, classifier, draw, obedience
from ae_utils.models import one_hot
from ae_utils.networks import Conditional
from ae_utils.recipes import conditional
from ae_utils.recipes.catalogue import RECIPES
from ae_utils.recipes.conditional import digits_asked_for, same_code_ten_labels
from ae_utils.recipes.trained import trained
from ae_utils.training import fit


def step_of(name, seed=0):
    torch.manual_seed(seed)
    return RECIPES[name].step(RECIPES[name], RECIPES[name].build())


def weights(module):
    return torch.cat([parameter.detach().flatten().clone() for parameter in module.parameters()])


@pytest.fixture
def batch(train):
    return next(iter(Batches(train, 64)))


def test_a_label_chooses_the_scale_and_the_shift_after_the_norm():
    torch.manual_seed(0)
    layer, x, label = Conditional(6, 4), torch.randn(20, 6), torch.arange(20) % 10
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    normed = F.batch_norm(x @ layer.main[0].weight.T, None, None, training=True)
    expected = F.silu(normed * F.embedding(label, layer.scale) + F.embedding(label, layer.shift))
    given = layer(torch.cat((x, one_hot(label, 20)), 1))
    assert torch.allclose(given[:, :4], expected, atol=1e-6)
    assert torch.equal(given[:, 4:], one_hot(label, 20))


def test_only_the_labels_of_a_batch_learn():
    layer = Conditional(6, 4, pass_on=False)
    label = torch.tensor([2, 2, 7, 7])
    layer(torch.cat((torch.randn(4, 6), one_hot(label, 4)), 1)).square().sum().backward()
    assert layer.shift.grad.abs().sum(1).nonzero().flatten().tolist() == [2, 7]


def test_a_helper_of_no_weight_changes_nothing(batch):
    plain, helped = step_of("cvae"), step_of("cvae")
    helped.weight = 0.0
    for step, train in ((plain, super(type(plain), plain).train), (helped, helped.train)):
        step.weight = 0.0
        torch.manual_seed(1)
        train(batch, 0.5)
    assert torch.equal(weights(plain.model), weights(helped.model))


def test_each_update_leaves_the_other_alone(batch):
    step = step_of("cvae")
    model, helper = weights(step.model), weights(step.helper)
    super(type(step), step).train(batch, 0.5)
    assert not torch.equal(weights(step.model), model) and torch.equal(weights(step.helper), helper)
    step.train(batch, 0.5)
    assert not torch.equal(weights(step.helper), helper)


def test_told_is_how_well_the_helper_reads_what_was_asked_for(batch):
    step = step_of("cvae")
    step.helper = trained("judge")
    step.helper.forward = lambda x: torch.zeros(len(x), 10)  # no idea
    terms = step.evaluate(batch)
    assert terms["told"].item() == pytest.approx(torch.tensor(10.0).log().item())
    assert (terms["loss"] - terms["reconstruction"] - 2.5 * terms["kl"]).item() == pytest.approx(
        step.weight * terms["told"].item(), abs=1e-3
    )


def test_a_few_seconds_of_training_make_it_listen(train):
    step, label = step_of("cvae"), all_digits(500)
    fit(step, Batches(train, 64, shuffle=True), epochs=4, seed=0)
    assert obedience(classifier(trained("judge")), draw(step.model, label), label) > 0.3  # chance is .1


@pytest.mark.parametrize("picture", [digits_asked_for, same_code_ten_labels])
def test_pictures_show_eight_rows_of_ten(picture, test):
    model = RECIPES["cvae"].build()
    assert picture(model, test, "untrained").axes[0].images[0].get_array().shape == (8 * 28, 10 * 28)


def test_the_report_has_both_judges_and_the_error(train, test, monkeypatch):
    monkeypatch.setattr(conditional, "mnist", lambda split: train)
    monkeypatch.setattr(conditional, "judges", conditional.judges.__wrapped__)
    report = conditional.conditional_quality(RECIPES["cvae"].build(), test)
    assert {"sampled_judge", "sampled_neighbours", "swapped_judge", "sampled_variety", "mse"} <= set(report)
    assert all(value >= 0 for value in report.values())


@pytest.mark.parametrize("arguments", [("cvae", "--label", "7"), ("cvae",), ("vae",)])
def test_a_class_is_drawn_at_inference_time(arguments, short_run, tmp_path):
    name, *options = arguments
    assert main(["sample", str(short_run(name)), "--count", "12", "--out", str(tmp_path / "new.png"), *options]) == 0
    assert (tmp_path / "new.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cvae", "--label", "10"), "--label expects a digit from 0 to 9, but got 10."),
        (("cvae", "--label", "-1"), "--label expects a digit from 0 to 9, but got -1."),
        (("vae", "--label", "7"), "vae cannot be told a label"),
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
    assert main(["explore", str(short_run("judge")), "--html", str(tmp_path / "page.html")]) == 2
    assert "judge makes no pictures" in capsys.readouterr().err
