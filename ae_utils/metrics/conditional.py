"""Whether a conditional model draws the digit it is asked for, and whether the class is in the code or in the label."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.data.dataset import Batch, Batches, Codes, Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.classifier import Classify
from ae_utils.networks.conditional import LABELS
from ae_utils.protocols import Decodes, Module, Reconstructs, Variational
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, LossTerms, adam

PROBE_WIDTH, PROBE_STEPS, PROBE_BATCH, PROBE_RATE = 128, 600, 250, 5e-3  # of the classifier of codes


def conditional_accuracy(classify: Classify, images: Tensor, label: Tensor) -> float:
    """The fraction of images (n, 1, 28, 28) classified as the label they are conditioned on (n,)."""
    return float((classify(images) == label).double().mean())


def all_digits(count: int) -> Tensor:
    """``count`` labels that run through 0 to 9 again and again → (count,) int64."""
    return torch.arange(count) % 10


@torch.no_grad()
def draw(model: Decodes, label: Tensor, *, temperature: float = 1.0, seed: int = 0) -> Tensor:
    """One sample for each label (n,), its code from the prior N(0, temperature² I) → (n, 1, 28, 28).

    A learned prior turns that noise into codes first.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    z = temperature * torch.randn(len(label), model.latent_dim, generator=generator)
    z = model.prior.codes(z.to(_device(model))) if hasattr(model, "prior") else z
    parts = zip(z.to(_device(model)).split(1000), label.to(_device(model)).split(1000), strict=True)
    return torch.cat([model.decode(*part) for part in parts]).cpu()


def random_other_labels(label: Tensor, *, seed: int = 0) -> Tensor:
    """For each label (n,) one of the other nine, all equally likely."""
    generator = torch.Generator().manual_seed(seed)
    return (label + torch.randint(1, 10, label.shape, generator=generator)) % 10


@torch.no_grad()
def decode_with_labels(model: Reconstructs, images: Images, label: Tensor) -> Tensor:
    """The images' own codes decoded with ``label`` (n,): the same style, another digit → (n, 1, 28, 28)."""
    model.eval()
    parts = zip(*(part.to(_device(model)).split(1000) for part in (images.x, images.label, label)), strict=True)
    return torch.cat([model.decode(model.encode(x, own), other) for x, own, other in parts]).cpu()


def class_information(model: Variational, train: Images, test: Images, *, seed: int = 0) -> float:
    """A lower bound of I(z; y), the information in nats about the label in codes drawn from q(z|x, y).

    log 10 minus the cross-entropy on ``test`` of a classifier of codes, one hidden layer fitted to ``train``: 0 when
    the code does not tell the label, at most log 10 = 2.303. A bound because no classifier's cross-entropy is below
    H(y|z) (Barber and Agakov 2003), with log 10 for H(y): ten labels that are equally frequent.
    """
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        drawn, tested = _drawn_codes(model, train), _drawn_codes(model, test)
        hidden = nn.Linear(model.latent_dim, PROBE_WIDTH), nn.SiLU()
        classifier = nn.Sequential(*hidden, nn.Linear(PROBE_WIDTH, LABELS))
        step = GradientStep(classifier, _classification, adam(classifier.parameters(), PROBE_RATE), schedule=one_cycle)
        epochs = math.ceil(PROBE_STEPS * PROBE_BATCH / len(drawn))
        fit(step, Batches(drawn, PROBE_BATCH, shuffle=True, seed=seed), epochs=epochs, seed=seed)
        cross_entropy = step.evaluate(Batch(tested.x, tested.target, tested.label))["loss"].item()
    return max(0.0, math.log(LABELS) - cross_entropy)


@torch.no_grad()
def _drawn_codes(model: Variational, images: Images) -> Codes:
    """One z from the posterior of each image."""
    model.eval()
    parameters = [model.posterior(batch.x, batch.label) for batch in Batches(images, 1000)]
    z = torch.cat([mu + torch.exp(0.5 * logvar) * torch.randn_like(mu) for mu, logvar in parameters])
    return Codes(z, z, images.label)


def _classification(classifier: nn.Module, batch: Batch, progress: float) -> LossTerms:
    return {"loss": F.cross_entropy(classifier(batch.x), batch.label)}


def within_class_std(images: Tensor, label: Tensor) -> float:
    """A pixel's standard deviation among the images of one label, averaged over pixels and labels.

    0 when all images of a label are equal; about 0.156 for real digits. Raises ``InvalidInput`` for a label with a
    single image.
    """
    if _smallest_class(label) < 2:
        raise InvalidInput("within_class_std expects at least 2 images of every label.")
    classes = [images[label == digit] for digit in label.unique()]
    return float(torch.stack([members.flatten(1).std(0).mean() for members in classes]).mean())


def conditional_report(
    model: Reconstructs, classifiers: dict[str, Classify], images: Images, *, count: int = 10_000
) -> dict[str, float]:
    """Conditional accuracy of ``count`` samples and of codes decoded with other labels; within-class std.

    Keys: ``sampled_NAME``, ``other_label_NAME`` and, for the real images, ``real_NAME`` for each classifier;
    ``sampled_within_class_std``, ``reconstructed_within_class_std``, ``real_within_class_std``, only where every
    label has two images.
    """
    sampled, other = all_digits(count), random_other_labels(images.label)
    shown = {
        "sampled": (draw(model, sampled), sampled),
        "other_label": (decode_with_labels(model, images, other), other),
    }
    shown["real"] = (images.target, images.label)
    report = {
        f"{kind}_{name}": conditional_accuracy(classify, *pair)
        for kind, pair in shown.items()
        for name, classify in classifiers.items()
    }
    shown["reconstructed"] = (decode_with_labels(model, images, images.label), images.label)
    return report | {
        f"{kind}_within_class_std": within_class_std(*shown[kind])
        for kind in ("sampled", "reconstructed", "real")
        if _smallest_class(shown[kind][1]) >= 2
    }


def _smallest_class(label: Tensor) -> int:
    """The number of images of the rarest label that occurs."""
    return int(label.unique(return_counts=True)[1].min())


def _device(model: Module) -> torch.device:
    return next(model.parameters(), torch.empty(0)).device
