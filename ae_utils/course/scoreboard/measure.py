"""What the scoreboard measures of a trained model: a table of columns, each with the models it makes sense for."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ae_utils.metrics.classifier import class_probabilities, classify_with, features, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, conditional_accuracy, draw
from ae_utils.metrics.images import mse, psnr, reconstruct, ssim
from ae_utils.metrics.latent import codes, linear_probe
from ae_utils.metrics.likelihood import active_units, binary, elbo, log_likelihood
from ae_utils.metrics.samples import FrechetDistance, confident_fraction, precision_and_recall
from ae_utils.models import CVAE, VAE, LatentFlow
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.registry import get

DRAWN, CODED, WEIGHED, SAMPLES, LABELLED = 10_000, 10_000, 1000, 200, 1000  # what they count: protocol.md
PROTOCOL = (Path(__file__).parent / "protocol.md").read_text(encoding="utf-8").format(**globals())


class EvaluationContext:
    """What is the same for every model: the digit classifier and the images (``images`` of them, as in training)."""

    def __init__(self, images: int | None = None):
        self.train, self.test = get("vanilla").images(count=images)
        self.train_subset, self.classifier = self.train[:CODED], pretrained_classifier()
        self.labels = all_digits(min(DRAWN, len(self.test)))

    frechet = cached_property(lambda self: FrechetDistance(self.classifier, self.train.x))
    frechet_real = cached_property(lambda self: self.frechet(self.test.x))
    train_features = cached_property(lambda self: features(self.classifier, self.train.x[: len(self.labels)]))


class EvaluatedModel:
    """A trained model in a context: what it can do, and what several columns need of it, computed once."""

    def __init__(self, recipe: Recipe, model: Any, context: EvaluationContext, report: dict[str, Any]):
        self.model, self.context, self.report = model.eval(), context, report
        self.prior, self.reconstructs, self.variational = recipe.prior, hasattr(model, "encode"), isinstance(model, VAE)
        self.conditional = isinstance(model, CVAE | LatentFlow)
        self.probed = self.reconstructs and not self.conditional
        self.has_likelihood = self.variational and getattr(recipe.objective, "keywords", {}).get("binarize", False)

    x_hat = cached_property(lambda self: reconstruct(self.model, self.context.test))
    codes = cached_property(lambda self: codes(self.model, self.context.train_subset))
    samples = cached_property(lambda self: self.draw(self.context.labels))
    precision_and_recall = cached_property(
        lambda self: precision_and_recall(features(self.context.classifier, self.samples), self.context.train_features)
    )
    binary = cached_property(lambda self: binary(self.context.test))
    # not the first ones, which are easier
    binary_subset = cached_property(lambda self: self.binary[:: -(-len(self.binary) // WEIGHED)])

    @torch.no_grad()
    def draw(self, label: Tensor) -> Tensor:
        """One sample for each label (n,), which only a conditional model depends on → (n, 1, 28, 28)."""
        if self.prior:
            return draw(self.model, label)
        z = torch.randn(len(label), self.model.latent_dim, generator=torch.Generator().manual_seed(0)).double()
        variance, directions = torch.linalg.eigh(torch.cov(self.codes.double().T))
        z = self.codes.mean(0) + (z * variance.clamp(min=0).sqrt() @ directions.T).float()
        return torch.cat([self.model.decode(part) for part in z.split(1000)])

    def linear_probe(self) -> Tensor:
        """Accuracies of the linear probe, one for each draw of labelled codes."""
        test_codes, subset, test = codes(self.model, self.context.test), self.context.train_subset, self.context.test
        return linear_probe(self.codes, subset.label, test_codes, test.label, count=min(LABELLED, len(subset)))

    def reported(self, *names: str) -> float | None:
        """The first of ``names`` that the recipe's own evaluation reports."""
        return next((self.report["test"][name] for name in names if name in self.report["test"]), None)

    def reported_ratio(self, one: str, other: str) -> float | None:
        """The first of two such numbers over the second, where both are reported."""
        top, bottom = self.reported(one), self.reported(other)
        return top / bottom if top is not None and bottom else None

    def columns(self) -> dict[str, float | None]:
        """Every column for this model; ``None`` where it makes no sense."""
        found = {}
        for name, (_, _, who, number) in COLUMNS.items():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                value = number(self) if getattr(self, who) else None
            found[name] = float(value.double().mean()) if isinstance(value, Tensor) else value
        return found


def _conditional_accuracy(model: Any) -> float:
    context = model.context
    return conditional_accuracy(classify_with(context.classifier), model.samples, context.labels)


def _confident_fraction(model: Any) -> float:
    return confident_fraction(class_probabilities(model.context.classifier, model.samples))


def _cpu_seconds(model: Any) -> float | None:
    own = model.report["cpu_seconds"]
    return own if own is None else own + (model.reported("autoencoder_cpu_seconds") or 0)


def _std_ratio(model: Any) -> float | None:
    return model.reported_ratio("sampled_within_class_std", "reconstructed_within_class_std")


# name: title, decimals, the models it makes sense for (an attribute of EvaluatedModel), the number, or one per image
COLUMNS = {
    "parameters": ("parameters", 0, "model", lambda m: m.report["parameters"]),
    "latent_dim": ("code size", 0, "model", lambda m: m.model.latent_dim),
    "cpu_seconds": ("CPU-s", 0, "model", _cpu_seconds),
    "mse": ("MSE", 5, "reconstructs", lambda m: mse(m.x_hat, m.context.test.x)),
    "psnr": ("PSNR", 2, "reconstructs", lambda m: psnr(m.x_hat, m.context.test.x)),
    "ssim": ("SSIM", 3, "reconstructs", lambda m: ssim(m.x_hat, m.context.test.x)),
    "frechet_reconstructions": ("Fréchet, reconstructions", 2, "reconstructs", lambda m: m.context.frechet(m.x_hat)),
    "frechet_samples": ("Fréchet, samples", 2, "model", lambda m: m.context.frechet(m.samples)),
    "precision": ("precision", 3, "model", lambda m: m.precision_and_recall[0]),
    "recall": ("recall", 3, "model", lambda m: m.precision_and_recall[1]),
    "confident_fraction": ("confident", 3, "model", _confident_fraction),
    "frechet_real": ("Fréchet, real", 2, "model", lambda m: m.context.frechet_real),
    "conditional_accuracy": ("conditional accuracy", 3, "conditional", _conditional_accuracy),
    "conditional_accuracy_nn": (
        "…, nearest neighbours", 3, "conditional", lambda m: m.reported("sampled_nearest_neighbours"),
    ),
    "other_label_accuracy": ("other label", 3, "conditional", lambda m: m.reported("other_label_classifier")),
    "within_class_ratio": ("within-class std ratio", 2, "conditional", _std_ratio),
    "negative_elbo": ("−ELBO", 2, "has_likelihood", lambda m: -elbo(m.model, m.binary)),
    "log_likelihood": (
        "log p(x)", 2, "has_likelihood", lambda m: log_likelihood(m.model, m.binary_subset, samples=SAMPLES),
    ),
    "active_units": ("active units", 0, "variational", lambda m: int(active_units(m.model, m.binary).sum())),
    "linear_probe": ("linear probe", 3, "probed", EvaluatedModel.linear_probe),
    "psnr_before": ("PSNR before", 2, "reconstructs", lambda m: m.reported("gaussian_noisy_psnr", "altered_psnr")),
    "psnr_after": ("PSNR after", 2, "reconstructs", lambda m: m.reported("gaussian_denoised_psnr", "restored_psnr")),
}  # fmt: skip
