"""The tables that experiments write and lessons read."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write

FOLDER = Path(__file__).resolve().parents[3] / "results" / "experiments"  # of the checkout


def recorded(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """The table of an experiment, for a lesson: one row for each variant and seed, or more where a run yields several.

    Raises ``InvalidInput`` when it was never recorded.
    """
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; `python -m ae_utils experiments {name}` trains and writes it.")
    return pd.read_csv(path)


def summary(table: pd.DataFrame, *metrics: str, by: str | list[str] = "variant") -> pd.DataFrame:
    """Smallest, mean and largest value of metrics over the seeds, for each variant in the table's order."""
    return table.groupby(by, sort=False)[list(metrics)].agg(["min", "mean", "max"])


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a table whole or not at all; a column that a row lacks stays empty there."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if "cpu_seconds" in names:
        names.append(names.pop(names.index("cpu_seconds")))  # stays last
    with atomic_write(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def text(value: Any) -> str:
    """A value as it stands in a table: floats with seven digits, everything else as Python prints it."""
    return f"{value:.7g}" if isinstance(value, float) else str(value)
