"""Your turn in lesson 06: both losses of a GAN, one batch of its training, and the gradient penalty R1."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong, given
from ae_utils.course.checks.your_turn import called, close, compare, your_turn
from ae_utils.losses.gan import discriminator_loss, generator_loss, gradient_penalty

FAR = torch.tensor([-200.0, 150.0])  # logits of a discriminator that is sure: sigmoid is 0 or 1 in 32 bits


# --- the losses ----------------------------------------------------------------------------------------------------


@your_turn(discriminator_loss)
def discriminator(answer) -> str:
    """``answer(real_logits, fake_logits)``: cross-entropy of a discriminator, averaged over the batch: a scalar."""
    for count in (5, 3):
        real, fake = torch.randn(count, requires_grad=True), torch.randn(count, requires_grad=True)
        loss = _scalar(called(answer, real, fake))
        mistakes = _wrong_discriminator_losses(real.detach(), fake.detach())
        compare(loss, discriminator_loss(real, fake), mistakes, "-log D(real) - log(1 - D(fake)), mean of each")
        _same_gradients(loss, discriminator_loss(real, fake), {"real_logits": real, "fake_logits": fake})
    _stable(lambda logits: answer(logits, -logits), lambda logits: discriminator_loss(logits, -logits))
    return "cross-entropy with real images as one class and fakes as the other, safe for any logit"


def _wrong_discriminator_losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    softplus, ours = F.softplus, discriminator_loss
    return {
        "real and fake are exchanged: D(x) is the probability of *real*": ours(fake, real),
        "the sign is wrong: this is the mean of log D(real) + log(1 - D(fake)), to be maximized": -ours(real, fake),
        "the term of the fakes is missing": softplus(-real).mean(),
        "the term of the real images is missing": softplus(fake).mean(),
        "the fakes count as real: their term is -log(1 - D(fake))": softplus(-real).mean() + softplus(-fake).mean(),
        "the real images count as fakes: their term is -log D(real)": softplus(real).mean() + softplus(fake).mean(),
        "the term of the fakes is subtracted: add it": softplus(-real).mean() - softplus(fake).mean(),
        "this is the sum over the batch: take the mean of each term": softplus(-real).sum() + softplus(fake).sum(),
        "this is half of the loss: the two means are added, not averaged": ours(real, fake) / 2,
        "the logarithms are missing: these are probabilities": (torch.sigmoid(fake) - torch.sigmoid(real)).mean(),
        "this is the hinge loss: another discriminator's, without logarithms":
            F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        "these are plain logits, as in the loss of Wasserstein GANs: cross-entropy has a softplus":
            fake.mean() - real.mean(),
        "logits are put into the logarithm: sigmoid comes first, or softplus does both":
            -(real.abs().log().mean() + (1 - fake).abs().log().mean()),
    }  # fmt: skip


@your_turn(generator_loss)
def generator(answer) -> str:
    """``answer(fake_logits)``: the non-saturating loss -log D(fake), averaged over the batch: a scalar."""
    for count in (5, 3):
        fake = torch.randn(count, requires_grad=True)
        loss = _scalar(called(answer, fake))
        mistakes = _wrong_generator_losses(fake.detach())
        compare(loss, generator_loss(fake), mistakes, "-log D(fake), averaged over the batch")
        _same_gradients(loss, generator_loss(fake), {"fake_logits": fake})
    _stable(answer, generator_loss)
    return "small where fakes pass for real; its gradient does not vanish where D rejects them"


def _wrong_generator_losses(fake: Tensor) -> dict[str, Tensor]:
    return {
        "this is log(1 - D(fake)), the saturating loss: its gradient vanishes when D is sure":
            F.logsigmoid(-fake).mean(),
        "the sign is wrong: this is log D(fake), which the generator would make small": F.logsigmoid(fake).mean(),
        "this is -log(1 - D(fake)), the discriminator's term: the generator wants the opposite":
            F.softplus(fake).mean(),
        "this is the sum over the batch: take the mean": F.softplus(-fake).sum(),
        "one loss per image came back: take the mean": F.softplus(-fake),
        "this is half of the loss: there is no factor 1/2": F.softplus(-fake).mean() / 2,
        "the logarithm is missing: this is -D(fake)": -torch.sigmoid(fake).mean(),
        "this is 1 - D(fake): the logarithm is missing": torch.sigmoid(-fake).mean(),
        "these are plain logits, as in the loss of Wasserstein GANs": -fake.mean(),
        "the mean is taken before the logarithm: the loss of each image comes first": F.softplus(-fake.mean()),
        "the mean is taken before the logarithm: -log of a mean is not the mean of -log":
            -torch.sigmoid(fake).mean().log(),
    }  # fmt: skip


def _scalar(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor):
        raise Wrong(f"a {type(loss).__name__} came back, but only a tensor has a gradient: leave it a tensor")
    if loss.shape:
        raise Wrong(f"one number, of shape (), is expected, but the shape is {tuple(loss.shape)}: take the mean")
    return loss


def _same_gradients(loss: Tensor, wanted: Tensor, inputs: dict[str, Tensor]) -> None:
    expected = torch.autograd.grad(wanted, list(inputs.values()))
    for (name, value), gradient in zip(inputs.items(), expected, strict=True):
        found = None
        if loss.requires_grad:
            (found,) = torch.autograd.grad(loss, value, retain_graph=True, allow_unused=True)
        if found is None:
            raise Wrong(f"no gradient reaches {name}: detach, no_grad or a conversion on the way cuts it off")
        if not close(found, gradient):
            raise Wrong(f"the value is right, but the gradient with respect to {name} is not: something is detached")


def _stable(answer: Any, own: Any) -> None:
    """``Wrong`` where a logit of a sure discriminator gives no finite loss or no gradient."""
    logits, wanted = FAR.clone().requires_grad_(), FAR.clone().requires_grad_()
    loss = answer(logits)
    if not bool(torch.isfinite(loss)):
        raise Wrong("right for small logits, but at 200 sigmoid is 0 or 1 in 32 bits: softplus or logsigmoid is safe")
    (gradient,), (expected,) = torch.autograd.grad(loss, logits), torch.autograd.grad(own(wanted), wanted)
    if not close(loss, own(wanted)) or not close(gradient, expected):
        raise Wrong("right for small logits, but at 200 a clamp or an epsilon changes the loss and kills the gradient")


# --- one batch -----------------------------------------------------------------------------------------------------


def own_one_batch(real, generator, discriminator, optimizers):
    """An update of the discriminator, then one of the generator; returns both losses, the discriminator's first."""
    fake = generator(torch.randn(len(real), generator.latent_dim))

    loss_d = discriminator_loss(discriminator(real), discriminator(fake.detach()))
    optimizers[1].zero_grad()
    loss_d.backward()
    optimizers[1].step()

    loss_g = generator_loss(discriminator(fake))
    optimizers[0].zero_grad()
    loss_g.backward()
    optimizers[0].step()
    return loss_d.item(), loss_g.item()


