"""The checks of lesson 01: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from ae_utils.course.checks import lesson01
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder

DEEP = (128, 64, 32, 16, 12, 3)


def count_parameters(widths):
    return sum(a * b + b for a, b in pairwise(widths))


def pca_reconstruct(x, mean, components):
    return mean + (x - mean) @ components.T @ components


def deep(widths=DEEP, last=nn.Tanh, pixel_range=(-1, 1)):
    return Autoencoder(dense_encoder(widths), dense_decoder(widths[::-1], last=last), 3, pixel_range=pixel_range)


@torch.no_grad()
def between(model, x_a, x_b, steps):
    fraction = torch.linspace(0, 1, steps).view(-1, 1)
    return model.decode((1 - fraction) * model.encode(x_a) + fraction * model.encode(x_b))


def between_pixels(model, x_a, x_b, steps):
    fraction = torch.linspace(0, 1, steps).view(-1, 1, 1, 1)
    return (1 - fraction) * x_a + fraction * x_b


def between_short_of_the_end(model, x_a, x_b, steps):
    fraction = torch.arange(steps).view(-1, 1) / steps
    return model.decode((1 - fraction) * model.encode(x_a) + fraction * model.encode(x_b))


def stub(*_):
    return ...


RIGHT_ANSWERS = {
    "count_parameters": count_parameters,
    "pca_reconstruct": pca_reconstruct,
    "deep_autoencoder": deep(),
    "unit_scale": lambda mse: mse / 4,
    "between": between,
}
MISTAKES = [
    ("count_parameters", lambda widths: sum(a * b for a, b in pairwise(widths)), "bias"),
    ("count_parameters", lambda widths: sum(a * b for a, b in pairwise(widths)) + sum(widths), "first width"),
    ("count_parameters", lambda widths: widths[0], "you say"),
    ("pca_reconstruct", lambda x, mean, components: (x - mean) @ components.T @ components, "added back"),
    ("pca_reconstruct", lambda x, mean, components: x @ components.T @ components, "subtract the mean first"),
    ("pca_reconstruct", lambda x, mean, components: mean + x @ components.T @ components, "was not subtracted"),
    ("pca_reconstruct", lambda x, mean, components: (x - mean) @ components.T, "stop at the code"),
    ("deep_autoencoder", deep(last=nn.Sigmoid), "sigmoid"),
    ("deep_autoencoder", deep(widths=(128, 64, 12, 3)), "widths"),
    ("deep_autoencoder", deep(pixel_range=(0, 1)), "argument"),
    ("deep_autoencoder", deep().encoder, "an Autoencoder is expected"),
    ("unit_scale", lambda mse: mse / 2, "square"),
    ("unit_scale", lambda mse: (mse + 1) / 2, "constant cancels"),
    ("unit_scale", lambda mse: 4 * mse, "compare"),
    ("between", between_pixels, "interpolate pixels"),
    ("between", between_short_of_the_end, "both ends"),
    ("between", lambda model, x_a, x_b, steps: between(model, x_b, x_a, steps), "backwards"),
    ("between", lambda model, x_a, x_b, steps: between(model, x_a, x_b, steps)[:1], "shape (5, 1, 28, 28)"),
]


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, capsys):
    check = getattr(lesson01, name)
    assert check.verdict(RIGHT_ANSWERS[name]).state == RIGHT
    assert check(RIGHT_ANSWERS[name]) is None
    assert capsys.readouterr().out.startswith("right: ")


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
@pytest.mark.parametrize("answer", [..., None, stub], ids=["dots", "None", "stub"])
def test_a_stub_is_not_answered_yet(name, answer, capsys):
    if answer is stub and name == "deep_autoencoder":
        pytest.skip("its stub is a value")
    assert getattr(lesson01, name).verdict(answer).state == OPEN
    getattr(lesson01, name)(answer)
    assert capsys.readouterr().out.startswith("not answered yet: ")


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint, capsys):
    verdict = getattr(lesson01, name).verdict(answer)
    assert verdict.state == WRONG and hint in verdict.sentence, verdict
    getattr(lesson01, name)(answer)
    assert capsys.readouterr().out == f"not yet: {verdict.sentence}\n"


@pytest.mark.parametrize("name", [name for name in RIGHT_ANSWERS if name != "deep_autoencoder"])
def test_an_answer_that_raises_is_wrong_and_says_so(name):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    verdict = getattr(lesson01, name).verdict(broken)
    assert verdict.state == WRONG and "ZeroDivisionError" in verdict.sentence


def test_every_exercise_has_two_typical_mistakes():
    assert all(sum(mistake[0] == name for mistake in MISTAKES) >= 2 for name in RIGHT_ANSWERS)
