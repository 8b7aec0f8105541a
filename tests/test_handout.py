"""What students get: the lessons without answers, and with nbgrader's metadata where it is asked for."""

import importlib
import json
import re
import zipfile

import nbformat
import pytest
from submissions import cell_of

from ae_utils.__main__ import main
from ae_utils.course.teaching.handout import student_notebook, write_handout
from ae_utils.course.teaching.lessons import code_cells, lessons

LESSONS = lessons()
FIRST = LESSONS[0]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def graded(notebook):
    """The cells with nbgrader's metadata, and that."""
    return [(cell, cell["metadata"]["nbgrader"]) for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]


def is_check(value):
    return hasattr(value, "verdict") and not isinstance(value, type)


@each_lesson
def test_every_check_that_a_lesson_calls_is_an_exercise(lesson):
    text = "\n".join(cell["source"] for cell in code_cells(lesson.notebook) if not cell["id"].startswith("claims"))
    called = re.findall(r"(?m)^(?:\w+ = )?(?:turn|check|lesson\d\d)\.(\w+)\(", text)
    modules = {name: importlib.import_module(name) for name in {exercise.module for exercise in lesson.exercises}}
    known = [name for name in called if any(is_check(vars(part).get(name)) for part in modules.values())]
    assert sorted(known) == sorted(exercise.function for exercise in lesson.exercises)
    assert len({exercise.name for exercise in lesson.exercises}) == len(lesson.exercises)
    assert all(1 <= exercise.points <= 3 for exercise in lesson.exercises)


def test_an_exercise_is_worth_its_stars():
    points = {exercise.name: exercise.points for exercise in FIRST.exercises}
    assert points["relu"] == points["count"] == 1 and points["pca"] == 2 and points["between"] == 3


@each_lesson
def test_a_student_s_notebook_has_neither_answers_nor_claims_nor_outputs(lesson):
    notebook = student_notebook(lesson)
    text = "\n".join(cell["source"] for cell in notebook["cells"])
    assert "One way to write it" not in text and "solutions/" not in text and "Fact check" not in text
    assert not any("claims" in cell["metadata"].get("tags", ()) for cell in notebook["cells"])
    assert all(cell["outputs"] == [] for cell in code_cells(notebook))
    hints = [cell for cell in lesson.notebook["cells"] if "<summary>Hint" in cell["source"]]
    assert text.count("<summary>Hint") == sum(cell["source"].count("<summary>Hint") for cell in hints) > 0
    nbformat.validate(nbformat.from_dict(notebook))


@each_lesson
def test_every_stub_and_check_of_a_lesson_is_handed_out(lesson):
    ids = [cell["id"] for cell in student_notebook(lesson)["cells"]]
    assert all(exercise.stub in ids and exercise.check in ids for exercise in lesson.exercises)


@each_lesson
def test_checks_are_locked_tests_and_stubs_are_not(lesson):
    notebook = student_notebook(lesson, nbgrader=True)
    ids = [described["grade_id"] for _, described in graded(notebook)]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]+", name) for name in ids)
    points = 0
    for cell, described in graded(notebook):
        assert described["grade_id"] == cell["id"]
        assert described["locked"] is (cell["metadata"].get("editable") is False) is not described["solution"]
        points += described.get("points", 0)
    assert points == sum(exercise.points for exercise in lesson.exercises)
    nbformat.validate(nbformat.from_dict(notebook))


def run(cell, names):
    """Run a cell; returns the value of the expression in its last line."""
    *lines, last = cell["source"].splitlines()
    exec("\n".join(lines), names)
    return eval(last, names)


@pytest.mark.parametrize(
    ("answer", "points"), [(lambda mse: mse / 4, 1), (lambda mse: mse / 2, 0), (lambda mse: ..., 0)]
)
def test_a_check_returns_its_points(answer, points, capsys):
    names = {"unit_scale": answer}
    exec("from ae_utils.course.checks import lesson01 as check", names)
    assert run(cell_of(student_notebook(FIRST, nbgrader=True), "scale-check"), names) == points
    assert capsys.readouterr().out.count(": ") == 1


