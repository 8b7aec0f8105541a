"""The round trip through nbgrader's own autograder, where there is one: NBGRADER=grading/bin/nbgrader pytest …

Lesson 01 is cut down to imports, settings, stubs and checks, so that a submission takes seconds. STRESS=1 takes the
lesson as it is, and makes every mistake of its catalogue, not only the first of each.
"""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import processes
import pytest
from submissions import answered, cell_of, mutated_answers, right_answers, with_mistakes, write

from ae_utils.course.teaching.grade import grade_folder
from ae_utils.course.teaching.handout import CONFIG, student_notebook
from ae_utils.course.teaching.lessons import lessons, read_notebook

NBGRADER = os.environ.get("NBGRADER") or shutil.which("nbgrader")
LESSONS = lessons()
FIRST = LESSONS[0]
STRESS = bool(os.environ.get("STRESS"))
ROUNDS = mutated_answers(FIRST) if STRESS else mutated_answers(FIRST)[:1]
SCORES = """
import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    scores = {
        submission.student.id: {grade.name: grade.auto_score for part in submission.notebooks for grade in part.grades}
        for submission in book.assignment_submissions(sys.argv[1])
    }
print(json.dumps(scores))
"""
VALIDATE = """
import sys, nbformat
from nbgrader.nbgraderformat import MetadataValidator
for path in sys.argv[1:]:
    MetadataValidator().validate_nb(nbformat.read(path, as_version=4))
"""
pytestmark = pytest.mark.skipif(not NBGRADER, reason="nbgrader is not here; tests/requirements-nbgrader.txt brings it")


def nbgrader(*command, cwd):
    """Run a command of nbgrader's environment with this Python as the kernel."""
    kernel = Path(cwd, "kernels", "python3", "kernel.json")
    kernel.parent.mkdir(parents=True, exist_ok=True)
    run = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    kernel.write_text(json.dumps({**run, "display_name": "Python 3"}))
    folder = Path(NBGRADER).parent
    path = os.pathsep.join((str(folder), os.environ["PATH"]))
    done = processes.run(folder / command[0], *command[1:], cwd=cwd, env={"JUPYTER_PATH": str(cwd), "PATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def excerpt(notebook):
    """Imports, settings, stubs and checks; with STRESS=1 the whole notebook."""
    if STRESS:
        return notebook
    kept = {name for exercise in FIRST.exercises for name in (exercise.stub, exercise.check)}
    kept |= {"imports", "settings", "autograde"}
    return {**notebook, "cells": [cell for cell in notebook["cells"] if cell["id"] in kept]}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course directory in which everything was autograded."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(CONFIG)
    file = f"{FIRST.name}/{FIRST.name}.ipynb"
    write(excerpt(student_notebook(FIRST, nbgrader=True)), folder / "source" / file)
    nbgrader("nbgrader", "generate_assignment", FIRST.name, cwd=folder)
    released = read_notebook(folder / "release" / file)
    solved = answered(released, FIRST, right_answers(FIRST))
    spoiled = {**solved, "cells": [cell for cell in solved["cells"] if cell["id"] != "pca-check"]}
    spoiled["cells"] += [{**cell_of(solved, "scale-check"), "id": "again"}]
    handed_in = {
        "ana": released,
        "ben": solved,
        "cleo": answered(spoiled, FIRST, {"error": "reconstruction_error = abs"}),
    }
    cell_of(handed_in["cleo"], "error-check")["source"] = "1"
    handed_in |= {f"round{number}": with_mistakes(released, FIRST, made) for number, made in enumerate(ROUNDS)}
    for student, notebook in handed_in.items():
        write(notebook, folder / "submitted" / student / file)
        nbgrader("nbgrader", "autograde", FIRST.name, "--create", "--student", student, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def scores(course):
    """nbgrader's points, by student and check."""
    return json.loads(nbgrader("python", "-c", SCORES, FIRST.name, cwd=course))


def test_stubs_get_nothing_and_solutions_everything(scores):
    assert sum(scores["ana"].values()) == 0 and sum(scores["ben"].values()) == 13


def test_deleted_copied_and_edited_checks_are_the_original_s(scores):
    assert scores["cleo"] == {**scores["ben"], "error-check": 0}


def test_each_mistake_costs_its_point_and_its_sentence_is_in_the_notebook(course, scores):
    for number, mistakes in enumerate(ROUNDS):
        file = course / "autograded" / f"round{number}" / FIRST.name / f"{FIRST.name}.ipynb"
        notebook = read_notebook(file)
        for name, mistake in mistakes.items():
            assert scores[f"round{number}"][f"{name}-check"] == 0
            (printed, *_) = cell_of(notebook, f"{name}-check")["outputs"]
            assert mistake.named in "".join(printed["text"])
        assert sum(scores[f"round{number}"].values()) == 13 - len(mistakes)


def test_nbgrader_s_points_are_ours(course, scores, tmp_path):
    list(grade_folder(course / "submitted", tmp_path / "grades.csv"))
    ours = {}
    for row in csv.DictReader((tmp_path / "grades.csv").open(encoding="utf-8")):
        check = next(exercise.check for exercise in FIRST.exercises if exercise.name == row["exercise"])
        ours.setdefault(row["submission"].split("/")[0], {})[check] = int(row["points"])
    assert ours == scores


def test_nbgrader_takes_the_metadata_of_every_lesson(tmp_path):
    paths = [write(student_notebook(lesson, nbgrader=True), tmp_path / f"{lesson.name}.ipynb") for lesson in LESSONS]
    nbgrader("python", "-c", VALIDATE, *paths, cwd=tmp_path)
