"""Grading: what counts as an answer, points for honest submissions, and no harm by hostile ones."""

import copy
import csv
import io
import json
import sys

import pytest
from submissions import answered, cell_of, hostile_answers, mutated_answers, right_answers, with_mistakes, write

from ae_utils.__main__ import main
from ae_utils.course.checks import lesson01
from ae_utils.course.checks.check import RIGHT
from ae_utils.course.teaching import grade, jail, worker
from ae_utils.course.teaching.grade import Limits, grade_folder
from ae_utils.course.teaching.handout import student_notebook
from ae_utils.course.teaching.lessons import code_cells, lessons, read, read_notebook, statements
from ae_utils.course.teaching.submission import answers, steps, which_lesson
from ae_utils.errors import InvalidInput

LESSONS = lessons()
FIRST = LESSONS[0]
HANDOUT = student_notebook(FIRST, nbgrader=True)
RIGHT_ONE = "def unit_scale(mse):\n    return mse / 4"
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems limit time only")


def solved(**others):
    """Lesson 01 with right answers, except for ``others``."""
    return answered(HANDOUT, FIRST, right_answers(FIRST) | others)


def answer_in(notebook, name="scale"):
    return answers(FIRST, notebook)[name].source


def without(notebook, *ids):
    return {**notebook, "cells": [cell for cell in notebook["cells"] if cell["id"] not in ids]}


def code(source, name="new"):
    return {"cell_type": "code", "id": name, "metadata": {}, "source": source}


# What counts as an answer


def test_an_answer_is_found_by_the_id_of_its_cell():
    assert answer_in(answered(HANDOUT, FIRST, {"scale": RIGHT_ONE})) == RIGHT_ONE


def test_an_answer_is_found_by_nbgrader_s_id():
    notebook = answered(HANDOUT, FIRST, {"scale": RIGHT_ONE})
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"c{number}"
    assert answer_in(notebook) == RIGHT_ONE


def test_an_answer_is_found_by_its_name_where_ids_are_lost():
    notebook = answered(student_notebook(FIRST), FIRST, {"scale": RIGHT_ONE})
    for cell in notebook["cells"]:
        del cell["id"]
    assert answer_in(notebook) == RIGHT_ONE
    assert answers(FIRST, notebook)["deep"].is_stub


def test_an_answer_may_stand_in_a_cell_of_its_own():
    notebook = without(HANDOUT, "scale-stub")
    notebook["cells"].append(code(RIGHT_ONE))
    assert answer_in(notebook) == RIGHT_ONE


def test_of_several_answers_the_last_counts_and_a_stub_is_none():
    notebook = copy.deepcopy(HANDOUT)
    stub = cell_of(notebook, "scale-stub")
    notebook["cells"] += [code("def unit_scale(mse):\n    return 0"), code(RIGHT_ONE), stub]
    assert answer_in(notebook) == RIGHT_ONE
    assert answers(FIRST, HANDOUT)["scale"].is_stub


def test_an_import_of_the_same_name_is_no_answer():
    deep = "from ae_utils.models import Autoencoder\n\ndeep = Autoencoder(None, None, 3)"
    assert answers(FIRST, answered(HANDOUT, FIRST, {"deep": deep}))["autoencoder"].is_stub


def checks_in(notebook):
    return [step.exercises[0].name for step in steps(FIRST, notebook, answers(FIRST, notebook)) if step.kind == "check"]


@pytest.mark.parametrize("change", ["deleted", "duplicated", "edited"])
def test_checks_are_the_original_s(change):
    notebook = copy.deepcopy(HANDOUT)
    check = cell_of(notebook, "scale-check")
    if change == "deleted":
        notebook["cells"].remove(check)
    elif change == "duplicated":
        notebook["cells"] += [check, {**check, "id": "another"}]
    else:
        check["source"] = "1"
    assert checks_in(notebook) == [exercise.name for exercise in FIRST.exercises]


def test_a_helper_and_an_import_in_cells_of_their_own_are_run_and_what_nothing_reads_is_not():
    notebook = answered(HANDOUT, FIRST, {"scale": "def unit_scale(mse):\n    return quarter(mse)"})
    cell_of(notebook, "imports")["source"] += "\nimport fractions"
    place = notebook["cells"].index(cell_of(notebook, "scale-stub"))
    helper = "def quarter(x):\n    return float(fractions.Fraction(1, 4)) * x\n\nunused = quarter(3)"
    notebook["cells"].insert(place, code(helper))
    sources = [step.source for step in steps(FIRST, notebook, answers(FIRST, notebook))]
    assert "import fractions" in sources and not any("unused" in source for source in sources)
    assert sources.index("import fractions") < next(i for i, source in enumerate(sources) if "def quarter" in source)


