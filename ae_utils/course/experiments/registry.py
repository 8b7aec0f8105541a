"""All experiments by name: one module per lesson, each with a tuple ``EXPERIMENTS``."""

from pathlib import Path

from ae_utils.course.experiments import lesson01, lesson02, lesson03, lesson04, lesson05, lesson07, lesson09
from ae_utils.course.experiments.experiment import Experiment
from ae_utils.course.experiments.runner import run_experiment
from ae_utils.course.experiments.tables import text
from ae_utils.errors import InvalidInput

LESSONS = (lesson01, lesson02, lesson03, lesson04, lesson05, lesson07, lesson09)
EXPERIMENTS: dict[str, Experiment] = {one.name: one for lesson in LESSONS for one in lesson.EXPERIMENTS}


def run_experiments(
    names: tuple[str, ...], results: Path, runs: Path, *, seeds: tuple[int, ...] = (), replaced: tuple[str, ...] = ()
) -> list[Path]:
    """Run experiments by name, all without names, and return their tables.

    ``replaced`` are texts such as ``images=2000``. Raises ``InvalidInput`` for an unknown name or setting, or a value
    of the wrong kind.
    """
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise InvalidInput(f"there is no experiment {unknown[0]!r}; there are {', '.join(EXPERIMENTS)}.")
    chosen = [EXPERIMENTS[name] for name in names or EXPERIMENTS]
    plans = [(experiment, parsed_settings(experiment, replaced)) for experiment in chosen]
    return [run_experiment(one, results, runs, seeds=seeds, replaced=settings) for one, settings in plans]


def parsed_settings(experiment: Experiment, replaced: tuple[str, ...]) -> dict[str, str | int | float | bool]:
    """Texts such as ``images=2000`` as values of the kind that the experiment's own settings have."""
    found: dict[str, str | int | float | bool] = {}
    for one in replaced:
        name, _, value = one.partition("=")
        experiment.variants({name: value})  # refuses a setting that does not exist
        kind = type(experiment.settings[name])
        try:
            found[name] = value == "True" if kind is bool else kind(value)
        except ValueError:
            raise InvalidInput(
                f"--set {one}: {name} takes a value such as {text(experiment.settings[name])}."
            ) from None
        if kind is bool and value not in ("True", "False"):
            raise InvalidInput(f"--set {one}: {name} is True or False.")
    return found