@your_turn(own_one_batch)
def one_batch(answer) -> str:
    """``answer(real, generator, discriminator, optimizers)``: both updates; returns both losses as floats."""
    ours, theirs, seen = _Run(own_one_batch), _Run(answer), []
    for number in range(3):
        seen.append(torch.rand(64, 1, 1, 2))
        for run in (ours, theirs):
            run.batch(seen[-1])
        _check_noise(theirs.generator.noise)
        if not theirs.weights_as(ours):
            mistaken = (sentence for sentence, step in _MISTAKEN_STEPS.items() if theirs.weights_as(_Run(step, seen)))
            raise Wrong(next(mistaken, _which_network(theirs, ours, number)))
        _check_losses(theirs.returned, ours.returned)
        _check_calls(theirs, seen[-1])
    if not (theirs.generator.training and theirs.discriminator.training):
        raise Wrong("a network is left in evaluation mode, in which BatchNorm does not train")
    return "the discriminator learns from detached fakes, the generator from the gradient through the discriminator"


class _Generator(nn.Module):
    """Returns the same fake for any noise, so that the result does not hang on how often noise is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.latent_dim, self.fake, self.noise = 16, nn.Parameter(torch.randn(2)), list[Tensor]()  # the batch's noise

    def forward(self, z: Tensor) -> Tensor:
        self.noise.append(z)
        return torch.sigmoid(self.fake).expand(len(z), 1, 1, 2)


class _Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.seen = list[Tensor]()  # the batch's images, call by call

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.body(x).squeeze(1)


class _Run:
    """Two networks with their optimizers, trained by ``step``; equal at the start for all."""

    def __init__(self, step: Callable[..., Any], batches: Iterable[Tensor] = ()):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.generator, self.discriminator = _Generator(), _Discriminator()
        self.step = step
        self.optimizers = [torch.optim.SGD(network.parameters(), lr=0.5) for network in self.networks]
        self.before: list[Tensor] = []
        self.returned: Any = None
        for real in batches:
            self.batch(real)

    @property
    def networks(self) -> tuple[nn.Module, nn.Module]:
        return self.generator, self.discriminator

    def weights(self) -> list[Tensor]:
        return [nn.utils.parameters_to_vector(network.parameters()).detach().clone() for network in self.networks]

    def batch(self, real: Tensor) -> None:
        self.before = self.weights()
        self.generator.noise.clear()
        self.discriminator.seen.clear()
        self.returned = _stepped(self.step, real, *self.networks, self.optimizers)

    def weights_as(self, other: "_Run") -> bool:
        return all(map(close, self.weights(), other.weights()))


def _stepped(step: Callable[..., Any], real: Tensor, *rest: Any) -> Any:
    try:
        return called(lambda real: step(real, *rest), real)
    except RuntimeError as error:
        for words, sentence in {
            "second time": "the discriminator's half goes back through the generator, whose graph is then gone: detach "
            "the fakes there",
            "does not require grad": "a loss has no graph to go back through: detach, no_grad or .item() cuts it off",
        }.items():
            if words in str(error):
                raise Wrong(sentence) from None
        raise


def _check_noise(noise: list[Tensor]) -> None:
    if not noise:
        raise Wrong("the generator is not called: fakes are generator(noise)")
    z = noise[-1]
    if z.ndim != 2 or z.shape[1] != 16:
        raise Wrong(f"noise of shape (batch, generator.latent_dim) is expected, but it is {tuple(z.shape)}")
    if len(z) != 64:
        raise Wrong(f"as many fakes as real images are expected, 64, but there are {len(z)}")
    if not (abs(float(z.detach().mean())) < 0.15 and abs(float(z.detach().std()) - 1) < 0.15):
        raise Wrong("the noise is not from N(0, I): torch.randn draws it")


def _check_calls(run: _Run, real: Tensor) -> None:
    """The lesson records what the discriminator returns, call by call, and counts on one set of fakes."""
    noise, seen = run.generator.noise, run.discriminator.seen
    if any(not torch.equal(z, noise[0]) for z in noise):
        raise Wrong("new fakes are drawn for the second half: both halves use one set")
    if len(seen) != 3:
        raise Wrong(
            f"the discriminator is called three times, for real images, fakes, and fakes again, not {len(seen)}"
        )
    if not torch.equal(seen[0], real):
        raise Wrong("the discriminator is called with the fakes first: real images come first, later cells rely on it")


def _check_losses(found: Any, wanted: tuple[float, float]) -> None:
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("both losses are expected: the discriminator's, then the generator's")
    if any(isinstance(loss, Tensor) for loss in found):
        raise Wrong("the losses come back as tensors, which keep their graphs in memory: return floats, .item()")
    if close(torch.tensor(found), torch.tensor(wanted[::-1])):
        raise Wrong("the two losses are swapped: the discriminator's comes first")
    if not close(torch.tensor(found), torch.tensor(wanted)):
        raise Wrong("the weights are right, but these are not the two losses, each from before its own step")


def _which_network(theirs: _Run, ours: _Run, number: int) -> str:
    still_g, still_d = [torch.equal(now, before) for now, before in zip(theirs.weights(), theirs.before, strict=True)]
    if still_g and still_d:
        return "neither network has moved: each needs a backward pass and then its optimizer's step"
    if still_d:
        return "the discriminator has not moved: it needs a backward pass and optimizers[1].step()"
    if still_g:
        return (
            "the generator has not moved: no gradient reaches it (are the fakes of its half detached?), or "
            "optimizers[0].step() is missing"
        )
    if number:
        return "the first batch is right, later ones are not: gradients of the batch before are added to new ones"
    network = "generator" if close(theirs.weights()[1], ours.weights()[1]) else "discriminator"
    return f"the numbers differ: the {network} moves otherwise than by the gradient of its own loss"


def _variant(
    real, generator, discriminator, optimizers, *, logits=lambda D, real, fake: (D(real), D(fake.detach())), sign=1.0,
    loss_of_fakes=generator_loss, clear=(0, 1), early=False, repeat=1, wrong_optimizer=False,
):  # fmt: skip
    """``own_one_batch`` with one thing changed."""
    fake = generator(torch.randn(len(real), generator.latent_dim))

    def update_discriminator() -> Tensor:
        for _ in range(repeat):
            loss = discriminator_loss(*logits(discriminator, real, fake))
            if 1 in clear:
                optimizers[1].zero_grad()
            (sign * loss).backward(retain_graph=True)
            optimizers[0 if wrong_optimizer else 1].step()
        return loss

    def update_generator(fake_logits: Tensor | None = None) -> Tensor:
        loss = loss_of_fakes(discriminator(fake) if fake_logits is None else fake_logits)
        if 0 in clear:
            optimizers[0].zero_grad()
        gradients = torch.autograd.grad(loss, list(generator.parameters()), retain_graph=True)
        if 1 not in clear:
            loss.backward(retain_graph=True)  # leaves gradients in the discriminator, too
        else:
            for parameter, gradient in zip(generator.parameters(), gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        optimizers[1 if wrong_optimizer else 0].step()
        return loss

    if early:
        old_logits = copy.deepcopy(discriminator)(fake)
        losses = update_discriminator(), update_generator(old_logits)
    else:
        losses = update_discriminator(), update_generator()
    return losses[0].item(), losses[1].item()


def _with(**changed: Any) -> Callable[..., Any]:
    return lambda *inputs: _variant(*inputs, **changed)


def _minus_log_not_fake(fake_logits: Tensor) -> Tensor:
    return F.softplus(fake_logits).mean()


_MISTAKEN_STEPS: dict[str, Callable[..., Any]] = {
    "gradients of the discriminator's loss reach the generator and are added to its own: detach the fakes":
        _with(logits=lambda D, real, fake: (D(real), D(fake)), clear=(1,)),
    "the generator is asked to lower its fakes' logits: its loss is generator_loss, -log D(fake)":
        _with(loss_of_fakes=_minus_log_not_fake),
    "the generator's loss is subtracted: it goes up instead of down":
        _with(loss_of_fakes=lambda logits: -generator_loss(logits)),
    "the generator has the saturating loss log(1 - D(fake)): here it is -log D(fake)":
        _with(loss_of_fakes=lambda logits: F.logsigmoid(-logits).mean()),
    "the discriminator goes up its loss: backward() starts from the loss itself": _with(sign=-1.0),
    "real images and fakes are exchanged in the discriminator's loss":
        _with(logits=lambda D, real, fake: (D(fake.detach()), D(real))),
    "the discriminator sees real images only: its second logits are those of the fakes":
        _with(logits=lambda D, real, fake: (D(real), D(real))),
    "the discriminator sees fakes only: its first logits are those of the real images":
        _with(logits=lambda D, real, fake: (D(fake.detach()), D(fake.detach()))),
    "the logits of the fakes are detached, so the discriminator learns nothing from them: detach the fakes":
        _with(logits=lambda D, real, fake: (D(real), D(fake).detach())),
    "the logits of the real images are detached, so the discriminator learns nothing from them":
        _with(logits=lambda D, real, fake: (D(real).detach(), D(fake.detach()))),
    "the generator learns from the discriminator as it was before its step: update that first, then call it again":
        _with(early=True),
    "the discriminator makes two steps for one batch": _with(repeat=2),
    "optimizers[1].zero_grad() is missing: the discriminator adds old gradients to new ones": _with(clear=(0,)),
    "optimizers[0].zero_grad() is missing: the generator adds old gradients to new ones": _with(clear=(1,)),
}  # fmt: skip


# --- the penalty ---------------------------------------------------------------------------------------------------


@your_turn(gradient_penalty)
def penalty(answer) -> str:
    """``answer(real_logits, real)``: squared norm of the logits' gradient at each image, averaged over the batch."""
    for count in (4, 3):
        critic = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))
        real = torch.rand(count, 1, 6, 6, requires_grad=True)
        found, wanted = (_penalized(function, critic, real) for function in (answer, gradient_penalty))
        compare(found.value, wanted.value, _wrong_penalties(critic, real), "square, sum over pixels, mean over images")
        if found.gradient is None:
            raise Wrong("the penalty itself has no gradient, so it could not train anything: create_graph=True")
        if not close(found.gradient, wanted.gradient):
            raise Wrong("the value is right, but not its gradient for the discriminator's weights: create_graph=True")
    return "the squared norm of the gradient at each real image, averaged, and differentiable itself"


