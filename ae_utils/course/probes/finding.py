"""What a probe returns, and how one is written: a sentence, or an exception that says what looks wrong."""

import functools
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from ae_utils.seeds import own_random_numbers

FINE, SUSPICIOUS, SKIPPED = "fine", "suspicious", "does not apply"
WIDTH = 84  # of the sentences in a table, in characters


class Suspicious(Exception):
    """What was measured is not what a healthy model gives; the sentence says what, and what to look at."""


class Skipped(Exception):
    """The probe has nothing to measure here; the sentence says why."""


class Finding(NamedTuple):
    """One probe's ``verdict``, ``FINE``, ``SUSPICIOUS`` or ``SKIPPED``, and a sentence on what was measured."""

    probe: str
    verdict: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.probe}: {self.verdict}: {self.sentence}"


class Diagnosis(tuple[Finding, ...]):
    """The findings of several probes; shown as a table."""

    @property
    def suspicious(self) -> tuple[Finding, ...]:
        """The findings that deserve a look."""
        return tuple(finding for finding in self if finding.verdict == SUSPICIOUS)

    def __repr__(self) -> str:
        columns = [max(map(len, column)) for column in zip(*(finding[:2] for finding in self), strict=True)]
        indent = " " * (sum(columns) + 4)
        return "\n".join(
            textwrap.fill(
                f"{name:<{columns[0]}}  {verdict:<{columns[1]}}  {sentence}",
                width=len(indent) + WIDTH,
                subsequent_indent=indent,
            )
            for name, verdict, sentence in self
        )


class Probe(Protocol):
    """A function with a name; called, it measures and returns its ``Finding``."""

    __name__: str

    def __call__(self, *given: Any, **options: Any) -> Finding: ...


def probe(measure: Callable[..., str]) -> Probe:
    """Make a probe of ``measure``, which returns a sentence, or raises ``Suspicious`` or ``Skipped``.

    It is called with gradients switched on and random numbers of its own: those outside stay as they were.
    """

    @functools.wraps(measure)
    def found(*given: Any, **options: Any) -> Finding:
        name = measure.__name__.replace("_", " ")
        try:
            with own_random_numbers(0), torch.enable_grad():
                return Finding(name, FINE, measure(*given, **options))
        except Suspicious as suspicious:
            return Finding(name, SUSPICIOUS, str(suspicious))
        except Skipped as skipped:
            return Finding(name, SKIPPED, str(skipped))

    return found
