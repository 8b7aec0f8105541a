"""Checks of lesson 06: hinge losses, a forgotten detach, collapse recognised from curves."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.losses.gan import discriminator_loss, generator_loss
from ae_utils.models import Discriminator, Generator
from ae_utils.networks.dense import dense_encoder

MODES = 8


@check
def hinge_losses(answer) -> str:
    """``answer(real_logits, fake_logits)``: hinge losses of discriminator and generator, averaged over the batch."""
    real = torch.tensor([-2.2, 0.5, 3.0], requires_grad=True)
    fake = torch.tensor([-3.4, -0.25, 0.85, 2.1], requires_grad=True)
    result = given(answer(real, fake))
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("return both losses: the discriminator's, then the generator's")
    loss_d, loss_g = map(given, result)
    if not all(isinstance(loss, Tensor) and loss.ndim == 0 for loss in (loss_d, loss_g)):
        raise Wrong("each loss is one number, a tensor without axes: the mean over the batch")
    for loss, mistakes, wanted in (
        (loss_d, _wrong_hinges(real.detach(), fake.detach()), F.relu(1 - real).mean() + F.relu(1 + fake).mean()),
        (loss_g, _wrong_generators(fake.detach()), -fake.mean()),
    ):
        if same(loss.detach(), wanted.detach()):
            continue
        named = (sentence for sentence, value in mistakes.items() if same(loss.detach(), value))
        raise Wrong(next(named, f"for these logits it is {wanted.item():.4f}, but your loss is {loss.item():.4f}"))
    for loss, logits, pushes in ((loss_d, real, [-1, -1, 0]), (loss_d, fake, [0, 1, 1, 1]), (loss_g, fake, [-1] * 4)):
        if not loss.requires_grad:
            raise Wrong("the right number, but no gradient reaches the logits: nothing could learn from it")
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True, allow_unused=True)
        if gradient is None or not same(gradient * len(logits), torch.tensor(pushes, dtype=torch.float)):
            raise Wrong("the right number, but another gradient: something on the way is detached")
    return "the discriminator learns from logits inside the margins only, the generator from all of its fakes"


def _wrong_hinges(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    relu = F.relu
    return {
        "the margins are on the wrong sides: a real image is content from 1 upwards, a fake from -1 downwards":
            relu(1 + real).mean() + relu(1 - fake).mean(),
        "the margin is missing: these are distances to 0, not to 1 and -1": relu(-real).mean() + relu(fake).mean(),
        "the term of the fakes has the margin of real images": relu(1 - real).mean() + relu(1 - fake).mean(),
        "without relu, logits beyond the margin would be paid for, too": (1 - real).mean() + (1 + fake).mean(),
        "this is the sum over the batch: take the mean of each term": relu(1 - real).sum() + relu(1 + fake).sum(),
        "the term of the fakes is missing": relu(1 - real).mean(),
        "the term of the real images is missing": relu(1 + fake).mean(),
        "this is half of the loss: the two means are added": (relu(1 - real).mean() + relu(1 + fake).mean()) / 2,
        "this is the cross-entropy of the lesson: a hinge has no logarithm": discriminator_loss(real, fake),
    }  # fmt: skip


def _wrong_generators(fake: Tensor) -> dict[str, Tensor]:
    return {
        "the generator's sign is wrong: large logits of its fakes make its loss small": fake.mean(),
        "the generator has no margin: with relu, fakes beyond it would have no gradient": F.relu(1 - fake).mean(),
        "this is the sum over the fakes: take the mean": -fake.sum(),
        "this is the discriminator's term for fakes: the generator wants the opposite": F.relu(1 + fake).mean(),
        "this is the lesson's -log D(fake): a hinge has no logarithm": generator_loss(fake),
    }  # fmt: skip


@check
def repaired_step(answer) -> str:
    """``answer(real, z, generator, discriminator, optimizers)``: both updates; returns both losses.

    ``optimizers`` are the generator's and the discriminator's.
    """
    players = _players()
    wanted, losses, _ = _after(_reference, players)
    (generator, discriminator), result, arrivals = _after(answer, players)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("return both losses: the discriminator's, then the generator's")
    if _unmoved(discriminator, players[1]):
        raise Wrong("the discriminator has not moved: it needs a backward and a step, too")
    if not arrivals:
        raise Wrong("no gradient reaches the generator: its own update needs fakes that are *not* detached")
    if _equal(discriminator, _after(_stepping_late, players)[0][1]):
        raise Wrong("the discriminator steps too late: by then the generator's loss has added its gradient to it")
    if not _equal(discriminator, wanted[1]):
        raise Wrong("the discriminator learned something else: detach the fakes, not what it says about them")
    if not _equal(generator, wanted[0]) and arrivals > 1:
        raise Wrong("gradients of both losses reach the generator and are added: only one of the two is its own")
    if not _equal(generator, wanted[0]):
        raise Wrong("the generator learned something else: ask the discriminator again after *its* step, then step")
    if not all(same(torch.as_tensor(mine).detach(), loss) for mine, loss in zip(result, losses, strict=True)):
        raise Wrong("both players learn rightly, but these are not the two losses: the discriminator's comes first")
    if not all(map(_equal, _after(answer, players, batches=3)[0], _after(_reference, players, batches=3)[0])):
        raise Wrong(
            "right for one batch, but gradients of earlier ones are still there: clear them before each backward"
        )
    return "each player learns from its own loss only"


def _reference(real, z, generator, discriminator, optimizers):
    fake = generator(z)
    loss_d = discriminator_loss(discriminator(real), discriminator(fake.detach()))
    optimizers[1].zero_grad()
    loss_d.backward()
    optimizers[1].step()
    loss_g = generator_loss(discriminator(fake))
    optimizers[0].zero_grad()
    loss_g.backward()
    optimizers[0].step()
    return loss_d.detach(), loss_g.detach()


def _stepping_late(real, z, generator, discriminator, optimizers):
    """A mistake: the discriminator's step comes after the backward pass of the generator's loss."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    fake = generator(z)
    loss_d = discriminator_loss(discriminator(real), discriminator(fake.detach()))
    loss_g = generator_loss(discriminator(fake))
    (loss_d + loss_g).backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss_d.detach(), loss_g.detach()


