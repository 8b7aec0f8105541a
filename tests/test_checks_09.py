"""The checks of lesson 09: the stub is open, a right answer is confirmed, typical mistakes are told apart."""

from itertools import pairwise

import pytest
import torch

from ae_utils.course.checks import lesson09
from ae_utils.course.checks.check import OPEN, RIGHT, WRONG


def velocity_from_noise(z, t, noise):
    return (z - noise) / t[:, None]


def sample_at(velocity, z, times, step):
    for t, later in pairwise(times):
        z = step(velocity, z, t, later - t)
    return z


def reflow_loss(model, noise, x, label, *, ends=lambda noise, x: (noise, x), reduce=lambda e: e.square().sum(1).mean()):
    t = torch.rand(len(x))
    start, end = ends(noise, x)
    return reduce(model(torch.lerp(start, end, t[:, None]), t, label) - (end - start))


def steered_velocity(velocity, z, t, pixel_error, strength, *, sign=-1, total=torch.sum, through=True, at=None):
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        v = velocity(z, t)
        end = at(z, v) if at else z + (1 - t) * (v if through else v.detach())
        gradient = torch.autograd.grad(total(pixel_error(end)), z)[0]
    return v.detach() + sign * strength * gradient


@torch.no_grad()
def without_gradients(velocity, z, t, pixel_error, strength):
    return steered_velocity(velocity, z, t, pixel_error, strength)


RIGHT_ANSWERS = (
    (lesson09.velocity_from_noise, velocity_from_noise),
    (lesson09.velocity_from_noise, lambda z, t, noise: (z - noise) / t.view(-1, 1)),
    (lesson09.velocity_from_noise, lambda z, t, noise: (z - (1 - t[:, None]) * noise) / t[:, None] - noise),
    (lesson09.sample_at, sample_at),
    (lesson09.reflow_loss, reflow_loss),
    (lesson09.steered_velocity, steered_velocity),
    (lesson09.steered_velocity, without_gradients),
)


@pytest.mark.parametrize(("check", "answer"), RIGHT_ANSWERS)
def test_a_right_answer_is_confirmed(check, answer):
    assert check.verdict(answer).state == RIGHT, check.verdict(answer)


@pytest.mark.parametrize("check", sorted({check for check, _ in RIGHT_ANSWERS}, key=lambda check: check.__name__))
def test_a_stub_is_open(check):
    assert check.verdict(lambda *inputs: ...).state == OPEN


def test_a_check_leaves_the_caller_s_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.rand(4)
    for check, answer in RIGHT_ANSWERS[:4]:
        torch.manual_seed(3)
        check.verdict(answer)
        assert torch.equal(torch.rand(4), before), check.__name__


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (lambda z, t, noise: (z - noise) / t, "the shape is"),
        (lambda z, t, noise: (z - (1 - t[:, None]) * noise) / t[:, None], "this is the mean of x"),
        (lambda z, t, noise: (noise - z) / t[:, None], "the sign is wrong"),
        (lambda z, t, noise: z - noise, "divide by the time"),
        (lambda z, t, noise: (z - noise) / (1 - t[:, None]), "the time that is left"),
        (lambda z, t, noise: (z - noise) * t[:, None], "multiplies by the time"),
        (lambda z, t, noise: -noise / (1 - t[:, None]), "this is the score"),
        (lambda z, t, noise: noise, "the numbers differ"),
        (lambda z, t, noise: 1.0, "a tensor is expected"),
    ],
)
def test_mistakes_in_the_velocity(answer, named):
    count = lesson09.velocity_from_noise.verdict(answer)
    # (5, 3) over (5,) does not fit at all: the error is reported
    assert count.state == WRONG and (named in count.sentence or "size of tensor" in count.sentence), count


def equal_steps(velocity, z, times, step):
    dt = (times[-1] - times[0]) / (len(times) - 1)
    for t in times[:-1]:
        z = step(velocity, z, t, dt)
    return z


def one_too_many(velocity, z, times, step):
    for t, later in pairwise([*times, times[-1]]):
        z = step(velocity, z, t, later - t)
    return z


