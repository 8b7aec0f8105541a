"""One training of an entry, timed: the CPU-seconds of one thread from the untrained model to the trained one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ae_utils.data.dataset import Batches, Images
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.speedrun.entry import Entry, plan
from ae_utils.runs import checkpoint
from ae_utils.training.loop import Hook, fit

Hooks = Callable[[str], dict[str, tuple[Hook, ...]]]


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch computes with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Trainer:
    """Trains on ``train``, and keeps every trained model in ``folder`` by plan and seed, so that none is trained twice.

    Reading the images and measuring the model are not timed; preparing the model and what it is trained on is.
    ``hooks(name)`` gives ``fit`` its hooks.
    """

    train: Images
    folder: Path
    hooks: Hooks = lambda name: {}

    def trained(self, entry: Entry, seed: int) -> tuple[nn.Module, float]:
        """The trained model of an entry, and the CPU-seconds of all its stages."""
        if entry.autoencoder is None:
            return self._stage(entry.recipe, seed)
        autoencoder, before = self._stage(entry.autoencoder, seed)
        model, seconds = self._stage(entry.recipe, seed, autoencoder, entry.autoencoder)
        return model, before + seconds

    def _stage(
        self, recipe: Recipe, seed: int, autoencoder: nn.Module | None = None, *others: Recipe
    ) -> tuple[nn.Module, float]:
        path = self.folder / f"{plan(recipe, *others)}-{len(self.train)}-seed-{seed}.pt"
        if path.is_file():
            kept = checkpoint.load(path, {"model": dict, "seconds": float})
            model = recipe.build()
            model.load_state_dict(kept["model"])
            return model, kept["seconds"]
        model, seconds = self._timed(recipe, seed, autoencoder)
        checkpoint.save(path, {"recipe": recipe.name, "model": model.state_dict(), "seconds": seconds})
        return model, seconds

    def _timed(self, recipe: Recipe, seed: int, autoencoder: nn.Module | None) -> tuple[nn.Module, float]:
        on_batch_end = self.hooks(recipe.name).get("on_batch_end", ())
        with one_thread():
            began = time.process_time()
            torch.manual_seed(seed)
            model: Any = recipe.build()
            if autoencoder is not None:
                model.autoencoder.load_state_dict(autoencoder.state_dict())
            if recipe.prepare:
                recipe.prepare(model, self.train)
            images = self.train.to_range(*recipe.pixel_range)
            inputs = recipe.inputs(model, images) if recipe.inputs else images
            if recipe.epochs:
                step = recipe.step(recipe, model)
                batches = Batches(inputs, recipe.batch_size, shuffle=True, seed=seed)
                fit(step, batches, epochs=recipe.epochs, seed=seed, on_batch_end=on_batch_end)
                model = step.model
            return model, time.process_time() - began
