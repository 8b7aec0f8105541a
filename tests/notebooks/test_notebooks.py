"""Every notebook of the course against the rules; notebooks are found by glob, so a new lesson is covered at once."""

import pytest
from execute_notebooks import ROOT, notebooks
from notebook_rules import (
    hygiene,
    read,
    unclaimed_numbers,
    untrained_claims,
    wrong_definitions,
    wrong_mirrors,
)

every_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: str(path.relative_to(ROOT)))
LESSONS = [path for path in notebooks() if path.parent.name != "solutions"]


@every_notebook
def test_hygiene(path):
    assert hygiene(read(path)) == []


@every_notebook
def test_what_it_defines_is_what_the_package_runs(path):
    assert wrong_definitions(read(path)) == []


@every_notebook
def test_what_it_mirrors_is_compared(path):
    assert wrong_mirrors(read(path)) == []


@every_notebook
def test_every_number_of_the_prose_is_checked_by_a_claims_cell(path):
    assert unclaimed_numbers(read(path)) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_no_claim_about_quality_holds_without_training(path):
    assert untrained_claims(read(path), path.parent) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_a_lesson_has_its_solutions(path):
    assert (path.parent / "solutions" / path.name).exists()
