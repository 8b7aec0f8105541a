"""The scoreboard: trains and measures what is missing, writes the table and the figures."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from ae_utils.course.machine import processor
from ae_utils.course.scoreboard import figures
from ae_utils.course.scoreboard.measure import COLUMNS, PROTOCOL, EvaluatedModel, EvaluationContext
from ae_utils.course.scoreboard.page import page
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write
from ae_utils.plots import save
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.registry import RECIPES, get
from ae_utils.runs.run import Run, load_model

SHORT, MORE_SEEDS = 120.0, (1, 2)  # a recipe whose first seed needs fewer CPU-seconds is trained with these, too
NAMES = tuple(name for name in RECIPES if name != "digit-classifier")  # which makes no images
ENDINGS = {"": pd.Series.mean, "_std": pd.Series.std}


@dataclass
class Board:
    """The folder of the runs (``out``/seed-S/NAME), and what replaces the recipes' own numbers of epochs and images.

    Without ``seeds``: 0, and 1 and 2 for short recipes. ``hooks(name)`` gives ``Run`` its hooks.
    """

    out: Path = Path("runs")
    seeds: Sequence[int] | None = None
    epochs: int | None = None
    images: int | None = None
    hooks: Callable[[str], dict[str, Any]] = lambda name: {}

    def write(self, names: Sequence[str] = NAMES, results: Path = Path("results")) -> Path:
        """Train, measure and write the table and the figures; returns the CSV. What is finished is not done again.

        Rows of other recipes that ``results`` holds already stay, if they were made with the same epochs and images.

        Raises ``InvalidInput`` for a recipe that is unknown or makes no images, or a run with other options in the way.
        """
        recipes = [get(name) for name in names]
        if others := [recipe.name for recipe in recipes if recipe.name not in NAMES]:
            raise InvalidInput(f"{others[0]} makes no images, so the scoreboard has no line for it.")
        self.context = EvaluationContext(self.images)
        self.strips: dict[str, Tensor] = {}
        table = self._with_others(pd.DataFrame([self._row(recipe) for recipe in recipes]), results / "scoreboard.csv")
        _write(results / "scoreboard.csv", table.to_csv(index=False, float_format="%.7g"))
        _write(results / "scoreboard.md", page(table, results / "published.csv"))
        self._save_five_digits(table["recipe"], results / "five_digits.png")
        for column in table[[*figures.COSTS]].dropna(axis=1, how="all"):
            save(figures.against_cost(table, column), results / f"{column}.png")
        return results / "scoreboard.csv"

    def _row(self, recipe: Recipe) -> dict[str, Any]:
        found = [self._columns(recipe, seed) for seed in self.seeds or (0,)]
        if not self.seeds and found[0]["cpu_seconds"] < SHORT:
            found += [self._columns(recipe, seed) for seed in MORE_SEEDS]
        machine = ", ".join(sorted({columns.pop("machine") for columns in found}))
        plan = {"seeds": len(found), "epochs": self.epochs or recipe.epochs, "images": self.images, "machine": machine}
        frame = pd.DataFrame(found, dtype=float)
        numbers = {f"{name}{end}": how(frame[name]) for name in COLUMNS for end, how in ENDINGS.items()}
        return {"recipe": recipe.name, "system": recipe.system, **plan, **numbers}

    def _with_others(self, table: pd.DataFrame, path: Path) -> pd.DataFrame:
        """The table, and between its rows those of other recipes at ``path`` that were made with the same plan."""
        if path.is_file():
            others = pd.read_csv(path)
            others = others[others["recipe"].isin(set(NAMES) - set(table["recipe"]))]
            epochs = others["recipe"].map(lambda name: self.epochs or get(name).epochs)
            images = others["images"].isna() if self.images is None else others["images"] == self.images
            table = pd.concat([table, others[(others["epochs"] == epochs) & images]])
        return table.sort_values("recipe", key=lambda names: names.map(NAMES.index), ignore_index=True)

    def _save_five_digits(self, names: Iterable[str], path: Path) -> None:
        """The figure of every model's digits; where a model's run is gone, the figure that was made with it stays."""
        for name in set(names) - set(self.strips):
            run = self._run(get(name), 0)
            if report := _finished(run):
                model = EvaluatedModel(run.recipe, load_model(run.folder)[1], self.context, report)
                self.strips[name] = figures.strip(model)
        strips = {name: self.strips[name] for name in names if name in self.strips}
        if len(strips) == len(list(names)) or not path.exists():
            save(figures.five_digits(self.context.test.x, strips), path)

    def _run(self, recipe: Recipe, seed: int) -> Run:
        return Run(recipe, self.out / f"seed-{seed}" / recipe.name, self.epochs, self.images, seed, resume=True)

    def _columns(self, recipe: Recipe, seed: int) -> dict[str, Any]:
        """One run, trained unless it is finished, and measured unless its checkpoint has been."""
        run = self._run(recipe, seed)
        run.hooks = self.hooks(recipe.name)
        report = _finished(run) or run.train()
        evaluated = EvaluatedModel(recipe, load_model(run.folder)[1], self.context, report)
        self.strips.setdefault(recipe.name, figures.strip(evaluated))  # of the first seed
        kept, weights = run.folder / "scoreboard.json", (run.folder / "checkpoint.pt").read_bytes()
        of = {"checkpoint": hashlib.sha256(weights).hexdigest(), "protocol": PROTOCOL}
        if (found := _json(kept)).get("of") == of:
            return found["columns"]
        columns = evaluated.columns() | {"machine": processor()}
        _write(kept, json.dumps({"of": of, "columns": columns}, indent=1) + "\n")
        return columns


def _finished(run: Run) -> dict[str, Any] | None:
    """The report of a finished run of the same plan."""
    report = _json(run.folder / "metrics.json")
    wanted = {"recipe": run.recipe.name, "settings": dict(run.recipe.settings), **run.plan}
    return report if wanted.items() <= report.items() else None


def _json(path: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is missing or damaged, so that it is made again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        content = {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")  # pandas has ended the lines of a CSV already
