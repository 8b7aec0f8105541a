"""Every notebook of the course against the rules; notebooks are found by glob, so a new lesson is covered at once."""

import nbformat
import pytest
from execute_notebooks import ROOT, execute, notebooks
from notebook_rules import (
    code_cells,
    filled,
    hygiene,
    read,
    unclaimed_numbers,
    untrained_claims,
    wrong_answers,
    wrong_definitions,
    wrong_mirrors,
    wrong_records,
)
from stress.share import WHOLE

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
def test_every_your_turn_has_a_check_and_the_package_s_own_answer(path):
    assert wrong_answers(read(path)) == []


@every_notebook
def test_claims_about_recorded_tables_are_tagged_so(path):
    assert wrong_records(read(path)) == []


@pytest.mark.skipif(not WHOLE, reason="runs lessons in full: `make stress`")
@pytest.mark.parametrize(
    "path", [path for path in LESSONS if code_cells(read(path), "your-turn")], ids=lambda path: path.name
)
def test_right_answers_to_every_your_turn_give_the_same_outputs(path):
    """Only the line that says how the answer stands may differ."""
    expected, found = read(path), execute(filled(read(path)), path.parent)
    for before, after in zip(code_cells(expected), code_cells(found), strict=True):
        texts = [[output.get("text", "") for output in cell.outputs] for cell in (before, after)]
        if "not written yet" not in str(texts[0]):
            assert texts[0] == texts[1], before.id
        else:
            assert "right" in str(texts[1]), before.id


@every_notebook
def test_every_number_of_the_prose_is_checked_by_a_claims_cell(path):
    assert unclaimed_numbers(read(path)) == []


def on_few_images(notebook):
    """The notebook on the first 10,000 images of both splits."""
    code = """
import ae_utils.data.mnist as few
whole = few.mnist
few.mnist = lambda split, root=None: whole(split, root)[:10_000]
"""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(code, id="few-images"))
    return notebook


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.name}::0 epochs")  # ::, so that xdist may part them
def test_no_claim_about_quality_holds_without_training(path, monkeypatch):
    """`make stress` takes all images, and also finds claims that fail without training but are not tagged so."""
    monkeypatch.setenv("MPLBACKEND", "agg")  # whose figures are not drawn before somebody saves them
    complaints = untrained_claims(read(path) if WHOLE else on_few_images(read(path)), path.parent)
    assert [complaint for complaint in complaints if WHOLE or not complaint.endswith("fails without training")] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_a_lesson_has_its_solutions(path):
    assert (path.parent / "solutions" / path.name).exists()