@each_lesson
def test_no_training_is_run_for_the_checks(lesson):
    program = steps(lesson, lesson.notebook, answers(lesson, lesson.notebook))
    context = [step.source for step in program if step.kind == "context"]
    assert not any("fit(" in source or "epochs" in read(source) for source in context if "def " not in source), context


@each_lesson
def test_a_lesson_is_recognised(lesson):
    assert which_lesson(student_notebook(lesson), "homework", LESSONS) == lesson
    assert which_lesson({"cells": []}, f"ana/{lesson.name}", LESSONS) == lesson
    assert which_lesson({"cells": []}, "homework", LESSONS) is None


def test_lines_for_ipython_do_no_harm():
    assert len(statements("%matplotlib inline\n!ls\nx = 1")) == 3
    assert statements("x = = 1") == statements("(" * 5_000) == statements("\0") == []


def test_read_names_are_those_from_outside():
    assert read("def f(x, y=a):\n    z = x\n    return z + b") == {"a", "b"}
    assert read("c = [d for d in e]") >= {"e"} and "d" not in read("c = [d for d in e]")


# What the worker says


def verdict(name, source, lesson=FIRST):
    """The worker's verdict on a cell, in this process."""
    exercise = next(exercise for exercise in lesson.exercises if exercise.name == name)
    step = grade._described(next(s for s in steps(lesson, {"cells": []}, answers(lesson, {"cells": []}))
                                 if s.kind == "check" and s.exercises == (exercise,)))  # fmt: skip
    module = __import__(exercise.module, fromlist=[exercise.function])
    names = {"torch": worker.importlib.import_module("torch"), "__name__": "lesson"}
    raised = worker._run({"kind": "answer", "source": source, "names": [name], "answers": exercise.answers}, names)
    return worker._verdict(step, getattr(module, exercise.function), names, raised)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0", "there is no unit_scale: its cell raised ZeroDivisionError: division by zero"),
        ("def unit_scale(mse) return", "its cell raised SyntaxError: expected ':'"),
        ("pass", "there is no unit_scale: the cell that defines it is missing"),
        ("def unit_scale(mse): exit()", "the answer raised SystemExit"),
        ("def unit_scale(mse): return mse / 2", "a difference between pixels halves; what happens to its square?"),
        (f"{RIGHT_ONE}\n1 / 0", "a quarter, since differences halve"),
    ],
)
def test_the_sentence_is_the_check_s_or_says_what_happened(source, sentence):
    assert sentence in verdict("scale", source).sentence


def test_a_check_that_was_changed_is_found_out(monkeypatch):
    monkeypatch.setattr(lesson01.unit_scale, "verdict", lambda answer: (RIGHT, "fine"))
    assert verdict("scale", RIGHT_ONE).sentence == "the check was changed: it accepts anything"


@each_lesson
def test_no_check_accepts_nonsense(lesson):
    for exercise in lesson.exercises:
        if not exercise.by_hand and exercise.arguments == ", ".join(exercise.answers):
            module = __import__(exercise.module, fromlist=[exercise.function])
            step = {"source": exercise.arguments, "answers": exercise.answers}
            assert not worker._accepts_nonsense(getattr(module, exercise.function), step, {}), exercise.name


def test_the_worker_reports_each_verdict_and_goes_on_after_an_error(monkeypatch, capfd):
    notebook = answered(HANDOUT, FIRST, {"scale": RIGHT_ONE, "count": "1 / 0"})
    program = steps(FIRST, notebook, answers(FIRST, notebook))
    job = {"secret": "a", "launcher": [], "memory": 1, "cpu_seconds": 1}
    job["steps"] = [grade._described(step) for step in program]
    monkeypatch.setattr(worker, "lock", lambda *limits: ["a network that is shut off"])
    monkeypatch.setattr(worker, "_mute", lambda: None)
    monkeypatch.setattr(worker.sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(job).encode())))
    worker.main()
    reports = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert reports[0] == {"secret": "a", "ready": True, "missing": ["a network that is shut off"]}
    assert reports[-1] == {"secret": "a", "done": True}
    said = {report["name"]: report["state"] for report in reports if "name" in report}
    assert (said["scale"], said["count"], said["pca"]) == (RIGHT, worker.MISSING, "not answered yet")


