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


def stepping_late(real, z, generator, discriminator, optimizers):
    """Both steps at the end: the generator's backward pass has added to the discriminator's gradients."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss_d = discriminator_loss(discriminator(real), discriminator(generator(z).detach()))
    loss_d.backward()
    loss_g = generator_loss(discriminator(generator(z)))
    loss_g.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss_d, loss_g


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


def hinge(d=lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), g=lambda fake: -fake.mean()):
    return lambda real, fake: (d(real, fake), g(fake))


def stub(*_):
    return ...


RIGHT_ANSWERS = [
    ("hinge_losses", (lambda real, fake: (F.relu(1 - real).mean() + F.relu(1 + fake).mean(), -fake.mean()),)),
    ("hinge_losses", (lambda real, fake: [(1 - real).clamp_min(0).mean() + (1 + fake).relu().mean(), (-fake).mean()],)),
    ("repaired_step", (step,)),
    ("repaired_step", (lambda *given: step(*given, detach=lambda fake: fake),)),  # cleared before its own pass: as good
    ("collapsed", ("BC", REACHED)),
    ("collapsed", (["c", "b"], REACHED)),
    ("collapsed", ("B, C", REACHED)),
    ("collapsed", ("", {"A": 8})),
]
MISTAKES = [
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean()),), "wrong sides"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(-real).mean() + F.relu(fake).mean()),), "margin is missing"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 - real).mean() + F.relu(1 - fake).mean()),), "margin of real"),
    ("hinge_losses", (hinge(lambda real, fake: (1 - real).mean() + (1 + fake).mean()),), "without relu"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum()),), "the sum"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 - real).mean()),), "term of the fakes is missing"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 + fake).mean()),), "term of the real images is missing"),
    ("hinge_losses", (hinge(lambda real, fake: (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2),), "half"),
    ("hinge_losses", (hinge(discriminator_loss),), "cross-entropy"),
    ("hinge_losses", (hinge(lambda real, fake: F.relu(1 - real) + F.relu(1 + fake[:3])),), "one number"),
    ("hinge_losses", (hinge(lambda real, fake: real.mean() * 0 + 7),), "but your loss is"),
    (
        "hinge_losses",
        (hinge(lambda real, fake: (F.relu(1 - real).mean() + F.relu(1 + fake).mean()).detach()),),
        "no gr",
    ),
    (
        "hinge_losses",
        (hinge(lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake.detach()).mean()),),
        "detached",
    ),
    ("hinge_losses", (hinge(g=lambda fake: fake.mean()),), "sign"),
    ("hinge_losses", (hinge(g=lambda fake: F.relu(1 - fake).mean()),), "no margin"),
    ("hinge_losses", (hinge(g=lambda fake: -fake.sum()),), "over the fakes"),
    ("hinge_losses", (hinge(g=lambda fake: F.relu(1 + fake).mean()),), "the opposite"),
    ("hinge_losses", (hinge(g=generator_loss),), "no logarithm"),
    ("hinge_losses", (lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),), "both losses"),
    ("repaired_step", (forgotten,), "gradients of both losses"),
    ("repaired_step", (lambda *given: step(*given, fresh=lambda fake: fake.detach()),), "no gradient reaches"),
    ("repaired_step", (asked_before,), "ask the discriminator again"),
    ("repaired_step", (stepping_late,), "steps too late"),
    ("repaired_step", (lambda *given: step(*given, skip=("discriminator",)),), "discriminator has not moved"),
    ("repaired_step", (lambda *given: step(*given, skip=("generator",)),), "no gradient reaches"),
    ("repaired_step", (lambda *given: step(*given, ask=lambda logits: logits.detach()),), "not what it says"),
    ("repaired_step", (never_cleared,), "gradients of earlier ones"),
    ("repaired_step", (lambda *given: step(*given)[::-1],), "comes first"),
    ("repaired_step", (lambda *given: step(*given)[0],), "both losses"),
    ("collapsed", ("B", REACHED), "1 of 4 letters is"),
    ("collapsed", ("AD", REACHED), "4 of 4 letters are"),
    ("collapsed", ("E", REACHED), "letters out of"),
    ("collapsed", (2, REACHED), "letters out of"),
]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("hinge_losses", (stub,)),
        ("hinge_losses", (lambda *_: (..., ...),)),
        ("repaired_step", (stub,)),
        ("collapsed", (..., REACHED)),
    ],
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
