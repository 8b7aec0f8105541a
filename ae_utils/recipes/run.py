"""A recipe trained into a folder: checkpoint, history, metrics, pictures; and a trained model out of such a folder."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock, Timeout
from torch import nn

from ae_utils import checkpoint, embedding, parallel, plots
from ae_utils.data.images import Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.files import whole_file
from ae_utils.metrics.codes import codes
from ae_utils.protocols import Encodes
from ae_utils.recipes.catalogue import find
from ae_utils.recipes.recipe import Recipe
from ae_utils.training import History, Moment, RestorableStep, fit

PICTURE_EVERY, EMBED_EVERY = 4, 10  # epochs, as published
REPORTS = ("metrics.json", "history.csv", "loss.png", "codes.png", "scoreboard.json", "*_epoch_[0-9]*.png")
NEEDS = {"recipe": str, "settings": dict, "plan": dict, "step": dict, "history": list, "seconds": float}


@dataclass
class Run:
    """One training of one recipe: where it goes and what was asked for. ``None`` means the recipe's own choice."""

    recipe: Recipe
    folder: Path
    epochs: int | None = None
    images: int | None = None
    seed: int = 0
    data: Path | None = None
    device: str = "cpu"
    resume: bool = False
    hooks: dict[str, tuple[Callable[[Moment], None], ...]] = field(default_factory=dict)
    seconds: float = 0.0  # CPU-seconds spent so far, those before a stop included

    @property
    def plan(self) -> dict[str, Any]:
        """What a resumed training must have in common with the one it continues."""
        epochs = self.recipe.epochs if self.epochs is None else self.epochs
        return {
            "epochs": epochs, "images": self.images, "seed": self.seed,
            "data": str(self.data.resolve()) if self.data else None,
        }  # fmt: skip

    def train(self) -> dict[str, Any]:
        """Train (or go on training) and return what ``metrics.json`` says; everything lands in ``folder``.

        A training from the start removes what an earlier one reported there; its checkpoint stays until the first
        epoch is over.

        Raises ``InvalidInput`` for data, checkpoints or settings that do not fit, ``OSError`` where nothing can be
        written, ``training.Diverged`` when the loss is no number.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if parallel.rank():
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
        own, history = self.recipe.step(self.recipe, self.recipe.build().to(self.device)), History()
        if self.resume:
            history = self._resume(own)
        train, test = self.recipe.images(self.data, self.images)
        if self.recipe.prepare and not history.rows:
            self.recipe.prepare(own.model, train)
        if not history.rows and not parallel.rank():
            self._forget()
        self._began = time.process_time() - self.seconds
        step = parallel.spread(own)
        fit(
            step, self._batches(train, self.recipe.batch_size, shuffle=True), self._batches(test, 1000),
            epochs=self.plan["epochs"], seed=self.seed + parallel.APART * parallel.rank(), history=history,
            **self._hooks(train, test),
        )  # fmt: skip
        self._clock()
        return {} if parallel.rank() else self._report(step.model, train, test, history)

    def _forget(self) -> None:
        """Remove what an earlier training reported: it says nothing of the weights that come."""
        for pattern in REPORTS:
            for stale in self.folder.glob(pattern):
                stale.unlink()

    def _hooks(self, train: Images, test: Images) -> dict[str, tuple[Callable[[Moment], None], ...]]:
        if parallel.rank():
            return {}
        own = (self._save, self._picture(test), self._embed(train))
        return {**self.hooks, "on_epoch_end": (*own, *self.hooks.get("on_epoch_end", ()))}

    def _clock(self) -> None:
        self.seconds = time.process_time() - self._began

    def _batches(self, images: Images, batch_size: int, *, shuffle: bool = False) -> Batches:
        images = images.signed() if self.recipe.signed else images
        return Batches(images.to(self.device), batch_size, shuffle=shuffle, seed=self.seed)

    def _save(self, moment: Moment) -> None:
        self._clock()
        content = {
            "recipe": self.recipe.name, "settings": dict(self.recipe.settings), "plan": self.plan,
            "step": moment.step.state_dict(), "history": moment.history.rows, "seconds": self.seconds,
        }  # fmt: skip
        checkpoint.save(self.folder / "checkpoint.pt", content)

    def _resume(self, step: RestorableStep) -> History:
        path = self.folder / "checkpoint.pt"
        content = parallel.from_first(lambda: checkpoint.load(path, NEEDS) if path.exists() else None)
        if content is None:
            return History()
        with checkpoint.fitting(path):
            _refuse_others(path, content, self.recipe)
            for name, wanted in self.plan.items():
                if content["plan"].get(name) != wanted:
                    raise checkpoint.CheckpointError(
                        f"{path} was trained with {name} {content['plan'].get(name)}, not {wanted}; "
                        "resume with the same, or train without --resume."
                    )
            step.load_state_dict(content["step"])
            self.seconds = content["seconds"]
            return History([{**row, "epoch": int(row["epoch"])} for row in content["history"]])

    def _picture(self, test: Images) -> Callable[[Moment], None]:
        def hook(moment: Moment) -> None:
            epoch = moment.epoch + 1
            if epoch % PICTURE_EVERY == 0 or epoch == moment.epochs:
                for picture in self.recipe.pictures:
                    figure = picture(moment.step.model, test, f"epoch {epoch}{self._short()}")
                    plots.save(figure, self.folder / f"{picture.__name__}_epoch_{epoch:03d}.png")

        return hook

    def _embed(self, train: Images) -> Callable[[Moment], None]:
        def hook(moment: Moment) -> None:
            epoch = moment.epoch + 1
            if self.recipe.embeddings is None or epoch % EMBED_EVERY:
                return
            for name, z in self.recipe.embeddings(moment.step.model, train.to(self.device)).items():
                if len(z) >= embedding.FEWEST and z.shape[1] > 2:  # codes.png shows two numbers as they are
                    map3d = embedding.embed(z)
                    figure = plots.scatter_codes(map3d.points, train.label, title=map3d.caption)
                    plots.save(figure, self.folder / f"tsne_{name}_epoch_{epoch:03d}.png")

        return hook

    def _short(self) -> str:
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
            title = f"{self.recipe.name}{self._short()}"
            plots.save(plots.curves(history.frame(), title=title), self.folder / "loss.png")
        if getattr(model, "latent_dim", 0) in (2, 3):
            plots.save(
                plots.scatter_codes(codes(cast(Encodes, model), test), test.label, title="codes of the test images"),
                self.folder / "codes.png",
            )
        _write(self.folder / "metrics.json", json.dumps(report, indent=1) + "\n")
        return report


def load_model(folder: str | Path) -> tuple[Recipe, nn.Module]:
    """The recipe and the trained model of a folder that ``train`` wrote, ready to use.

    Raises ``CheckpointError`` when the folder holds no checkpoint, a damaged one, or one that does not fit its recipe,
    ``OSError`` when it may not be read.
    """
    path = Path(folder) / "checkpoint.pt"
    content = checkpoint.load(path, {name: NEEDS[name] for name in ("recipe", "settings", "step")})
    try:
        recipe = find(content["recipe"])
    except InvalidInput as error:
        raise checkpoint.CheckpointError(f"{path}: {error}") from None
    with checkpoint.fitting(path):
        model = recipe.build(**content["settings"])
        model.load_state_dict(content["step"]["model"])
    return recipe, model.eval()


def _write(path: Path, text: str) -> None:
    with whole_file(path) as beside:
        beside.write_text(text, newline="")  # pandas has ended the lines of a CSV already


def _refuse_others(path: Path, content: dict[str, Any], recipe: Recipe) -> None:
    if content["recipe"] != recipe.name:
        raise checkpoint.CheckpointError(
            f"{path} holds {content['recipe']}, not {recipe.name}; name another --out, or train without --resume."
        )
    if content["settings"] != dict(recipe.settings):
        raise checkpoint.CheckpointError(
            f"{path} was built with {content['settings']}, but {recipe.name} now has {dict(recipe.settings)}; "
            "train it again without --resume."
        )


def writable(folder: Path) -> None:
    """Raise ``OSError`` with one sentence unless files can be written into ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write into {folder} ({error.strerror}); name another folder with --out.") from None
