"""An epoch through the published loop and through ours, for every family of models: CPU-seconds and memory.

    OMP_NUM_THREADS=1 python tests/benchmarks/loop.py [NAME …]

"Published" is a DataLoader over torchvision's MNIST with ToTensor, and plain Adam; model, objective and batch size are
the recipe's in both (and so is the step of a GAN). "The step alone" is the recipe's forward pass, backward pass and
optimizer on batches that lie in memory: the rest of ours is the loop's own (shuffling, cutting out batches, means).
Each epoch runs in a process of its own, after a short one to warm up, on the first 6,400 images; seconds are those of
60,000 at the same pace, reading the files not counted; the smaller of two. Writes results/loop.csv. Three minutes of
one core.
"""

import math
import multiprocessing
import os
import resource
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pandas as pd
import torch
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from ae_utils.data.dataset import Batch, Batches
from ae_utils.data.mnist import data_folder, mnist, unpacked
from ae_utils.models import Generator
from ae_utils.recipes.registry import get
from ae_utils.training.loop import fit
from ae_utils.training.step import GradientStep

RESULTS = Path(__file__).parents[2] / "results"
FAMILIES = (
    "vanilla", "linear-3d", "deep-3d", "conv", "conv-batchnorm", "conv-maxpool", "sparse-l1", "denoising",
    "contractive", "vae", "gan", "gan-conv", "altered-ae", "altered-vae",
)  # fmt: skip
IMAGES, ALL = 6400, 60_000
PARTS = ("forward", "backward", "optimizer")
COLUMNS = (
    "recipe", "published_seconds", "our_seconds", "ratio", "published_megabytes", "our_megabytes",
    "step_seconds", *(f"{part}_seconds" for part in PARTS), "step_share",
)  # fmt: skip


def loader(count: int = ALL, batch_size: int = 64, *, pixel_range: tuple[float, float] = (0, 1)) -> DataLoader:
    """The first ``count`` digits, each turned into a tensor when it comes up."""
    transform = ToTensor() if pixel_range == (0, 1) else Compose([ToTensor(), Normalize(0.5, 0.5)])
    digits = MNIST(str(unpacked(data_folder())), train=True, transform=transform)
    return DataLoader(Subset(digits, range(count)), batch_size=batch_size, shuffle=True)


def published_epoch(name: str, count: int = IMAGES, batch_size: int | None = None, **settings) -> float:
    """CPU-seconds of one epoch of ``count`` images through the loop of most tutorials."""
    recipe = get(name)
    model = recipe.build(**settings)
    adversarial = recipe.step(recipe, model) if isinstance(model, Generator) else None
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    batches = loader(count, batch_size or recipe.batch_size, pixel_range=recipe.pixel_range)
    began = time.process_time()
    for x, label in batches:
        batch = Batch(x, x, label)
        if adversarial:
            adversarial.train(batch, 0.0)
            continue
        loss = recipe.objective(model, batch, 0.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - began


def our_epoch(name: str, count: int = IMAGES, batch_size: int | None = None, **settings) -> float:
    """The same through ``fit``."""
    recipe = get(name)
    train = mnist("train")[:count]
    batches = Batches(train.to_range(*recipe.pixel_range), batch_size or recipe.batch_size, shuffle=True)
    step = recipe.step(recipe, recipe.build(**settings))
    began = time.process_time()
    fit(step, batches, epochs=1, seed=0)
    return time.process_time() - began


def step_epoch(name: str, count: int = IMAGES, batch_size: int | None = None, **settings) -> tuple[float, ...]:
    """CPU-seconds of the recipe's step alone, on batches in memory: forward, backward and optimizer.

    Only their sum, in one number, for a step that is not one model's and one optimizer's.
    """
    recipe = get(name)
    train = mnist("train")[:count].to_range(*recipe.pixel_range)
    batches = list(Batches(train, batch_size or recipe.batch_size))
    step = recipe.step(recipe, recipe.build(**settings))
    if not isinstance(step, GradientStep):
        began = time.process_time()
        for batch in batches:
            step.train(batch, 0.0)
        return (time.process_time() - began,)
    parts = [0.0] * len(PARTS)
    for batch in batches:
        times = [time.process_time()]
        loss = step.objective(step.model, batch, 0.0)["loss"]
        times.append(time.process_time())
        step.optimizer.zero_grad()
        loss.backward()
        times.append(time.process_time())
        step.optimizer.step()
        times.append(time.process_time())
        parts = [total + after - before for total, (before, after) in zip(parts, pairwise(times), strict=True)]
    return tuple(parts)


def alone(epoch, *given, **settings) -> tuple:
    """What ``epoch(…)`` returns in a process of its own, and the most memory that process had, in MB.

    Its process is a fork; one that has computed gradients itself cannot be forked, so measure only in this way.
    """
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_with_memory, (partial(epoch, *given, **settings),))


def _with_memory(epoch) -> tuple[float, float]:
    epoch.func(epoch.args[0], 640)
    return epoch(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(names: list[str]) -> None:
    """Measure, print and write one row a family."""
    rows = []
    for name in names:
        rounds = [[alone(epoch, name) for epoch in (published_epoch, our_epoch, step_epoch)] for _ in range(2)]
        published, ours = (min(each[side][0] for each in rounds) * ALL / IMAGES for side in (0, 1))
        memory = [max(each[side][1] for each in rounds) for side in (0, 1)]
        parts = [seconds * ALL / IMAGES for seconds in min((each[2][0] for each in rounds), key=sum)]
        step, split = sum(parts), parts if len(parts) == len(PARTS) else [math.nan] * len(PARTS)
        rows.append((name, published, ours, published / ours, *memory, step, *split, step / ours))
        shares = ", ".join(f"{part} {seconds / ours:.0%}" for part, seconds in zip(PARTS, split, strict=True))
        print(
            f"{name:15} published {published:6.1f} CPU-s, ours {ours:6.1f}: ratio {published / ours:.2f}; "
            f"the step alone {step:6.1f}, {step / ours:.0%} of ours" + (f" ({shares})" if len(parts) > 1 else ""),
            flush=True,
        )
    RESULTS.mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(RESULTS / "loop.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main(sys.argv[1:] or list(FAMILIES))