def _players() -> tuple[Generator, Discriminator]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        decoder = nn.Sequential(nn.Linear(4, 784), nn.Unflatten(1, (1, 28, 28)))
        return Generator(decoder, 4), Discriminator(dense_encoder((8, 1), nn.Tanh))


def _after(step, players, *, batches: int = 1) -> tuple[tuple[nn.Module, nn.Module], Any, int]:
    """Copies of both networks after ``batches`` of ``step``; its last return; how often the generator got gradients."""
    players, arrivals = copy.deepcopy(players), []
    next(players[0].parameters()).register_hook(lambda gradient: arrivals.append(gradient))
    optimizers = [torch.optim.SGD(player.parameters(), lr=0.1) for player in players]
    random = torch.Generator().manual_seed(2)
    for _ in range(batches):
        real, z = torch.rand(6, 1, 28, 28, generator=random), torch.randn(6, 4, generator=random)
        result = given(step(real, z, *players, optimizers))
    return players, result, len(arrivals)


def _equal(one: nn.Module, other: nn.Module) -> bool:
    return all(same(a, b, 1e-5) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def _unmoved(after: nn.Module, before: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(after.parameters(), before.parameters(), strict=True))


@check
def collapsed(answer, reached) -> str:
    """``answer``: the letters of the runs that collapsed, such as "AC"; ``reached``: modes reached by each letter."""
    letters = answer if isinstance(answer, str | set | list | tuple) else "?"
    chosen = {str(letter).upper() for letter in letters} - {",", " "}
    if not chosen <= set(reached):
        raise Wrong(f"answer with letters out of {', '.join(reached)}, such as {''.join(reached)[:2]!r}")
    truth = {letter for letter, modes in reached.items() if modes <= MODES // 2}
    wrong = len(chosen ^ truth)
    if wrong:
        raise Wrong(
            f"{wrong} of {len(reached)} letters {'is' if wrong == 1 else 'are'} on the wrong side: "
            "look at the last third, and there not at the height but at the waves"
        )
    return f"at most half of the modes are reached by {', '.join(sorted(truth)) or 'none'}"
