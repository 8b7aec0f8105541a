"""Every exhibit under the probes that fit, buggy and mended.

``python -m ae_utils.course.museum.exhibits`` writes ``results/probes.md``.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from ae_utils.course.museum import bugs
from ae_utils.course.museum.sources import SOURCES, Source
from ae_utils.course.probes.data import leak_of_test_data, no_batch_of_one, order_changes
from ae_utils.course.probes.diagnose import diagnose
from ae_utils.course.probes.evaluation import average_of_weights, evaluation_mode, same_in_company
from ae_utils.course.probes.finding import FINE, SUSPICIOUS, Finding
from ae_utils.course.probes.gan import gan_gradients
from ae_utils.data.dataset import Batch, Batches, Images
from ae_utils.data.mnist import mnist
from ae_utils.data.noise import gaussian
from ae_utils.files import atomic_write
from ae_utils.losses.regularized import denoising
from ae_utils.losses.vae import negative_elbo
from ae_utils.models import CVAE, VAE, Autoencoder, Discriminator, Generator
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.networks.dense import dense, dense_decoder, dense_encoder, linear_bn_act
from ae_utils.seeds import own_random_numbers
from ae_utils.training.step import Objective

if TYPE_CHECKING:
    import pandas as pd

REPORT = Path(__file__).parents[3] / "results" / "probes.md"
Made = Callable[[], tuple[nn.Module, Objective]]


class Exhibit(NamedTuple):
    """A mistake. ``measure(buggy)`` applies all probes that fit to the buggy or to the mended version."""

    place: str  # "1" to "10" in the lesson, "exercise 1" to "exercise 5", "storeroom"
    name: str
    measure: Callable[[bool], list[Finding]]

    def findings(self, buggy: bool) -> list[Finding]:
        """What the probes find, the same each time; random numbers outside stay as they were."""
        return _measured(self.measure, buggy)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where it was published or asked about."""
        return SOURCES[self.name]


@cache
def _measured(measure: Callable[[bool], list[Finding]], buggy: bool) -> list[Finding]:
    with own_random_numbers(0):
        return measure(buggy)


def _batch(count: int = 32) -> Batch:
    images = mnist("train")[:count]
    return Batch(images.x, images.x, images.label)


def _diagnosed(buggy: Made, mended: Made) -> Callable[[bool], list[Finding]]:
    def findings(is_bugged: bool) -> list[Finding]:
        model, objective = (buggy if is_bugged else mended)()
        return list(diagnose(model, objective, _batch()))

    return findings


def _vae(kind: type[VAE] = VAE) -> VAE:
    return bugs.small_vae(8, 64, kind)


def _denoiser() -> Autoencoder:
    return Autoencoder(dense_encoder((64, 16)), dense_decoder((16, 64)), 16)


def _norms() -> Autoencoder:
    """An autoencoder with BatchNorm in the encoder and in the decoder."""
    encoder = nn.Sequential(nn.Flatten(), *linear_bn_act(784, 32), nn.Linear(32, 8))
    decoder = nn.Sequential(*linear_bn_act(8, 32), nn.Linear(32, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
    return Autoencoder(encoder, decoder, 8)


def _cvae(kind: type[CVAE]) -> CVAE:
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), *dense((794, 64, 16)))
    unflatten = nn.Unflatten(1, (1, 28, 28))
    if kind is bugs.DeafCVAE:
        return kind(encoder, nn.Sequential(*dense((8, 64, 784)), unflatten), 8)
    return kind(encoder, ConditionalSequential(ConcatLabel(), *dense((18, 64, 784)), unflatten), 8)


def _listed(buggy: bool) -> VAE:
    encoder = bugs.ListEncoder((784, 64, 16)) if buggy else dense_encoder((64, 16))
    return VAE(encoder, dense_decoder((8, 64), last=nn.Identity), 8)


def _narrow(buggy: bool) -> list[Finding]:
    x = _batch().x[..., 4:24]  # 28 rows, 20 columns
    decoder = bugs.image_decoder(8, 64, 28, 20) if buggy else bugs.mended_decoder(8, 64, 28, 20)
    model = Autoencoder(nn.Sequential(nn.Flatten(), *dense((560, 64, 8))), decoder, 8)
    return list(diagnose(model, bugs.flat_error, Batch(x, x, _batch().label)))


def _gan(buggy: bool) -> list[Finding]:
    generator = Generator(nn.Sequential(*dense((8, 64, 784)), nn.Unflatten(1, (1, 28, 28))), 8)
    half = bugs.second_half if buggy else bugs.loss_of_generator
    discriminator = Discriminator(dense_encoder((64, 1)))
    return [gan_gradients(generator, discriminator, half, bugs.loss_of_discriminator, _batch().x)]


def _samples(buggy: bool) -> list[Finding]:
    model, sample = _norms().train(), bugs.decoded if buggy else bugs.decoded_in_evaluation
    return [same_in_company(partial(sample, model), torch.randn(16, 8))]


def _order(buggy: bool) -> list[Finding]:
    return [order_changes((bugs.SeededBatches if buggy else Batches)(mnist("train")[:100], 20, shuffle=True))]


