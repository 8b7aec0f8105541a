"""A recipe with several seeds, as a table with one row a seed: its cost and the metrics that it reports.

    OMP_NUM_THREADS=1 python tests/benchmarks/seeds.py results/likelihood.csv vae-flow-prior [NAME …] [--seed S …]

Trains each NAME with seeds 0, 1 and 2, or those given, into runs/seed-S/NAME (``--out`` names another folder), as the
scoreboard does, unless that is finished already.
``frechet_samples`` is the scoreboard's, for models that report no Fréchet distance of samples themselves; ``machine``
is the processor of the machine that writes the table.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pandas as pd

from ae_utils.course.scoreboard.measure import EvaluatedModel, EvaluationContext
from ae_utils.recipes.registry import get
from ae_utils.runs.run import Run, load_model


def finished(run: Run) -> dict[str, Any] | None:
    """The report of that very run, if it is finished."""
    path = run.folder / "metrics.json"
    report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wanted = {"recipe": run.recipe.name, "settings": dict(run.recipe.settings), **run.plan}
    return report if wanted.items() <= report.items() else None


def row(name: str, seed: int, out: Path, context: EvaluationContext) -> dict[str, Any]:
    """The row of one run, trained unless it is finished."""
    recipe = get(name)
    run = Run(recipe, out / f"seed-{seed}" / name, seed=seed, resume=True)
    report = finished(run) or run.train()
    metrics = dict(report["test"])
    if recipe.prior and "frechet" not in metrics:
        metrics["frechet_samples"] = context.frechet(
            EvaluatedModel(recipe, load_model(run.folder)[1], context, report).samples
        )
    print(f"{name}, seed {seed}: {report['cpu_seconds']} CPU-s", metrics, flush=True)
    cost = {column: report[column] for column in ("epochs", "parameters", "cpu_seconds")}
    return {"recipe": name, "seed": seed, **cost, **metrics, "machine": machine()}


def machine() -> str:
    """The processor's name and the number of cores."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores"


def main() -> None:
    """Train what is missing and write the table."""
    parser = argparse.ArgumentParser(description="A recipe with several seeds, as a table.")
    parser.add_argument("result", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--seed", type=int, action="append", dest="seeds")
    options = parser.parse_args()
    context, seeds = EvaluationContext(), options.seeds or (0, 1, 2)
    table = pd.DataFrame([row(name, seed, options.out, context) for name in options.names for seed in seeds])
    table.to_csv(options.result, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
