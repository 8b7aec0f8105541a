"""What the scoreboard measures of a trained model: a table of columns, each with those it makes sense for."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ae_utils.metrics.codes import codes, linear_probe
from ae_utils.metrics.distance import FrechetDistance
from ae_utils.metrics.images import mse, psnr, reconstruct, ssim
from ae_utils.metrics.likelihood import active_units, binary, elbo, log_likelihood
from ae_utils.metrics.obedience import all_digits, classifier, draw, obedience
from ae_utils.models import CVAE, VAE
from ae_utils.recipes.catalogue import find
from ae_utils.recipes.recipe import Recipe
from ae_utils.recipes.trained import trained

DRAWN, CODED, WEIGHED, SAMPLES, LABELLED = 10_000, 10_000, 1000, 200, 1000  # what they count: protocol.md
PROTOCOL = (Path(__file__).parent / "protocol.md").read_text(encoding="utf-8").format(**globals())


class Stage:
    """What is the same for every model: the judge, and the images (with ``images`` only so many, as in training)."""

    def __init__(self, images: int | None = None):
        self.train, self.test = find("vanilla").images(count=images)
        self.few, self.judge = self.train[:CODED], trained("judge")
        self.asked = all_digits(min(DRAWN, len(self.test)))

    distance = cached_property(lambda self: FrechetDistance(self.judge, self.train.x))
    real = cached_property(lambda self: self.distance(self.test.x))


class Subject:
    """A trained model on the stage: what it can do, and what several columns need of it, made once."""

    def __init__(self, recipe: Recipe, model: Any, stage: Stage, report: dict[str, Any]):
        self.model, self.stage, self.report, self.rebuilds = model.eval(), stage, report, hasattr(model, "encode")
        self.variational, self.told = isinstance(model, VAE), isinstance(model, CVAE)
        self.reads = self.rebuilds and not self.told
        self.weighs = self.variational and getattr(recipe.objective, "keywords", {}).get("binarize", False)

    x_hat = cached_property(lambda self: reconstruct(self.model, self.stage.test))
    codes = cached_property(lambda self: codes(self.model, self.stage.few))
    drawn = cached_property(lambda self: self.draw(self.stage.asked))
    binary = cached_property(lambda self: binary(self.stage.test))
    some = cached_property(lambda self: self.binary[:: -(-len(self.binary) // WEIGHED)])  # the first ones are easier

    @torch.no_grad()
    def draw(self, label: Tensor) -> Tensor:
        """A picture for each label (n,), which only a conditional model heeds → (n, 1, 28, 28)."""
        if self.variational or not self.rebuilds:
            return draw(self.model, label)
        z = torch.randn(len(label), self.model.latent_dim, generator=torch.Generator().manual_seed(0)).double()
        variance, directions = torch.linalg.eigh(torch.cov(self.codes.double().T))
        z = self.codes.mean(0) + (z * variance.clamp(min=0).sqrt() @ directions.T).float()
        return torch.cat([self.model.decode(part) for part in z.split(1000)])

    def probe(self) -> Tensor:
        """The linear probe's shares, one a draw."""
        seen, few, test = codes(self.model, self.stage.test), self.stage.few, self.stage.test
        return linear_probe(self.codes, few.label, seen, test.label, count=min(LABELLED, len(few)))

    def seen(self, *names: str) -> float | None:
        """The first of ``names`` that the recipe's own evaluation reports."""
        return next((self.report["test"][name] for name in names if name in self.report["test"]), None)

    def seen_ratio(self, one: str, other: str) -> float | None:
        """The first of two such numbers over the second, where both are reported."""
        top, bottom = self.seen(one), self.seen(other)
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


# name: title, decimals, whom it makes sense for (an attribute of Subject), the number, or one for each image
COLUMNS = {
    "parameters": ("parameters", 0, "model", lambda s: s.report["parameters"]),
    "code": ("code", 0, "model", lambda s: s.model.latent_dim),
    "cpu_seconds": ("CPU-s", 0, "model", lambda s: s.report["cpu_seconds"]),
    "mse": ("MSE", 5, "rebuilds", lambda s: mse(s.x_hat, s.stage.test.x)),
    "psnr": ("PSNR", 2, "rebuilds", lambda s: psnr(s.x_hat, s.stage.test.x)),
    "ssim": ("SSIM", 3, "rebuilds", lambda s: ssim(s.x_hat, s.stage.test.x)),
    "frechet_rebuilt": ("Fréchet, rebuilt", 2, "rebuilds", lambda s: s.stage.distance(s.x_hat)),
    "frechet_drawn": ("Fréchet, drawn", 2, "model", lambda s: s.stage.distance(s.drawn)),
    "frechet_real": ("Fréchet, real", 2, "model", lambda s: s.stage.real),
    "obedience": ("obedience", 3, "told", lambda s: obedience(classifier(s.stage.judge), s.drawn, s.stage.asked)),
    "obedience_neighbours": ("obedience, neighbours", 3, "told", lambda s: s.seen("sampled_neighbours")),
    "swapped": ("swapped", 3, "told", lambda s: s.seen("swapped_judge")),
    "variety": ("variety", 2, "told", lambda s: s.seen_ratio("sampled_variety", "reconstructed_variety")),
    "negative_elbo": ("−ELBO", 2, "weighs", lambda s: -elbo(s.model, s.binary)),
    "log_likelihood": ("log p(x)", 2, "weighs", lambda s: log_likelihood(s.model, s.some, samples=SAMPLES)),
    "active_units": ("active units", 0, "variational", lambda s: int(active_units(s.model, s.binary).sum())),
    "probe": ("linear probe", 3, "reads", Subject.probe),
    "psnr_damaged": ("PSNR before", 2, "rebuilds", lambda s: s.seen("gaussian_noisy_psnr", "altered_psnr")),
    "psnr_restored": ("PSNR after", 2, "rebuilds", lambda s: s.seen("gaussian_denoised_psnr", "restored_psnr")),
}