@pytest.mark.parametrize(
    ("mounted", "landlocked", "command", "missing"),
    [
        (True, 0, ("unshare", "-n", "-m"), []),
        (False, 7, (), []),
        (False, 3, (), ["a network that is shut off"]),
        (False, 0, ("unshare", "-n"), ["write protection of other folders"]),
    ],
)
@linux
def test_what_cannot_be_had_is_said(mounted, landlocked, command, missing, monkeypatch, tmp_path):
    monkeypatch.setattr(jail, "_limits", lambda *limits: True)
    monkeypatch.setattr(jail, "_read_only_mounts", lambda folder: mounted)
    monkeypatch.setattr(jail, "_landlock", lambda folder: landlocked)
    assert jail.lock(tmp_path, 1, 1, command) == missing


def test_lines_without_the_secret_are_no_reports():
    assert grade._report(b'{"secret": "a", "done": true}', "a") == {"secret": "a", "done": True}
    assert grade._report(b'{"secret": "b", "done": true}', "a") == grade._report(b"[[", "a") == {}


# A folder of submissions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of submissions."""
    return tmp_path_factory.mktemp("submitted")


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder that is none of theirs."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "file").write_text("as it was")
    return folder


@pytest.fixture(scope="module")
def rows(folder, outside, tmp_path_factory):
    """Points and sentence by submission and exercise, once everything in the folder was graded."""
    hostile = hostile_answers(outside)
    names = ("hangs", "ends the process", "eats memory", "deletes", "changes rights", "calls out", "prints megabytes")
    each = dict(zip(("error", "count", "pca", "scale", "between", "step", "relu"), names, strict=True))
    made = {exercise.name: exercise.answers[0] for exercise in FIRST.exercises}
    wrong = {
        exercise: hostile[what].replace("unit_scale(mse)", f"{made[exercise]}(*inputs)").replace("mse / 4", "0")
        for exercise, what in each.items()
    }
    write(HANDOUT, folder / "ana" / "01.ipynb")
    write(solved(), folder / "ben" / "01.ipynb")
    write(with_mistakes(HANDOUT, FIRST, mutated_answers(FIRST)[0]), folder / "cleo" / "01.ipynb")
    write(solved(**wrong), folder / "dan" / "01.ipynb")
    (folder / "eve" / "01_linear_autoencoder.ipynb").parent.mkdir()
    (folder / "eve" / "01_linear_autoencoder.ipynb").write_bytes(b"\x00 no notebook")
    write({"cells": []}, folder / "fay.ipynb")
    table = tmp_path_factory.mktemp("grades") / "grades.csv"
    said = list(grade_folder(folder, table, 2, Limits(seconds=25, memory=1)))
    assert said[-1] == f"{table}: 6 submissions, 6 of them graded now"
    found = {}
    for row in csv.DictReader(table.open(encoding="utf-8")):
        found.setdefault(row["submission"], {})[row["exercise"]] = row
    return found, table


def points(rows):
    return sum(int(row["points"]) for row in rows.values())


def test_stubs_get_nothing_and_solutions_everything(rows):
    found, _ = rows
    assert points(found["ana/01"]) == 0 and points(found["ben/01"]) == 13, found
    assert {row["said"].partition(":")[0] for row in found["ana/01"].values()} == {
        "not written yet",
        "not answered yet",
    }
    assert all(row["said"].startswith("right: ") for row in found["ben/01"].values())


@pytest.mark.slow
@each_lesson
def test_the_solutions_of_every_lesson_get_all_points(lesson, tmp_path):
    notebook = answered(student_notebook(lesson, nbgrader=True), lesson, right_answers(lesson))
    rows, _ = grade.grade_one(write(notebook, tmp_path / "01.ipynb"), "01", LESSONS, Limits())
    assert all(row["points"] == row["of"] or "by hand" in row["said"] for row in rows), rows


def test_a_mistake_is_named_in_the_table(rows):
    for name, mistake in mutated_answers(FIRST)[0].items():
        row = rows[0]["cleo/01"][name]
        assert row["points"] == "0" and mistake.named in row["said"]
    assert points(rows[0]["cleo/01"]) == 9


