"""A recipe trained into a folder: checkpoint, history, metrics, figures; and a trained model out of such a folder."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock, Timeout
from torch import nn

from ae_utils import embedding, plots
from ae_utils.data.dataset import Batches, Images
from ae_utils.errors import CheckpointError, InvalidInput, checkpoint_errors
from ae_utils.files import atomic_write
from ae_utils.metrics.latent import codes
from ae_utils.protocols import Encodes
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.registry import get
from ae_utils.runs import checkpoint
from ae_utils.runs.progress import ProgressBar, terms_text
from ae_utils.training import distributed
from ae_utils.training.loop import History, Hook, TrainState, fit
from ae_utils.training.step import RestorableStep

FIGURES_EVERY, EMBED_EVERY = 4, 10  # epochs, as published
REPORTS = ("metrics.json", "history.csv", "loss.png", "codes.png", "scoreboard.json", "*_epoch_[0-9]*.png")
NEEDS = {"recipe": str, "settings": dict, "plan": dict, "step": dict, "history": list, "seconds": float}


@dataclass
class Run:
    """One training of one recipe: its folder and its options; ``None`` means the recipe's own setting."""

    recipe: Recipe
    folder: Path
    epochs: int | None = None
    images: int | None = None
    seed: int = 0
    data: Path | None = None
    device: str = "cpu"
    resume: bool = False
    hooks: dict[str, tuple[Hook, ...]] = field(default_factory=dict)
    seconds: float = 0.0  # CPU-seconds spent so far, those before a stop included

    @property
    def plan(self) -> dict[str, Any]:
        """The options that a resumed training must share with the one it continues."""
        epochs = self.recipe.epochs if self.epochs is None else self.epochs
        return {
            "epochs": epochs, "images": self.images, "seed": self.seed,
            "data": str(self.data.resolve()) if self.data else None,
        }  # fmt: skip

    def train(self) -> dict[str, Any]:
        """Train, or continue a training, and return the contents of ``metrics.json``; all files go to ``folder``.

        A training from the start removes the reports of an earlier one there; its checkpoint stays until the first
        epoch has ended.

        Raises ``InvalidInput`` for data, checkpoints or settings that do not fit, ``OSError`` where nothing can be
        written, ``Diverged`` when the loss is not finite.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if distributed.rank():
            return self._train()
        try:
            with FileLock(self.folder / ".lock", timeout=0):  # the system lets go of it when the process dies
                for torn in self.folder.glob(".*.part"):  # of a training that was killed while it wrote
                    torn.unlink()
                return self._train()
        except Timeout:
            raise InvalidInput(f"{self.folder} is in use by another training; wait, or name another --out.") from None

    def _train(self) -> dict[str, Any]:
        torch.manual_seed(self.seed)
        model, (train, test) = self.recipe.build().to(self.device), self.recipe.images(self.data, self.images)
        if self.recipe.prepare:
            self.recipe.prepare(model, train)
        step, history = self.recipe.step(self.recipe, model), History()
        if self.resume:
            history = self._resume(step)
        if not history.rows and not distributed.rank():
            self._forget()
        self._began = time.process_time() - self.seconds
        shared = distributed.distribute(step)
        fit(
            shared, self._batches(model, train, self.recipe.batch_size, shuffle=True), self._batches(model, test, 1000),
            epochs=self.plan["epochs"], seed=self.seed + distributed.SEED_STRIDE * distributed.rank(), history=history,
            **self._hooks(train, test),
        )  # fmt: skip
        self._clock()
        return {} if distributed.rank() else self._report(shared.model, train, test, history)

    def _forget(self) -> None:
        """Remove the reports of an earlier training, which say nothing about the new weights."""
        for pattern in REPORTS:
            for stale in self.folder.glob(pattern):
                stale.unlink()

    def _hooks(self, train: Images, test: Images) -> dict[str, tuple[Hook, ...]]:
        if distributed.rank():
            return {}
        at_end = (self._save, self._figures(test), self._embed(train))
        return {**self.hooks, "on_epoch_end": (*at_end, *self.hooks.get("on_epoch_end", ()))}

    def _clock(self) -> None:
        self.seconds = time.process_time() - self._began

    def _batches(self, model: nn.Module, images: Images, batch_size: int, *, shuffle: bool = False) -> Batches:
        images = images.to_range(*self.recipe.pixel_range).to(self.device)
        inputs = self.recipe.inputs(model, images) if self.recipe.inputs else images
        return Batches(inputs, batch_size, shuffle=shuffle, seed=self.seed)

    def _save(self, state: TrainState) -> None:
        self._clock()
        content = {
            "recipe": self.recipe.name, "settings": dict(self.recipe.settings), "plan": self.plan,
            "step": state.step.state_dict(), "history": state.history.rows, "seconds": self.seconds,
        }  # fmt: skip
        checkpoint.save(self.folder / "checkpoint.pt", content)

    def _resume(self, step: RestorableStep) -> History:
        path = self.folder / "checkpoint.pt"
        content = distributed.broadcast_from_rank0(lambda: checkpoint.load(path, NEEDS) if path.exists() else None)
        if content is None:
            return History()
        with checkpoint_errors(path):
            _check_recipe(path, content, self.recipe)
            for name, wanted in self.plan.items():
                if content["plan"].get(name) != wanted:
                    raise CheckpointError(
                        f"{path} was trained with {name} {content['plan'].get(name)}, not {wanted}; "
                        "resume with the same, or train without --resume."
                    )
            step.load_state_dict(content["step"])
            self.seconds = content["seconds"]
            return History([{**row, "epoch": int(row["epoch"])} for row in content["history"]])

    def _figures(self, test: Images) -> Hook:
        def hook(state: TrainState) -> None:
            epoch = state.epoch + 1
            if epoch % FIGURES_EVERY == 0 or epoch == state.epochs:
                for draw in self.recipe.figures:
                    figure = draw(state.step.model, test, f"epoch {epoch}{self._subset_note()}")
                    plots.save(figure, self.folder / f"{draw.__name__}_epoch_{epoch:03d}.png")

        return hook

    def _embed(self, train: Images) -> Hook:
        def hook(state: TrainState) -> None:
            epoch = state.epoch + 1
            if self.recipe.embeddings is None or epoch % EMBED_EVERY:
                return
            for name, z in self.recipe.embeddings(state.step.model, train.to(self.device)).items():
                if len(z) >= embedding.FEWEST and z.shape[1] > 2:  # codes.png shows two numbers as they are
                    map3d = embedding.embed(z)
                    figure = plots.scatter_codes(map3d.points, train.label, title=map3d.caption)
                    plots.save(figure, self.folder / f"tsne_{name}_epoch_{epoch:03d}.png")

        return hook

    def _subset_note(self) -> str:
        return f", trained on {self.images:,} images only" if self.images else ""

    def _report(self, model: nn.Module, train: Images, test: Images, history: History) -> dict[str, Any]:
        model = model.cpu()
        report = {
            "recipe": self.recipe.name, "system": self.recipe.system, "settings": dict(self.recipe.settings),
            **self.plan, "training_images": len(train), "test_images": len(test),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "test": self.recipe.evaluate(model, test), "cpu_seconds": round(self.seconds, 1),
        }  # fmt: skip
        if history.rows:
            _write(self.folder / "history.csv", history.frame().to_csv(index=False))
            title = f"{self.recipe.name}{self._subset_note()}"
            plots.save(plots.curves(history.frame(), title=title), self.folder / "loss.png")
        if getattr(model, "latent_dim", 0) in (2, 3):
            plots.save(
                plots.scatter_codes(codes(cast(Encodes, model), test), test.label, title="codes of the test images"),
                self.folder / "codes.png",
            )
        _write(self.folder / "metrics.json", json.dumps(report, indent=1) + "\n")
        return report


def train_recipes(
    names: Sequence[str], progress: ProgressBar, *, out: Path, device: str = "auto", **options: Any
) -> None:
    """Train recipes by name, each into ``out``/NAME; ``options`` are those of ``Run``.

    Every name, the device and the folders are checked before the first training begins; raises ``InvalidInput`` or
    ``OSError`` where one of them cannot be used.
    """
    recipes, device = [get(name) for name in names], available_device(device)
    for recipe in recipes:
        check_writable(out / recipe.name)
    with distributed.process_group(device):
        for recipe in recipes:
            run = Run(recipe, out / recipe.name, device=device, hooks=progress.hooks(recipe.name), **options)
            if report := run.train():
                terms, seconds = terms_text(report["test"]), report["cpu_seconds"]
                progress.write(f"{recipe.name}: test {terms}  ({seconds} CPU-s) → {run.folder}")


def available_device(name: str) -> str:
    """The device of that name; for ``"auto"`` the first of cuda, mps and cpu that there is.

    Raises ``InvalidInput`` for one that this machine lacks.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device in available if available[device])
    if not available[name]:
        raise InvalidInput(f"--device {name}: this machine has none that torch can use; try --device cpu.")
    return name


