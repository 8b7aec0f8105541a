"""Checks of lesson 05: a label's vector, a VAE whose decoder alone is conditioned, the gain of a restoration."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import Wrong, check, given, same
from ae_utils.metrics.images import psnr
from ae_utils.models import VAE

WIDTH, LATENT = 5, 3
LABEL = torch.tensor([3, 1, 4, 1, 9, 2])


@check
def label_vectors(answer) -> str:
    """``answer(label, table)``: each label's row of ``table`` (10, width), by a matrix product → (n, width)."""
    table = torch.randn(10, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()
    result, wanted = given(answer(LABEL, table)), F.embedding(LABEL, table)
    if not isinstance(result, Tensor) or result.shape != wanted.shape:
        raise Wrong(f"six labels and a table of width 5 give shape (6, 5), but {_shape(result)} came back")
    if not result.requires_grad:
        raise Wrong(
            "the right shape, but no gradient reaches the table, so it could never learn: no detach, no no_grad"
        )
    if same(result, wanted.softmax(1)) or same(result, F.normalize(wanted, dim=1)):
        raise Wrong("the rows themselves are asked for: nothing is normalised")
    if same(result, F.embedding((LABEL + 9) % 10, table)) or same(result, F.embedding((LABEL + 1) % 10, table)):
        raise Wrong("off by one: label 0 has row 0")
    if not same(result, wanted):
        raise Wrong(f"label 3 should give {_numbers(wanted[0])}, but gives {_numbers(result[0])}")
    return "the same as nn.Embedding, and the table can learn"


@check
def decoder_only(answer) -> str:
    """``answer(encoder, decoder, latent_dim)``: a VAE whose decoder alone is conditioned on the label."""
    model = given(answer(*_parts()))
    if not isinstance(model, VAE):
        raise Wrong("build a VAE (a subclass of it): forward and decode are written there already")
    model.eval()
    x, other = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1)), (LABEL + 5) % 10
    with torch.no_grad():
        mu, logvar = model.posterior(x, LABEL)
        wanted_mu, wanted_logvar = model.encoder(x).chunk(2, 1)
        if not same(mu, model.posterior(x, other)[0]):
            raise Wrong("another label gives another mu: the encoder must not depend on it")
        if same(mu, wanted_logvar) and same(logvar, wanted_mu):
            raise Wrong("mu and logvar are swapped: mu is the first half")
        if not same(mu, wanted_mu) or not same(logvar, wanted_logvar):
            raise Wrong("mu and logvar are the two halves of what the encoder returns, as they are")
        pictures, others = (model.decode(mu, label) for label in (LABEL, other))
        if same(pictures, others):
            raise Wrong("the decoder returns the same for every label: it is not conditioned on it")
        swapped = model.decoder(torch.cat((F.one_hot(LABEL, 10), mu), 1)).sigmoid()
        if same(pictures, swapped):
            raise Wrong("the label stands in front of the code: z first, then the label, as everywhere in the course")
        if not same(pictures, model.decoder(torch.cat((mu, F.one_hot(LABEL, 10)), 1)).sigmoid()):
            raise Wrong("the decoder works on cat(z, one_hot(label)), and the sigmoid comes once, in decode")
    return "the decoder is conditioned on the label, the encoder is not"


@check
def restoration_gain(answer) -> str:
    """``answer(restore, clean, alter)``: by how many dB restoring brings altered images nearer to the clean ones."""
    clean = (torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1)) > 0.7).float()
    result = torch.as_tensor(given(answer(_toy_restore, clean, _toy_alter)), dtype=torch.float32)
    altered = _toy_alter(clean)
    restored = _toy_restore(altered)
    before, after = psnr(altered, clean), psnr(restored, clean)
    if result.ndim:
        raise Wrong(f"one number for all images is expected, but {_shape(result)} came back: take the mean")
    mistakes = {
        "the sign is wrong: restored minus altered, so that a gain is positive": (before - after).mean(),
        "this is the PSNR after restoring; what was it before?": after.mean(),
        "the model is to be shown the altered images, not the clean ones": (
            psnr(_toy_restore(clean), clean) - before
        ).mean(),
        "compare with the clean images: nearness to the altered ones is nothing to be proud of": (
            psnr(restored, altered) - before
        ).mean(),
    }
    for sentence, mistake in mistakes.items():
        if same(result, mistake, 1e-3):
            raise Wrong(sentence)
    if not same(result, (after - before).mean(), 1e-3):
        raise Wrong(
            f"here it is {(after - before).mean():.2f} dB (mean over images of each one's), but you get {result:.2f}"
        )
    return "the gain in dB, against the clean images"


def _toy_alter(x: Tensor) -> Tensor:
    ramp = torch.linspace(0.2, 0.6, len(x)).view(-1, 1, 1, 1)  # every image differs, so the mean of dB matters
    return x * (1 - ramp) + 0.3 * ramp


def _toy_restore(x: Tensor) -> Tensor:
    return (1.05 * x - 0.01).clamp(0, 1)


def _parts() -> tuple[nn.Module, nn.Module, int]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 2 * LATENT))
        return encoder, nn.Sequential(nn.Linear(LATENT + 10, 784), nn.Unflatten(1, (1, 28, 28))), LATENT


def _numbers(row: Tensor) -> str:
    return "[" + ", ".join(f"{float(number):.2f}" for number in row.detach()) + "]"


def _shape(value) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
