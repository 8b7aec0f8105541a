"""The scoreboard as Markdown: a table for each question, published numbers, and the protocol."""

from pathlib import Path

import pandas as pd

from ae_utils.course.scoreboard.measure import COLUMNS, PROTOCOL

TABLES = {  # sorted by the first column; what is better if larger, from the top
    "Reconstruction": ("mse", "psnr", "ssim", "frechet_reconstructions"),
    "Sampling": ("frechet_samples", "precision", "recall", "confident_fraction"),
    "Conditional sampling": (
        "conditional_accuracy", "conditional_accuracy_nn", "other_label_accuracy", "within_class_ratio",
    ),
    "Latent codes and likelihood": ("linear_probe", "active_units", "negative_elbo", "log_likelihood"),
    "Restoration": ("psnr_after", "psnr_before"),
}  # fmt: skip


def page(table: pd.DataFrame, published: Path) -> str:
    """The whole page; ``published`` is a CSV with the columns recipe, column, value, source and protocol."""
    parts = ["# The scoreboard", "Made by `python -m ae_utils scoreboard`. System 0 is the course's own."]
    if table["images"].notna().any():
        parts.append(f"**A quick look**: trained and measured on {table['images'].max():.0f} images only.")
    for title, columns in TABLES.items():
        rows = table[table[list(columns)].notna().any(axis=1)]
        rows = rows.sort_values(columns[0], ascending=columns[0] in ("mse", "frechet_samples"))
        names = ("parameters", "latent_dim", "cpu_seconds", *columns)
        lines = [
            [row["recipe"], str(row["system"]), *(shown(row, name) for name in names)] for _, row in rows.iterrows()
        ]
        titles = ["recipe", "system", *(COLUMNS[name][0] for name in names)]
        parts += [f"## {title}", _markdown(titles, lines)] if lines else []
    parts.append(f"Real test digits have a Fréchet distance of {table['frechet_real'].mean():.2f}.")
    parts.append(_machines(table))
    if published.is_file():
        ours, theirs = table.set_index("recipe"), pd.read_csv(published)
        lines = [
            [row.recipe, COLUMNS[row.column][0], shown(ours.loc[row.recipe], row.column), *map(str, row[2:])]
            for row in theirs[theirs["recipe"].isin(ours.index)].itertuples(index=False)
        ]
        titles = ["recipe", "column", "ours", "published", "source", "its protocol"]
        parts += ["## Beside published numbers", _markdown(titles, lines)]
    return "\n\n".join([*parts, "## Protocol", PROTOCOL])


def _machines(table: pd.DataFrame) -> str:
    """On which processor the CPU-seconds of which recipes were measured."""
    machines = table["machine"].fillna("a processor that was not noted")
    places = [f"{', '.join(part['recipe'])}: {machine}" for machine, part in table.groupby(machines)]
    return "CPU-seconds depend on the machine and on what else runs on it. They were measured on:\n\n- " + "\n- ".join(
        places
    )


def shown(row: pd.Series, column: str) -> str:
    """A cell as people read it: ``mean ± standard deviation`` over seeds, or nothing."""
    value, std, form = row[column], row[f"{column}_std"], f",.{COLUMNS[column][1]}f"
    return "" if pd.isna(value) else f"{value:{form}} ± {std:{form}}" if std > 0 else f"{value:{form}}"


def _markdown(titles: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [titles, ["---"] * len(titles), *lines])
