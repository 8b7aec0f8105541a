"""The checks of lesson 06: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

import pytest
import torch
from torch.nn import functional as F

from ae_utils.course.checks import lesson06
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.losses.gan import discriminator_loss, generator_loss

REACHED = {"A": 8, "B": 1, "C": 3, "D": 7}


def step(
    real, z, generator, discriminator, optimizers, *,
    detach=lambda fake: fake.detach(), clear_late=True, ask=lambda logits: logits, skip=(), fresh=lambda fake: fake,
):  # fmt: skip
    for optimizer in optimizers:
        optimizer.zero_grad()
    fake = generator(z)
    loss_d = discriminator_loss(discriminator(real), ask(discriminator(detach(fake))))
    loss_d.backward(retain_graph=True)
    if "discriminator" not in skip:
        optimizers[1].step()
    if clear_late:
        optimizers[0].zero_grad()
    loss_g = generator_loss(discriminator(fresh(generator(z))))
    if "generator" not in skip:
        loss_g.backward()
    optimizers[0].step()
    return loss_d, loss_g


def forgotten(*given):
    """The planted bug: fakes are not detached, and gradients are cleared once, at the top."""
    return step(*given, detach=lambda fake: fake, clear_late=False)


def asked_before(real, z, generator, discriminator, optimizers):
    fake = generator(z)
    fake_logits = discriminator(fake)
    loss_d = discriminator_loss(discriminator(real), discriminator(fake.detach()))
    loss_g = generator_loss(fake_logits)
    gradients = torch.autograd.grad(loss_g, list(generator.parameters()), retain_graph=True)
    optimizers[1].zero_grad()
    loss_d.backward()
    optimizers[1].step()
    for parameter, gradient in zip(generator.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizers[0].step()
    return loss_d, loss_g


def never_cleared(real, z, generator, discriminator, optimizers):
    class Kept:
        def __init__(self, optimizer):
            self.step = optimizer.step

        def zero_grad(self):
            pass

    return step(real, z, generator, discriminator, [optimizers[0], Kept(optimizers[1])])


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("non_saturating", (lambda logits: -F.logsigmoid(logits).mean(),)),
    ("non_saturating", (generator_loss,)),
    ("repaired_step", (step,)),
    ("repaired_step", (lambda *given: step(*given, detach=lambda fake: fake),)),  # cleared before its own pass: as good
    ("collapsed", ("BC", REACHED)),
    ("collapsed", (["c", "b"], REACHED)),
    ("collapsed", ("", {"A": 8})),
]
MISTAKES = [
    ("non_saturating", (lambda logits: F.logsigmoid(-logits).mean(),), "saturating loss"),
    ("non_saturating", (lambda logits: F.logsigmoid(logits).mean(),), "sign"),
    ("non_saturating", (lambda logits: F.softplus(logits).mean(),), "the opposite"),
    ("non_saturating", (lambda logits: F.softplus(-logits).sum(),), "average"),
    ("non_saturating", (lambda logits: F.softplus(-logits),), "one number"),
    ("non_saturating", (lambda logits: -torch.sigmoid(logits).mean(),), "logarithm"),
    ("non_saturating", (lambda logits: F.softplus(-logits).mean() + 1,), "but you say"),
    ("non_saturating", (lambda logits: F.softplus(-logits).mean().detach(),), "no gradient"),
    ("non_saturating", (lambda logits: -torch.log(torch.sigmoid(logits)).mean(),), "is safe"),
    ("repaired_step", (forgotten,), "gradients of both losses"),
    ("repaired_step", (lambda *given: step(*given, fresh=lambda fake: fake.detach()),), "no gradient reaches"),
    ("repaired_step", (asked_before,), "ask the discriminator again"),
    ("repaired_step", (lambda *given: step(*given, skip=("discriminator",)),), "discriminator has not moved"),
    ("repaired_step", (lambda *given: step(*given, skip=("generator",)),), "no gradient reaches"),
    ("repaired_step", (lambda *given: step(*given, ask=lambda logits: logits.detach()),), "not what it says"),
    ("repaired_step", (never_cleared,), "gradients of earlier ones"),
    ("repaired_step", (lambda *given: step(*given)[::-1],), "comes first"),
    ("repaired_step", (lambda *given: step(*given)[0],), "both losses"),
    ("collapsed", ("B", REACHED), "1 of 4 letters is"),
    ("collapsed", ("AD", REACHED), "4 of 4 letters are"),
    ("collapsed", ("E", REACHED), "letters out of"),
]


@pytest.mark.parametrize(
    ("name", "answer"), [("non_saturating", (stub,)), ("repaired_step", (stub,)), ("collapsed", (..., REACHED))]
)
def test_a_stub_is_open(name, answer):
    assert getattr(lesson06, name).verdict(*answer).state == OPEN


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(name, answer):
    assert getattr(lesson06, name).verdict(*answer).state == RIGHT


@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_mistake_is_named(name, answer, hint):
    state, sentence = getattr(lesson06, name).verdict(*answer)
    assert state == WRONG and hint in sentence, sentence


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for name, answer in RIGHT_ANSWERS:
        getattr(lesson06, name).verdict(*answer)
    assert torch.equal(torch.rand(3), expected)
