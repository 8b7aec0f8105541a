"""The checks of lesson 02: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ae_utils.course.checks import lesson02
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.networks.convolutional import conv_encoder, maxpool_encoder


def conv_size(n, kernel, stride, padding):
    return (n + 2 * padding - kernel) // stride + 1


def transposed_size(n, kernel, stride, padding, output_padding):
    return (n - 1) * stride - 2 * padding + kernel + output_padding


def down_and_up(stride=3, padding=1, extra=0, kernel=3, back=3):
    up = nn.ConvTranspose2d(4, 1, kernel, stride=back, padding=1, output_padding=extra)
    return nn.Conv2d(1, 4, kernel, stride=stride, padding=padding), up


def receptive_field(layers):
    pixels, apart = 1, 1
    for kernel, stride in layers:
        pixels += (kernel - 1) * apart
        apart *= stride
    return pixels


def own_stride_first(layers):
    pixels, apart = 1, 1
    for kernel, stride in layers:
        apart *= stride
        pixels += (kernel - 1) * apart
    return pixels


def pooled(latent_dim, *, channels_in=1, channels=16, flat=True, relu=nn.ReLU):
    layers = [nn.Conv2d(channels_in, channels, 3, padding=1), relu(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(channels, 32, 3, padding=1), relu(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Conv2d(32, latent_dim, 7), nn.Flatten() if flat else nn.Identity())


@torch.no_grad()
def without_stamping(layer, *, pad=(0, 1, 0, 1), taps=((1, 3), (2, 0)), bias=True, shuffled=True):
    padded = F.pad(layer.weight, (0, 1, 0, 1))  # a kernel's number 3 is 0
    kernels = [padded[:, :, rows][..., columns] for rows in taps for columns in taps]
    weight = torch.stack(kernels, 2 if shuffled else 1).flatten(1, 2)  # (in, 4 · out, 2, 2)
    convolution = nn.Conv2d(layer.in_channels, 4 * layer.out_channels, 2)
    convolution.weight.copy_(weight.transpose(0, 1))
    convolution.bias.copy_(layer.bias.repeat_interleave(4) if bias else torch.zeros(4 * layer.out_channels))
    return nn.Sequential(nn.ZeroPad2d(pad), convolution, nn.PixelShuffle(2))


def stub(*_):
    return ...


RIGHT_ANSWERS = {
    "conv_size": conv_size,
    "transposed_size": transposed_size,
    "down_and_up": down_and_up,
    "receptive_field": receptive_field,
    "maxpool_encoder": maxpool_encoder,
    "without_stamping": without_stamping,
}
MISTAKES = [
    ("conv_size", lambda n, kernel, stride, padding: (n + 2 * padding - kernel) // stride, "number of steps"),
    ("conv_size", lambda n, kernel, stride, padding: (n + padding - kernel) // stride + 1, "both ends"),
    ("conv_size", lambda n, kernel, stride, padding: (n + 2 * padding - kernel) / stride + 1, "whole number"),
    ("conv_size", lambda n, kernel, stride, padding: n // stride, "you say"),
    ("transposed_size", lambda n, k, s, p, extra: n * s - 2 * p + k + extra, "steps between"),
    ("transposed_size", lambda n, k, s, p, extra: (n - 1) * s - 2 * p + k, "output padding"),
    ("transposed_size", lambda n, k, s, p, extra: n * s, "first and the last"),
    ("down_and_up", lambda: down_and_up(padding=0), "28 pixels become 9"),
    ("down_and_up", lambda: down_and_up(stride=2), "28 pixels become 14"),
    ("down_and_up", lambda: down_and_up(extra=1), "the way back gives 29"),
    ("down_and_up", lambda: down_and_up(back=2), "the way back gives 19"),
    ("down_and_up", lambda: down_and_up(kernel=4), "make both 3 × 3"),
    ("down_and_up", lambda: down_and_up()[::-1], "in this order"),
    ("down_and_up", lambda: down_and_up()[0], "in this order"),
    ("receptive_field", lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "two pixels apart"),
    ("receptive_field", own_stride_first, "not itself"),
    ("receptive_field", lambda layers: layers[-1][0] + 40, "first layer to the last"),
    ("maxpool_encoder", conv_encoder, "steps of 2"),
    ("maxpool_encoder", lambda latent_dim: pooled(latent_dim, flat=False), "flatten"),
    ("maxpool_encoder", lambda latent_dim: pooled(latent_dim, channels=8), "channels and kernels"),
    ("maxpool_encoder", lambda latent_dim: pooled(latent_dim, relu=nn.Tanh), "ReLU"),
    ("maxpool_encoder", lambda latent_dim: pooled(latent_dim)[:5], "two MaxPool2d"),
    ("maxpool_encoder", lambda latent_dim: pooled(latent_dim, channels_in=2), "do not go through"),
    ("maxpool_encoder", lambda latent_dim: nn.Sequential(*pooled(latent_dim)[:6], nn.Flatten()), "layer by layer"),
    ("maxpool_encoder", lambda latent_dim: latent_dim, "a module is expected"),
    ("without_stamping", lambda layer: layer, "still a transposed"),
    ("without_stamping", lambda layer: without_stamping(layer, pad=0), "8×8"),
    ("without_stamping", lambda layer: without_stamping(layer, taps=((3, 1), (0, 2))), "which stamps"),
    ("without_stamping", lambda layer: without_stamping(layer, shuffled=False), "which stamps"),
    ("without_stamping", lambda layer: without_stamping(layer, bias=False), "bias"),
    ("without_stamping", lambda layer: without_stamping(layer)[:2], "must become"),
    ("without_stamping", lambda layer: layer.weight, "a module is expected"),
]


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, capsys):
    check = getattr(lesson02, name)
    assert check.verdict(RIGHT_ANSWERS[name]).state == RIGHT, check.verdict(RIGHT_ANSWERS[name])
    assert check(RIGHT_ANSWERS[name]) is None
    assert capsys.readouterr().out.startswith("right: ")


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
@pytest.mark.parametrize("answer", [..., None, stub], ids=["dots", "None", "stub"])
def test_a_stub_is_not_answered_yet(name, answer, capsys):
    assert getattr(lesson02, name).verdict(answer).state == OPEN
    getattr(lesson02, name)(answer)
    assert capsys.readouterr().out.startswith("not answered yet: ")


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint, capsys):
    verdict = getattr(lesson02, name).verdict(answer)
    assert verdict.state == WRONG and hint in verdict.sentence, verdict
    getattr(lesson02, name)(answer)
    assert capsys.readouterr().out == f"not yet: {verdict.sentence}\n"


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_an_answer_that_raises_is_wrong_and_says_so(name):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    verdict = getattr(lesson02, name).verdict(broken)
    assert verdict.state == WRONG and "ZeroDivisionError" in verdict.sentence


def test_every_exercise_has_two_typical_mistakes():
    assert all(sum(mistake[0] == name for mistake in MISTAKES) >= 2 for name in RIGHT_ANSWERS)
