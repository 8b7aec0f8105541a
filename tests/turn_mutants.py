"""Does every "your turn" see every mistake? `python tests/turn_mutants.py` asks, and writes results/turns.md.

The catalogues hold, for each item, mistakes that people make, each with words of the sentence that names it, and right
answers in other styles. Operators of mutation testing (other arithmetic, numbers and names; statements dropped or
reordered, arguments swapped) make more mutants: these must be refused, by name or not, unless they change nothing.
"""

import importlib
from pathlib import Path

from mutation import Item, by_name, mutated, operator_mutants

from ae_utils.course.checks.check import RIGHT, Verdict

REPORT = Path(__file__).parents[1] / "results" / "turns.md"
CATALOGUES = sorted(path.stem for path in Path(__file__).parent.glob("turn_catalogue_*.py"))
ITEMS = {
    f"{catalogue[-2:]} {item.turn.__name__}": item
    for catalogue in CATALOGUES
    for item in importlib.import_module(catalogue).ITEMS
}


def report() -> str:
    """A table of what was tried and refused, and one of what was not refused, and why."""
    rows = [
        "| item | mistakes | refused | by name | operators' mutants | refused | by name | right answers | accepted |",
        "|---" * 9 + "|",
    ]
    accepted = ["| item | not refused | why it is right |", "|---|---|---|"]
    for name, item in ITEMS.items():
        verdicts = [(mistake.what, item.verdict(mutated(item.source, mistake))) for mistake in item.mistakes]
        by_operator = [(change, item.verdict(mutant)) for change, mutant in operator_mutants(item.source)]
        right = [item.verdict(source).state == RIGHT for source in (item.source, *item.variants)]
        made = [(change, verdict) for change, verdict in by_operator if change not in item.equivalent]
        cells = [f"`{name}`", *_counts(verdicts), *_counts(made), len(right), sum(right)]
        rows.append(f"| {' | '.join(map(str, cells))} |")
        accepted += _accepted(name, item, verdicts + by_operator)
    made_by = "Mutants of right answers to every *your turn*, tried by `python tests/turn_mutants.py`."
    return "\n".join(("# What the checks find", "", made_by, "", *rows, "", *accepted, ""))


def _counts(verdicts: list[tuple[str, Verdict]]) -> tuple[int, int, int]:
    refused = [verdict for _, verdict in verdicts if verdict.state != RIGHT]
    return len(verdicts), len(refused), sum(map(by_name, refused))


def _accepted(name: str, item: Item, verdicts: list[tuple[str, Verdict]]) -> list[str]:
    changes = [change for change, verdict in verdicts if verdict.state == RIGHT]
    return [f"| `{name}` | `{change}` | {item.equivalent.get(change, '**it is not**')} |" for change in changes]


if __name__ == "__main__":
    REPORT.write_text(report(), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"), end="")
