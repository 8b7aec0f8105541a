"""Experiments of lesson 09: a latent flow's quality by the number of steps, by guidance, and by the space of codes."""

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ae_utils.course.checks.turns09 import own_euler_step, own_guided_velocity, own_heun_step
from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.data.dataset import Batches, Codes
from ae_utils.data.mnist import mnist
from ae_utils.losses.flow import flow_matching
from ae_utils.metrics.classifier import class_probabilities, features, pretrained_classifier
from ae_utils.metrics.conditional import all_digits, within_class_std
from ae_utils.metrics.images import reconstruct
from ae_utils.metrics.latent import codes
from ae_utils.metrics.samples import FrechetDistance, confident_fraction, precision_and_recall
from ae_utils.models import LatentFlow
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.recipes.registry import get
from ae_utils.runs.pretrained import pretrained
from ae_utils.runs.run import Run, load_model
from ae_utils.training.averaged import AveragedStep
from ae_utils.training.loop import fit
from ae_utils.training.schedules import cosine
from ae_utils.training.step import GradientStep, adamw

SAMPLES = 10_000
METHODS = {"euler": own_euler_step, "heun": own_heun_step}
EVALUATIONS = {"euler": 1, "heun": 2}  # of the network, for each step
STEPS = (1, 2, 4, 8, 25)
GUIDANCE = (0.0, 1.0, 1.25, 1.5, 2.0, 4.0)


def trained_flow(seed: int, folder: Path) -> LatentFlow:
    """The recipe's flow of a seed: trained into ``folder``, or loaded where a finished run is there."""
    recipe, folder = get("latent-flow"), folder / "latent-flow"
    if not (folder / "metrics.json").is_file():
        Run(recipe, folder, seed=seed, resume=True).train()
    return cast(LatentFlow, load_model(folder)[1])


@torch.no_grad()
def sampled(flow: LatentFlow, label: Tensor, *, method: str, steps: int, guidance: float) -> Tensor:
    """Images (n, 1, 28, 28) with labels (n,) from the same noise, whatever the method."""
    noise = torch.randn(len(label), flow.latent_dim, generator=torch.Generator().manual_seed(0))
    images = []
    for z, digits in zip(noise.split(1000), label.split(1000), strict=True):

        def velocity(z: Tensor, t: float, digits: Tensor = digits) -> Tensor:
            return own_guided_velocity(flow, z, torch.full((len(z),), t), digits, guidance)

        for step in range(steps):
            z = METHODS[method](velocity, z, step / steps, 1 / steps)
        images.append(flow.autoencoder.decode(z * flow.std + flow.mean))
    return torch.cat(images)


class Quality:
    """The metrics of 10,000 samples, ten digits in turn."""

    def __init__(self) -> None:
        self.classifier, self.train, self.label = pretrained_classifier(), mnist("train"), all_digits(SAMPLES)
        self.distance = FrechetDistance(self.classifier, self.train.x)

    @cached_property
    def real(self) -> Tensor:
        """Features of as many real images as there are samples."""
        return features(self.classifier, self.train.x[:SAMPLES])

    def __call__(self, images: Tensor, *, coverage: bool = False) -> dict[str, float]:
        """Fréchet distance, conditional accuracy, confident fraction; with ``coverage`` also variety and recall."""
        probabilities = class_probabilities(self.classifier, images)
        report = {
            "frechet": self.distance(images),
            "conditional_accuracy": float((probabilities.argmax(1) == self.label).double().mean()),
            "confident_fraction": confident_fraction(probabilities),
        }
        if coverage:
            precision, recall = precision_and_recall(features(self.classifier, images), self.real)
            std = within_class_std(images, self.label)
            report |= {"precision": precision, "recall": recall, "within_class_std": std}
        return report


quality = cache(Quality)  # made when it is first needed


def by_steps(seed: int, folder: Path, *, guidance: float) -> Iterator[Row]:
    """Quality by the method and the number of steps."""
    flow = trained_flow(seed, folder)
    for method, evaluations in EVALUATIONS.items():
        for steps in STEPS:
            images = sampled(flow, quality().label, method=method, steps=steps, guidance=guidance)
            yield {"method": method, "steps": steps, "evaluations": evaluations * steps, **quality()(images)}


def by_guidance(seed: int, folder: Path, *, method: str, steps: int) -> Iterator[Row]:
    """Quality by the strength of guidance."""
    flow = trained_flow(seed, folder)
    for guidance in GUIDANCE:
        images = sampled(flow, quality().label, method=method, steps=steps, guidance=guidance)
        yield {"guidance": guidance, **quality()(images, coverage=True)}


def flow_on(name: str, seed: int) -> LatentFlow:
    """A flow on the codes of a frozen model that comes with the course, trained as the recipe trains its own."""
    train, recipe = mnist("train"), get("latent-flow")
    autoencoder: Any = pretrained(name)
    z = codes(autoencoder, train)
    torch.manual_seed(seed)
    velocity = VelocityNetwork(autoencoder.latent_dim, recipe.settings["width"], recipe.settings["blocks"])
    flow = LatentFlow(autoencoder, velocity)
    flow.mean.copy_(z.mean(0))
    flow.std.copy_(z.std(0))
    x = flow.standardized(z)
    optimizer = adamw(velocity.parameters(), lr=2e-3, weight_decay=0.0)
    step = AveragedStep(GradientStep(flow, flow_matching, optimizer, schedule=cosine))
    batches = Batches(Codes(x, x, train.label), recipe.batch_size, shuffle=True, seed=seed)
    fit(step, batches, epochs=recipe.epochs, seed=seed)
    return cast(LatentFlow, step.model)


def in_space(seed: int, folder: Path, *, space: str, method: str, steps: int, guidance: float) -> Iterator[Row]:
    """A flow on the codes of an autoencoder, or the means of a VAE, beside its reconstructions of the test images."""
    model: Any = pretrained(space)
    flow = trained_flow(seed, folder) if space == "conv-fast" else flow_on(space, seed)
    images = sampled(flow, quality().label, method=method, steps=steps, guidance=guidance)
    floor = quality().distance(reconstruct(model, mnist("test")))
    yield {"frechet_reconstructions": floor, **quality()(images)}


EXPERIMENTS = (
    Experiment(
        "lesson09-steps",
        "How many steps does a sample take, and by which method?",
        by_steps,
        settings={"guidance": 1.25},
        control="latent-flow",
    ),
    Experiment(
        "lesson09-guidance",
        "What does guidance gain, and what does it cost?",
        by_guidance,
        settings={"method": "heun", "steps": 10},
        control="latent-flow",
    ),
    Experiment(
        "lesson09-space",
        "Is the space of a better autoencoder a better space for a flow?",
        in_space,
        settings={"space": "conv-fast", "method": "heun", "steps": 10, "guidance": 1.25},
        control="conv-fast",
        changes={"vae-best": {"space": "vae-best"}},
    ),
)