@linux
def test_what_harms_costs_its_own_points_and_nothing_else(rows, outside):
    row = rows[0]["dan/01"]
    assert row["error"]["said"] == "not yet: it was stopped after 25 seconds"
    assert row["count"]["said"].startswith("not yet: it ended Python")
    assert "MemoryError" in row["pca"]["said"]
    assert {name for name in row if row[name]["points"] != "0"} == {"autoencoder", "deep"}
    assert (outside / "file").read_text() == "as it was" and [path.name for path in outside.iterdir()] == ["file"]
    if "-m" in jail.launcher():
        assert (outside / "file").stat().st_mode & 0o600 == 0o600
    assert any(error in row["step"]["said"] for error in ("PermissionError", "unreachable"))


def test_what_is_no_notebook_has_its_rows(rows):
    found, _ = rows
    assert len(found["eve/01_linear_autoencoder"]) == 9 and points(found["eve/01_linear_autoencoder"]) == 0
    assert found["fay"][""]["said"] == "this answers nothing of the course"


def test_what_was_graded_is_not_graded_again(rows, folder, monkeypatch):
    _, table = rows
    before = table.read_bytes()
    monkeypatch.setattr(grade, "grade_one", lambda path, *rest: pytest.fail(f"{path} was graded before"))
    assert list(grade_folder(folder, table)) == [f"{table}: 6 submissions, 0 of them graded now"]
    assert table.read_bytes() == before


def test_a_submission_that_has_changed_is_graded_again(rows, folder, monkeypatch, tmp_path):
    table = tmp_path / "grades.csv"
    table.write_bytes(rows[1].read_bytes())
    (folder / "fay.ipynb").write_text(json.dumps({"cells": [], "metadata": {"new": True}}))
    assert list(grade_folder(folder, table, 1))[-1] == f"{table}: 6 submissions, 1 of them graded now"


def test_wrong_folders_and_tables_get_a_sentence(tmp_path, capsys):
    assert main(["grade", str(tmp_path / "none")]) == 2
    assert main(["grade", str(tmp_path)]) == 2
    write(HANDOUT, tmp_path / "01.ipynb")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert main(["grade", str(tmp_path), "--csv", str(tmp_path / "other.csv")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert ["is no folder" in said[0], "there are no notebooks in" in said[1], "is no table of grades" in said[2]] == [
        True
    ] * 3


def test_a_process_that_does_not_start_is_no_student_s_fault(tmp_path, monkeypatch):
    write(HANDOUT, tmp_path / "01.ipynb")
    monkeypatch.setattr(grade.sys, "executable", "false")
    with pytest.raises(InvalidInput, match="a process for grading does not start"):
        list(grade_folder(tmp_path, tmp_path / "grades.csv", 1))


def test_a_name_is_no_formula(tmp_path):
    path = write({"cells": []}, tmp_path / "=1+1.ipynb")
    assert grade._name(path, tmp_path) == "./=1+1"


def test_a_notebook_is_read_or_refused_in_a_sentence(tmp_path):
    path = tmp_path / "deep.ipynb"
    path.write_text("[" * 100_000)
    with pytest.raises(InvalidInput, match=r"deep\.ipynb is no readable notebook"):
        read_notebook(path)
    assert len(code_cells(read_notebook(write(HANDOUT, tmp_path / "fine.ipynb")))) == len(code_cells(HANDOUT))


@linux
def test_without_unshare_landlock_remains(monkeypatch, tmp_path, outside):
    monkeypatch.setattr(grade, "launcher", lambda: ())
    deleting = f"import shutil\n\nshutil.rmtree({str(outside)!r})"
    rows, missing = grade.grade_one(write(answered(HANDOUT, FIRST, {"scale": deleting}), tmp_path / "01.ipynb"), "01",
                                    [FIRST], Limits())  # fmt: skip
    assert "Permission denied" in rows[7]["said"] or missing == ["write protection of other folders"]
    assert (outside / "file").exists() or missing


def test_a_system_without_unshare_has_no_launcher(monkeypatch):
    monkeypatch.setattr(jail.subprocess, "run", lambda *command, **options: (_ for _ in ()).throw(OSError("none")))
    jail.launcher.cache_clear()
    assert jail.launcher() == ()
    jail.launcher.cache_clear()
