"""The speedrun as Markdown: for each track its rule, the history of its record, and what was tried."""

from collections.abc import Sequence

import pandas as pd

from ae_utils.course.speedrun.tracks import TRACKS, Track
from ae_utils.recipes.speedrun.entry import Entry
from ae_utils.recipes.speedrun.registry import HISTORY, IDEAS

TUNED_ON = (0, 1, 2)
INTRODUCTION = """# The speedrun

Made by `python -m ae_utils speedrun` from `speedrun.csv` and `speedrun_tried.csv`. A track sets limits; an entry
reaches them in as few CPU-seconds of one thread as it can. Counted is the whole training, that of a frozen autoencoder
included, from the untrained model to the trained one, without reading the images and without measuring. An entry is
tuned on seeds 0, 1 and 2 and verified with a seed that it was not tuned on; it has passed when every one of these runs
keeps all limits. Numbers are mean ± standard deviation over seeds 0, 1 and 2; the gain is in CPU-seconds, against the
entry before that was measured. CPU-seconds rise with what else runs on the machine, by half and more on a busy one:
only numbers from one machine, taken under the same load, can be compared. `CONTRIBUTING.md` says how to enter."""
TRIED = """Seed 0, or several where there is a ±. What led nowhere stands here so that nobody needs to try it again.
`recipes/speedrun/ideas.py` holds all of them; `python -m ae_utils speedrun NAME` tries one again."""


def page(entries: pd.DataFrame, tried: pd.DataFrame) -> str:
    """The whole page, from the table of entries and that of ideas."""
    parts = [INTRODUCTION]
    for track in TRACKS.values():
        rule = ", ".join(str(limit) for limit in track.limits.values())
        parts += [f"## {track.title} (`{track.name}`)", f"**Rule**: {rule}. {track.protocol}"]
        if lines := _history(track, HISTORY[track.name], entries):
            titles = [limit.title for limit in track.limits.values()]
            parts.append(
                _markdown(["entry", "what it changed", "CPU-s", *titles, "verified with", "passed", "gain"], lines)
            )
        if lines := _ideas(track, tried):
            titles = [limit.title for limit in track.limits.values()]
            parts += ["### Tried", TRIED, _markdown(["idea", "what it is", "CPU-s", *titles, "passed"], lines)]
    tables = {"entries": entries, "ideas": tried}
    measured = [f"{what} on {_machines(table)}" for what, table in tables.items() if len(table)]
    return "\n\n".join([*parts, f"Measured: {', '.join(measured)}."]) + "\n"


def passed(entry: Entry, table: pd.DataFrame) -> bool:
    """Whether the rows of an entry, three seeds and one that verifies, are there and keep all limits."""
    rows = table[table["entry"] == entry.name]
    verified = ~rows["seed"].isin(TUNED_ON)
    return set(TUNED_ON) <= set(rows["seed"]) and bool(verified.any()) and bool(rows["passed"].all())


def _history(track: Track, entries: Sequence[Entry], table: pd.DataFrame) -> list[list[str]]:
    lines, before = [], None
    for entry in entries:
        rows = table[table["entry"] == entry.name]
        tuned, verified = rows[rows["seed"].isin(TUNED_ON)], rows[~rows["seed"].isin(TUNED_ON)]
        if tuned.empty:
            blank = [""] * (len(track.limits) + 2)
            lines.append([f"`{entry.name}`", entry.changed, *blank, "not measured yet", ""])
            continue
        numbers = [_mean(tuned["cpu_seconds"], ".1f"), *_metrics(track, tuned)]
        checks = "; ".join(_verified(track, row) for row in verified.to_dict("records"))
        seconds = tuned["cpu_seconds"].mean()
        gain = f"{100 * (1 - seconds / before):.0f} %" if before else ""
        verdict = "yes" if passed(entry, table) else "not verified yet" if rows["passed"].all() else "no"
        lines.append([f"`{entry.name}`", entry.changed, *numbers, checks, verdict, gain])
        before = seconds
    return lines


def _ideas(track: Track, table: pd.DataFrame) -> list[list[str]]:
    lines = []
    for idea in IDEAS:
        rows = table[table["entry"] == idea.name]
        if idea.track == track.name and len(rows):
            numbers = [_mean(rows["cpu_seconds"], ".1f"), *_metrics(track, rows)]
            lines.append([f"`{idea.name}`", idea.changed, *numbers, "yes" if rows["passed"].all() else "no"])
    return lines


def _machines(table: pd.DataFrame) -> str:
    machines = table[["machine", "torch"]].drop_duplicates()
    return " and ".join(f"{row.machine} (torch {row.torch})" for row in machines.itertuples(index=False))


def _metrics(track: Track, rows: pd.DataFrame) -> list[str]:
    return [_mean(rows[name], limit.form) for name, limit in track.limits.items()]


def _verified(track: Track, row: dict[str, float]) -> str:
    name, limit = next(iter(track.limits.items()))
    return f"seed {row['seed']}: {row[name]:{limit.form}} in {row['cpu_seconds']:.1f}"


def _mean(values: pd.Series, form: str) -> str:
    """Mean ± standard deviation, without the latter where it is 0 or there is one value."""
    std = values.std()
    return f"{values.mean():{form}}" + (f" ± {std:{form}}" if std > 0 else "")


def _markdown(titles: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [titles, ["---"] * len(titles), *lines])