def from_the_end(velocity, z, times, step):
    for t, later in pairwise(times):
        z = step(velocity, z, later, later - t)
    return z


def backwards(velocity, z, times, step):
    for later, t in pairwise(times[::-1]):
        z = step(velocity, z, t, later - t)
    return z


def always_the_start(velocity, z, times, step):
    for t, later in pairwise(times):
        moved = step(velocity, z, t, later - t)
    return moved


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (equal_steps, "all steps have the same length"),
        (one_too_many, "one step too many"),
        (from_the_end, "where it should end"),
        (backwards, "the steps are others"),
        (always_the_start, "where the last one has ended"),
        (lambda velocity, z, times, step: step(velocity, z, times[0], times[-1]), "called 1 times"),
    ],
)
def test_mistakes_in_the_schedule(answer, named):
    verdict = lesson09.sample_at.verdict(answer)
    assert verdict.state == WRONG and named in verdict.sentence, verdict


def with_options(function, **options):
    return lambda *inputs: function(*inputs, **options)


def fresh_noise(noise, x):
    return torch.randn_like(noise), x


def twice(model, noise, x, label):
    return reflow_loss(model, noise, x, label) + reflow_loss(model, noise, x, label)


def wrong_target(target):
    def loss(model, noise, x, label):
        t = torch.rand(len(x))
        return (model(torch.lerp(noise, x, t[:, None]), t, label) - target(noise, x)).square().sum(1).mean()

    return loss


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (with_options(reflow_loss, ends=fresh_noise), "no new noise"),
        (with_options(reflow_loss, ends=lambda noise, x: (noise, x.flip(0))), "no pair is parted"),
        (with_options(reflow_loss, ends=lambda noise, x: (x, noise)), "time runs backwards"),
        (with_options(reflow_loss, reduce=lambda error: error.square().mean()), "not the mean"),
        (with_options(reflow_loss, reduce=lambda error: error.square().sum()), "not the sum"),
        (with_options(reflow_loss, reduce=lambda error: error.square().sum(1).mean().detach()), "no gradient"),
        (with_options(reflow_loss, reduce=lambda error: error.square().sum(1)), "the shape is"),
        (wrong_target(lambda noise, x: noise - x), "the velocity is x - noise"),
        (wrong_target(lambda noise, x: x), "not x"),
        (wrong_target(lambda noise, x: noise), "the numbers differ"),
        (twice, "called 2 times"),
        (lambda model, noise, x, label: reflow_loss(model, noise, x, label + 1), "other labels"),
    ],
)
def test_mistakes_in_the_reflow(answer, named):
    torch.manual_seed(0)
    verdict = lesson09.reflow_loss.verdict(answer)
    assert verdict.state == WRONG and named in verdict.sentence, verdict


def test_a_reflow_with_one_time_for_all_is_refused():
    def one_time(model, noise, x, label):
        t = torch.rand(1).expand(len(x))
        return (model(torch.lerp(noise, x, t[:, None]), t, label) - (x - noise)).square().sum(1).mean()

    assert "draw a time" in lesson09.reflow_loss.verdict(one_time).sentence


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (with_options(steered_velocity, sign=1), "it climbs the error"),
        (with_options(steered_velocity, through=False), "through the velocity, too"),
        (with_options(steered_velocity, total=torch.mean), "averaged over the codes"),
        (with_options(steered_velocity, at=lambda z, v: z), "the error is that of z"),
        (lambda velocity, z, t, error, strength: velocity(z, t), "the gradient is missing"),
        (lambda velocity, z, t, error, strength: steered_velocity(velocity, z, t, error, 1), "strength is not used"),
        (
            lambda velocity, z, t, error, strength: steered_velocity(velocity, z, t, error, strength) - velocity(z, t),
            "the velocity is missing",
        ),
        (with_options(steered_velocity, at=lambda z, v: z + v), "the numbers differ"),
    ],
)
def test_mistakes_in_the_steering(answer, named):
    verdict = lesson09.steered_velocity.verdict(answer)
    assert verdict.state == WRONG and named in verdict.sentence, verdict