def load_model(folder: str | Path) -> tuple[Recipe, nn.Module]:
    """The recipe and the trained model, in evaluation mode, of a folder that ``train`` wrote.

    Raises ``CheckpointError`` when the folder holds no checkpoint, a damaged one, or one that does not fit its recipe,
    ``OSError`` when it may not be read.
    """
    path = Path(folder) / "checkpoint.pt"
    content = checkpoint.load(path, {name: NEEDS[name] for name in ("recipe", "settings", "step")})
    try:
        recipe = get(content["recipe"])
    except InvalidInput as error:
        raise CheckpointError(f"{path}: {error}") from None
    with checkpoint_errors(path):
        model = recipe.build(**content["settings"])
        model.load_state_dict(content["step"]["model"])
    return recipe, model.eval()


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as beside:
        beside.write_text(text, newline="")  # pandas has ended the lines of a CSV already


def _check_recipe(path: Path, content: dict[str, Any], recipe: Recipe) -> None:
    if content["recipe"] != recipe.name:
        raise CheckpointError(
            f"{path} holds {content['recipe']}, not {recipe.name}; name another --out, or train without --resume."
        )
    if content["settings"] != dict(recipe.settings):
        raise CheckpointError(
            f"{path} was built with {content['settings']}, but {recipe.name} now has {dict(recipe.settings)}; "
            "train it again without --resume."
        )


def check_writable(folder: Path) -> None:
    """Raise ``OSError`` unless files can be written into ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write into {folder} ({error.strerror}); name another folder with --out.") from None