def test_a_turn_returns_its_points_and_what_is_used_from_there_on(capsys):
    cell = cell_of(student_notebook(FIRST, nbgrader=True), "error-check")
    names = {"reconstruction_error": lambda x_hat, x: (x_hat - x).square().mean()}
    exec("from ae_utils.course.checks import turns01 as turn", names)
    assert run(cell, names) == 1
    names["reconstruction_error"] = lambda x_hat, x: (x_hat - x).square().sum()
    assert run(cell, names) == 0
    assert names["reconstruction_error"] is names["turn"].reconstruction_error.own
    assert "not yet: this is the sum over images and pixels" in capsys.readouterr().out


@each_lesson
def test_the_autograder_trains_nothing_and_the_student_all(lesson, monkeypatch):
    notebook = student_notebook(lesson, nbgrader=True)
    settings = next(cell for cell in code_cells(notebook) if "settings" in cell["metadata"].get("tags", ()))
    for execution, trains in (("autograde", False), ("validate", True)):
        monkeypatch.setenv("NBGRADER_EXECUTION", execution)
        names = {}
        exec(settings["source"], names)
        exec(cell_of(notebook, "autograde")["source"], names)
        epochs = [value for name, value in names.items() if "epochs" in name.split("_")]
        assert epochs and all(bool(value) is trains for value in epochs)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a handout of lesson 01."""
    folder = tmp_path_factory.mktemp("handout")
    assert main(["handout", str(folder), "--lessons", "1", "--nbgrader"]) == 0
    return folder


def test_a_handout_unpacks_to_what_a_student_needs(written, tmp_path):
    for archive in ("course.zip", "01_linear_autoencoder.zip"):
        zipfile.ZipFile(written / archive).extractall(tmp_path)
    notebook = json.loads((tmp_path / "notebooks" / "01_linear_autoencoder.ipynb").read_text(encoding="utf-8"))
    assert len(code_cells(notebook)) > 40
    linked = {name for cell in notebook["cells"] for name in re.findall(r"\]\(([^)#:]+)[)#]", "".join(cell["source"]))}
    assert linked and all((tmp_path / "notebooks" / name).is_file() for name in linked)
    for name in ("START.md", "requirements.txt", "pyproject.toml", "ae_utils/__main__.py", "ae_utils/widgets/static"):
        assert (tmp_path / name).exists()
    assert (tmp_path / "data" / "train-images-idx3-ubyte.gz").stat().st_size > 9e6
    assert not list(tmp_path.rglob("solutions")) and not list(tmp_path.rglob("__pycache__"))


def test_the_same_lessons_make_the_same_archive(written, tmp_path):
    list(write_handout(tmp_path, ("01",), True))
    name = "01_linear_autoencoder.zip"
    assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_nbgrader_s_folder_has_the_same_notebook_as_the_archive(written):
    source = written / "nbgrader" / "source" / FIRST.name / f"{FIRST.name}.ipynb"
    archive = zipfile.ZipFile(written / f"{FIRST.name}.zip")
    assert archive.read(f"notebooks/{FIRST.name}.ipynb") == source.read_bytes()
    compile((written / "nbgrader" / "nbgrader_config.py").read_text(), "nbgrader_config.py", "exec")


def test_lessons_may_stand_behind_one_another(tmp_path, capsys):
    assert main(["handout", str(tmp_path), "--lessons", "07", "9"]) == 0
    assert sorted(path.name[:2] for path in tmp_path.glob("0*.zip")) == ["07", "09"]
    assert main(["handout", str(tmp_path), "--lessons", "12"]) == 2
    assert "there is no lesson 12; there are 01, 02" in capsys.readouterr().err
