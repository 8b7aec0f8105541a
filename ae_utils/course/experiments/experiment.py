"""What an experiment consists of: a run, its settings, and variants that change one setting each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ae_utils.errors import InvalidInput

Setting = str | int | float | bool
Settings = Mapping[str, Setting]
Row = Mapping[str, Any]  # what was varied within a run, and the metrics: numbers and short texts


@dataclass(frozen=True)
class Experiment:
    """A question that only repeated trainings answer; its table is ``results/experiments/NAME.csv``.

    ``run(seed, folder, **settings)`` yields rows, mostly one; ``folder`` is a place for trained models, the same for
    all experiments with that seed. The ``control`` runs with ``settings``. Each of ``changes`` replaces exactly one of
    them, so that a difference has one cause; ``combinations`` may replace several. Raises ``InvalidInput`` for a change
    that replaces another number of settings, for a setting that does not exist, and for fewer than three seeds.
    """

    name: str
    question: str
    run: Callable[..., Iterable[Row]]
    settings: Settings = field(default_factory=dict)
    control: str = "control"
    changes: Mapping[str, Settings] = field(default_factory=dict)
    combinations: Mapping[str, Settings] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        for name, settings in {**self.changes, **self.combinations}.items():
            if unknown := [setting for setting in settings if setting not in self.settings]:
                raise InvalidInput(f"{self.name}, {name!r}: there is no setting {unknown[0]!r} to replace.")
        for name, settings in self.changes.items():
            differing = [setting for setting, value in settings.items() if value != self.settings[setting]]
            if len(differing) != 1:
                raise InvalidInput(f"{self.name}, {name!r}: a change replaces one setting, not {len(differing)}.")
        if len(set(self.seeds)) < 3:
            raise InvalidInput(f"{self.name}: {len(set(self.seeds))} seeds are too few to show a spread; name three.")

    def variants(self, replaced: Settings | None = None) -> dict[str, dict[str, Setting]]:
        """All settings of each variant by its name, the control first; ``replaced`` holds for every variant.

        Raises ``InvalidInput`` for a setting that does not exist.
        """
        replaced = replaced or {}
        if unknown := [name for name in replaced if name not in self.settings]:
            known = ", ".join(self.settings) or "none"
            raise InvalidInput(f"{self.name} has no setting {unknown[0]!r}; its settings are: {known}.")
        changes = {self.control: {}, **self.changes, **self.combinations}
        return {name: {**self.settings, **changed, **replaced} for name, changed in changes.items()}
