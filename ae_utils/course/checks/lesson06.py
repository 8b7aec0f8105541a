"""Checks of lesson 06: the non-saturating loss, a forgotten detach, collapse recognised from curves."""

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
def non_saturating(answer) -> str:
    """``answer(fake_logits)``: the generator's loss -log D(fake), averaged over the batch, from logits (n,)."""
    logits = torch.tensor([-3.0, -1.0, 0.5, 2.0], requires_grad=True)
    result = given(answer(logits))
    if not isinstance(result, Tensor) or result.ndim:
        raise Wrong("one number, a tensor without axes, is expected: the mean over the batch")
    for guess, sentence in _loss_mistakes(logits.detach()):
        if same(result.detach(), guess):
            raise Wrong(sentence)
    if not same(result.detach(), generator_loss(logits.detach())):
        raise Wrong(
            f"for these logits it is {generator_loss(logits.detach()):.4f}, but you say {float(result.detach()):.4f}"
        )
    if not result.requires_grad:
        raise Wrong("the right number, but no gradient reaches the logits: the generator could not learn from it")
    far = torch.tensor([-200.0, -100.0], requires_grad=True)
    loss = answer(far)
    (gradient,) = torch.autograd.grad(loss, far) if loss.isfinite() else (far * torch.nan,)
    if not same(gradient, torch.tensor([-0.5, -0.5]), 1e-3):
        raise Wrong("right for these, but at a logit of -100 sigmoid is 0 in 32 bits: softplus or logsigmoid is safe")
    return "the right loss, and its gradient does not vanish where D rejects the fakes"


def _loss_mistakes(logits: Tensor) -> list[tuple[Tensor, str]]:
    return [
        (
            F.logsigmoid(-logits).mean(),
            "this is log(1 - D), the saturating loss: its gradient vanishes when D is certain",
        ),
        (F.logsigmoid(logits).mean(), "the sign is wrong: fakes that pass for real must make the loss small"),
        (F.softplus(logits).mean(), "this is the discriminator's loss on fakes: the generator wants the opposite"),
        (F.softplus(-logits).sum(), "this is the sum over the batch: average, once"),
        (-torch.sigmoid(logits).mean(), "the logarithm is missing"),
    ]


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
    if not _equal(discriminator, wanted[1]):
        raise Wrong("the discriminator learned something else: detach the fakes, not what it says about them")
    if not _equal(generator, wanted[0]) and arrivals > 1:
        raise Wrong("gradients of both losses reach the generator and are added: only one of the two is its own")
    if not _equal(generator, wanted[0]):
        raise Wrong("the generator went elsewhere: ask the discriminator again after *its* step, then take yours")
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
    if not isinstance(answer, str | set | list | tuple) or not {str(letter).upper() for letter in answer} <= set(
        reached
    ):
        raise Wrong(f"answer with letters out of {', '.join(reached)}, such as {''.join(reached)[:2]!r}")
    chosen = {str(letter).upper() for letter in answer}
    truth = {letter for letter, modes in reached.items() if modes <= MODES // 2}
    wrong = len(chosen ^ truth)
    if wrong:
        raise Wrong(
            f"{wrong} of {len(reached)} letters {'is' if wrong == 1 else 'are'} on the wrong side: "
            "look at the last third, and there not at the height but at the waves"
        )
    return f"at most half of the modes are reached by {', '.join(sorted(truth)) or 'none'}"
