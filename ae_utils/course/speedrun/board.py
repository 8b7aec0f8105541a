"""The speedrun's two tables: entries with several seeds, ideas with one; each row is written as soon as it is there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock

from ae_utils.course.machine import processor
from ae_utils.course.speedrun.page import page
from ae_utils.course.speedrun.tracks import TRACKS, Context
from ae_utils.course.speedrun.training import Hooks, Trainer
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write
from ae_utils.recipes.speedrun.entry import Entry, plan
from ae_utils.recipes.speedrun.registry import IDEAS, select

SEEDS, VERIFICATION = (0, 1, 2), 7
METRICS = tuple(dict.fromkeys(name for track in TRACKS.values() for name in track.limits))
COLUMNS = ("track", "entry", "seed", "cpu_seconds", *METRICS, "passed", "plan", "images", "machine", "torch")
KEY = ["entry", "seed", "plan", "images"]
TABLES = {False: "speedrun.csv", True: "speedrun_tried.csv"}  # whether the entry is an idea


@dataclass
class Speedrun:
    """The folder of the tables, that of the trained models, the seeds, and how many training images (all).

    Without ``seeds``: those for tuning and the one that verifies for an entry, seed 0 for an idea.
    """

    results: Path = Path("results")
    out: Path = Path("runs/speedrun")
    seeds: tuple[int, ...] = ()
    images: int | None = None
    hooks: Hooks = lambda name: {}
    _context: list[Context] = field(default_factory=list, init=False)

    def run(self, names: tuple[str, ...] = ()) -> list[str]:
        """Train and measure entries or ideas by name (``registry.select``), and write tables and page.

        What is in the tables is not done again. Returns a line for each row. Raises ``InvalidInput`` for an unknown
        name or a table that is no table of the speedrun.
        """
        lines = []
        for entry in select(names):
            idea = entry in IDEAS
            for seed in self.seeds or ((0,) if idea else (*SEEDS, VERIFICATION)):
                lines.append(self._line(entry, seed, self.results / TABLES[idea]))
                self.write_page()
        return lines

    def write_page(self) -> Path:
        """Make ``speedrun.md`` of the two tables and return it."""
        path = self.results / "speedrun.md"
        with atomic_write(path) as beside:
            beside.write_text(page(*(read(self.results / name) for name in TABLES.values())), encoding="utf-8")
        return path

    def _line(self, entry: Entry, seed: int, path: Path) -> str:
        key = self._key(entry, seed)
        found = self._row(key, path)
        row = found if found is not None else self._measured(entry, seed)
        if found is None:
            with FileLock(self.out / f".{path.name}.lock"):  # another process may have added rows meanwhile
                _append(row, path)
        limits = TRACKS[entry.track].limits
        shown = ", ".join(f"{limit.title} {row[name]:{limit.form}}" for name, limit in limits.items())
        passed = "passed" if row["passed"] else "not passed"
        return f"{entry.name}, seed {seed}: {row['cpu_seconds']:.1f} CPU-s, {shown}: {passed}"

    def _row(self, key: list[str], path: Path) -> dict[str, Any] | None:
        table = read(path)
        found = table[(table[KEY].astype(str) == key).all(axis=1)]
        return found.iloc[0].to_dict() if len(found) else None

    def _key(self, entry: Entry, seed: int) -> list[str]:
        others = [entry.autoencoder] if entry.autoencoder else []
        return [entry.name, str(seed), plan(entry.recipe, *others), str(len(self.context.train))]

    def _measured(self, entry: Entry, seed: int) -> dict[str, Any]:
        track = TRACKS[entry.track]
        model, seconds = Trainer(self.context.train, self.out, self.hooks).trained(entry, seed)
        metrics = track.measure(model, self.context)
        about = {"track": track.name, "entry": entry.name, "seed": seed, "cpu_seconds": round(seconds, 2)}
        with_plan = zip(KEY[2:], self._key(entry, seed)[2:], strict=True)
        return {
            **about, **metrics, "passed": track.passed(metrics), **dict(with_plan),
            "machine": processor(), "torch": torch.__version__,
        }  # fmt: skip

    @property
    def context(self) -> Context:
        """The images and the classifier, read when they are first needed."""
        if not self._context:
            self._context.append(Context(self.images))
        return self._context[0]


def read(path: Path) -> pd.DataFrame:
    """A table of the speedrun; empty where there is none. Raises ``InvalidInput`` for a file that is none."""
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    table = pd.read_csv(path, dtype={"plan": str})
    if tuple(table.columns) != COLUMNS:
        raise InvalidInput(f"{path} has other columns than the speedrun's; move it away, or name another --results.")
    return table


def _append(row: dict[str, Any], path: Path) -> None:
    """Add a row to a table, in place of one of the same entry and seed with other settings."""
    table = read(path)
    same = (table["entry"] == row["entry"]) & (table["seed"] == row["seed"])
    with atomic_write(path) as beside:
        rows = pd.DataFrame([*table[~same].to_dict("records"), row], columns=COLUMNS)
        rows.to_csv(beside, index=False, float_format="%.6g")
