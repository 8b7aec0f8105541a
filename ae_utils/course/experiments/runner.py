"""Runs experiments: what is missing in a table is trained, and every finished run is kept at once."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ae_utils.course.experiments.experiment import Experiment, Settings
from ae_utils.course.experiments.tables import read_rows, text, write_rows
from ae_utils.errors import InvalidInput

Key = tuple[str, str]  # variant and seed


def run_experiment(
    experiment: Experiment,
    results: Path,
    runs: Path,
    *,
    seeds: Sequence[int] = (),
    replaced: Settings | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Run each variant with each seed unless its rows are there, and return the table, ``results``/NAME.csv.

    A run is a variant with one seed; its rows enter the table together when it ends, and the table is written whole, so
    that a run that is stopped leaves nothing behind. Rows come in the order of variants and seeds. ``replaced`` are
    settings that hold for every variant (fewer images, say); the rows carry them. Raises ``InvalidInput`` when the
    table holds rows of other settings, which are not overwritten.
    """
    path, variants = results / f"{experiment.name}.csv", experiment.variants(replaced)
    _refuse_others(path, variants)
    for name, settings in variants.items():
        for seed in seeds or experiment.seeds:
            key = (name, str(seed))
            if key in map(_key, read_rows(path)):
                continue
            rows = _run(experiment, name, seed, settings, runs / f"seed-{seed}")
            found = [row for row in read_rows(path) if _key(row) != key] + rows  # read again: others may write too
            order = {name: number for number, name in enumerate(variants)}
            write_rows(path, sorted(found, key=lambda row: (order[row["variant"]], int(row["seed"]))))
            report(f"{experiment.name}: {name}, seed {seed}: {_line(rows[-1], settings)}")
    return path


def _key(row: dict[str, str]) -> Key:
    return row.get("variant", ""), row.get("seed", "")


def _run(experiment: Experiment, name: str, seed: int, settings: Settings, folder: Path) -> list[dict[str, str]]:
    rows, began = [], time.process_time()
    for found in experiment.run(seed, folder, **settings):
        now = time.process_time()
        row: dict[str, Any] = {"variant": name, "seed": seed, **settings, **found, "cpu_seconds": round(now - began, 1)}
        rows.append({column: text(value) for column, value in row.items()})
        began = now
    if not rows:
        raise InvalidInput(f"{experiment.name}, {name!r}: the run yielded no row.")
    return rows


def _refuse_others(path: Path, variants: dict[str, dict[str, Any]]) -> None:
    """Raise ``InvalidInput`` for a row in the table that a run with these settings would not have written."""
    for row in read_rows(path):
        settings = variants.get(row.get("variant", ""))
        if settings is None or any(row.get(name) != text(value) for name, value in settings.items()):
            raise InvalidInput(
                f"{path} holds a row {row.get('variant')!r} of other settings; "
                "delete the file, or name another folder with --results."
            )


def _line(row: dict[str, str], settings: Settings) -> str:
    shown = {name: value for name, value in row.items() if name not in ("variant", "seed", *settings)}
    return "  ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