def _leak(buggy: bool) -> list[Finding]:
    train, test = mnist("train").x[:20], mnist("test").x[:20]
    return [leak_of_test_data(bugs.prepared if buggy else bugs.centred, train, test)]


def _left_over(buggy: bool) -> list[Finding]:
    images = mnist("train")[:65]
    return [no_batch_of_one(_norms(), bugs.slices(images, 32) if buggy else Batches(images, 32))]


def _evaluated(buggy: bool) -> list[Finding]:
    evaluate = bugs.error_after_epoch if buggy else bugs.mended_error
    return [evaluation_mode(_norms(), partial(_on_images, evaluate))]


def _on_images(evaluate: Callable[[nn.Module, Images], float], model: nn.Module) -> float:
    return evaluate(model, mnist("test")[:40])


def _bound(buggy: bool) -> list[Finding]:
    return [average_of_weights(bugs.bound_of_samples if buggy else bugs.mended_bound)]


def _healthy_vae() -> tuple[nn.Module, Objective]:
    return _vae(), negative_elbo


EXHIBITS = (
    Exhibit("1", "mean over pixels", _diagnosed(lambda: (_vae(), bugs.vae_loss), _healthy_vae)),
    Exhibit("2", "a sign in the KL", _diagnosed(lambda: (_vae(), bugs.elbo_from_memory), _healthy_vae)),
    Exhibit("3", "logvar taken for std", _diagnosed(lambda: (_vae(bugs.RewrittenVAE), negative_elbo), _healthy_vae)),
    Exhibit("4", "sigmoid twice", _diagnosed(lambda: (bugs.pixel_vae(8, 64), negative_elbo), _healthy_vae)),
    Exhibit(
        "5",
        "noisy target",
        _diagnosed(
            lambda: (_denoiser(), bugs.denoising_loss), lambda: (_denoiser(), partial(denoising, corrupt=gaussian))
        ),
    ),
    Exhibit("6", "detach in the wrong half", _gan),
    Exhibit("7", "samples without eval()", _samples),
    Exhibit("8", "the same shuffle each epoch", _order),
    Exhibit("9", "test data in the training mean", _leak),
    Exhibit("10", "a batch of one", _left_over),
    Exhibit("exercise 1", "a factor in the KL", _diagnosed(lambda: (_vae(), bugs.lecture_elbo), _healthy_vae)),
    Exhibit("exercise 2", "KL times a one-hot label", _diagnosed(lambda: (_vae(), bugs.kl_of_classes), _healthy_vae)),
    Exhibit("exercise 3", "evaluation in training mode", _evaluated),
    Exhibit("exercise 4", "weights averaged as logarithms", _bound),
    Exhibit("exercise 5", "height and width swapped", _narrow),
    Exhibit(
        "storeroom",
        "the label is ignored",
        _diagnosed(lambda: (_cvae(bugs.DeafCVAE), negative_elbo), lambda: (_cvae(CVAE), negative_elbo)),
    ),
    Exhibit(
        "storeroom",
        "layers in a list",
        _diagnosed(lambda: (_listed(True), negative_elbo), lambda: (_listed(False), negative_elbo)),
    ),
)


def table() -> "pd.DataFrame":
    """A table of exhibits and probes: "caught", "fine", or nothing where the probe does not apply."""
    import pandas as pd

    rows = {exhibit.name: {finding.probe: _mark(finding) for finding in exhibit.findings(True)} for exhibit in EXHIBITS}
    columns = list(dict.fromkeys(chain.from_iterable(rows.values())))
    return pd.DataFrame(rows.values(), index=list(rows), columns=columns).fillna("")


def _mark(finding: Finding) -> str:
    return {SUSPICIOUS: "caught", FINE: "fine"}.get(finding.verdict, "")


def report() -> str:
    """The table, and for each exhibit its sources and what the probe that caught it says."""
    lines = ["# The bug museum under the probes", "", "Made by `python -m ae_utils.course.museum.exhibits`.", ""]
    found = table()
    lines += ["| exhibit | " + " | ".join(found.columns) + " |", "|---" * (len(found.columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in zip(found.index, found.values.tolist(), strict=True)]
    lines += ["", "| exhibit | probe | what it says | mended |", "|---|---|---|---|"]
    for exhibit in EXHIBITS:
        mended = {finding.probe: finding for finding in exhibit.findings(False)}
        lines += [
            f"| {exhibit.name} | {finding.probe} | {finding.sentence} | {mended[finding.probe].verdict} |"
            for finding in exhibit.findings(True)
            if finding.verdict == SUSPICIOUS
        ]
    lines += ["", "| exhibit | published or asked about |", "|---|---|"]
    lines += [f"| {exhibit.name} | {_linked(source)} |" for exhibit in EXHIBITS for source in exhibit.sources]
    return "\n".join((*lines, ""))


def _linked(source: Source) -> str:
    name, _, said = str(source).partition(": ")
    return f"[{name}]({source.link}): {said}"


if __name__ == "__main__":
    with atomic_write(REPORT) as path:
        path.write_text(report(), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"), end="")