class _Penalized(NamedTuple):
    value: Tensor
    gradient: Any  # for the discriminator's first weights, or None


def _penalized(function: Callable[..., Any], critic: nn.Sequential, real: Tensor) -> _Penalized:
    critic.zero_grad()
    value = _scalar(given(function(critic(real), real)))
    weight = next(critic.parameters())
    if not value.requires_grad:
        return _Penalized(value, None)
    return _Penalized(value, torch.autograd.grad(value, weight, allow_unused=True)[0])


def _wrong_penalties(critic: nn.Sequential, real: Tensor) -> dict[str, Tensor]:
    logits = critic(real)
    (gradient,) = torch.autograd.grad(logits.sum(), real, retain_graph=True)
    squares, each = gradient.square().flatten(1), gradient.flatten(1).norm(dim=1)
    return {
        "this is the norm, not squared": each.mean(),
        "the mean is taken over the pixels, too: sum over the pixels of an image": squares.mean(),
        "this is the sum over the batch: take the mean over the images": squares.sum(),
        "the sum over the batch is taken inside the norm: each image has a norm of its own":
            gradient.sum(0).square().sum(),
        "the factor 1/2 does not belong here: the step has it, with gamma": squares.sum(1).mean() / 2,
        "these are absolute values: square them": gradient.abs().flatten(1).sum(1).mean(),
        "this is the squared norm of the mean gradient": gradient.mean(0).square().sum(),
        "the logits are averaged before the gradient is taken, which divides it by the batch's size: sum them":
            squares.sum(1).mean() / len(real) ** 2,
        "this is (norm - 1)², the penalty of Wasserstein GANs: R1 pulls the norm to 0": (each - 1).square().mean(),
        "these are squared logits, not squared gradients": logits.square().mean(),
        "the gradient is that of the loss, not of the logits": torch.autograd.grad(
            F.softplus(-logits).sum(), real, retain_graph=True)[0].square().flatten(1).sum(1).mean(),
        "the sign is wrong: a squared norm is never negative": -squares.sum(1).mean(),
    }  # fmt: skip
