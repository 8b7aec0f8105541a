"""The learner's copies of the lessons: made, brought up to date, and never lost; and where JupyterLab may not write."""

import json
import os
import re
import socket
import subprocess
import sys

import processes
import pytest

from ae_utils.course.lab import CHECKOUT, SLIDERS, keep_sliders, main, own_places, refresh, switches
from ae_utils.errors import InvalidInput

LESSON, SOLUTION = "01_small.ipynb", "solutions/01_small.ipynb"


def write(path, *sources, output="", metadata=None):
    """A notebook with a code cell for each source, which printed ``output``."""
    shown = [{"output_type": "stream", "name": "stdout", "text": output}]
    cells = [{"cell_type": "code", "source": source, "outputs": shown, "metadata": {}} for source in sources]
    content = {"cells": cells, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit(path, *sources, output=""):
    """What JupyterLab does when somebody runs a notebook and saves it: the copy's metadata stay."""
    write(path, *sources, output=output, metadata=json.loads(path.read_text(encoding="utf-8"))["metadata"])


def sources(path):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]


@pytest.fixture
def checkout(tmp_path):
    """A course of one lesson in a folder with a space in its name."""
    root = tmp_path / "my course"
    write(root / "notebooks" / LESSON, "x = 1", "...")
    write(root / "notebooks" / SOLUTION, "x = 1", "x + 1")
    (root / "notebooks" / "pictures").mkdir()
    (root / "notebooks" / "pictures" / "one.png").write_bytes(b"PNG")
    (root / "results").mkdir()
    (root / "results" / "scoreboard.csv").write_text("recipe\n")
    return root


@pytest.fixture
def copied(checkout):
    """The course after a first call."""
    list(refresh(checkout, checkout))
    return checkout


def test_the_first_call_copies_lessons_solutions_and_pictures(checkout):
    (line,) = refresh(checkout, checkout)
    assert "2 notebooks copied" in line
    for name in (LESSON, SOLUTION):
        assert sources(checkout / "work" / name) == sources(checkout / "notebooks" / name)
    assert (checkout / "work" / "pictures" / "one.png").read_bytes() == b"PNG"


def test_a_second_call_says_nothing_and_writes_nothing(copied):
    before = {path: path.stat().st_mtime_ns for path in (copied / "work").rglob("*")}
    assert list(refresh(copied, copied)) == []
    assert {path: path.stat().st_mtime_ns for path in (copied / "work").rglob("*")} == before


def test_a_copy_that_was_run_and_saved_is_left_while_its_lesson_stays(copied):
    edit(copied / "work" / LESSON, "x = 1", "...", "", output="ran")
    before = (copied / "work" / LESSON).read_bytes()
    assert list(refresh(copied, copied)) == []
    assert (copied / "work" / LESSON).read_bytes() == before


@pytest.mark.parametrize("ran", [False, True])
def test_a_new_lesson_replaces_a_copy_with_nothing_of_ones_own(ran, copied):
    if ran:
        edit(copied / "work" / LESSON, "x = 1", "...", "", output="ran")
    write(copied / "notebooks" / LESSON, "x = 2", "...")
    (line,) = refresh(copied, copied)
    assert "is the new version of its lesson" in line
    assert sources(copied / "work" / LESSON) == ["x = 2", "..."]
    assert list(refresh(copied, copied)) == []


def test_a_new_lesson_is_put_beside_a_copy_with_answers(copied):
    edit(copied / "work" / LESSON, "x = 1", "my answer")
    write(copied / "notebooks" / LESSON, "x = 2", "...")
    (line,) = refresh(copied, copied)
    assert f"{LESSON} holds your answers and is kept" in line and "01_small-2.ipynb is the new version" in line
    assert sources(copied / "work" / LESSON) == ["x = 1", "my answer"]
    assert sources(copied / "work" / "01_small-2.ipynb") == ["x = 2", "..."]
    assert list(refresh(copied, copied)) == []


def test_a_third_version_replaces_the_second_where_only_the_first_has_answers(copied):
    edit(copied / "work" / LESSON, "x = 1", "my answer")
    for version in (2, 3):
        write(copied / "notebooks" / LESSON, f"x = {version}", "...")
        assert len(list(refresh(copied, copied))) == 1
    assert sources(copied / "work" / "01_small-2.ipynb") == ["x = 3", "..."]
    assert not (copied / "work" / "01_small-3.ipynb").exists()


def test_a_third_version_gets_a_third_name_where_both_copies_have_answers(copied):
    for version, name in ((2, LESSON), (3, "01_small-2.ipynb")):
        edit(copied / "work" / name, "my answer")
        write(copied / "notebooks" / LESSON, f"x = {version}", "...")
        list(refresh(copied, copied))
    assert sources(copied / "work" / "01_small-2.ipynb") == ["my answer"]
    assert sources(copied / "work" / "01_small-3.ipynb") == ["x = 3", "..."]


def test_new_outputs_of_a_lesson_are_no_new_version(copied):
    write(copied / "notebooks" / LESSON, "x = 1", "...", output="other decimals")
    assert list(refresh(copied, copied)) == []


def test_a_deleted_copy_comes_back_fresh(copied):
    (copied / "work" / LESSON).unlink()
    assert "1 notebooks copied" in next(refresh(copied, copied))
    assert sources(copied / "work" / LESSON) == ["x = 1", "..."]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 1}', '{"cells": [], "metadata": 1}'])
def test_a_copy_that_is_no_notebook_is_kept(text, copied):
    (copied / "work" / LESSON).write_text(text)
    list(refresh(copied, copied))
    assert (copied / "work" / LESSON).read_text() == text
    assert sources(copied / "work" / "01_small-2.ipynb") == ["x = 1", "..."]


def test_a_damaged_lesson_is_named(checkout):
    (checkout / "notebooks" / LESSON).write_text("{")
    with pytest.raises(InvalidInput, match=r"01_small\.ipynb is no readable notebook; `git checkout notebooks`"):
        list(refresh(checkout, checkout))


def test_in_another_folder_the_tables_stand_where_lessons_look_for_them(checkout, tmp_path):
    list(refresh(tmp_path / "mine", checkout))
    assert (tmp_path / "mine" / "work" / LESSON).exists()
    assert (tmp_path / "mine" / "work" / ".." / "results" / "scoreboard.csv").read_text() == "recipe\n"


def test_links_and_tables_of_every_lesson_are_found_from_its_copy(tmp_path):
    list(refresh(tmp_path))
    copies = list((tmp_path / "work").rglob("*.ipynb"))
    originals = [*CHECKOUT.glob("notebooks/[!.]*.ipynb"), *CHECKOUT.glob("notebooks/solutions/[!.]*.ipynb")]
    assert len(copies) == len(originals) > 0
    for path in copies:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            pattern = r'\]\(([^)#\s]+)\)|src="([^"]+)"' if cell["cell_type"] == "markdown" else r'"(\.\./[^"]+)"'
            for link in re.findall(pattern, "".join(cell["source"])):
                link = "".join(link)
                assert "://" in link or (path.parent / link).exists(), f"{path.name}: {link}"


def test_a_folder_that_cannot_be_written_to_gets_a_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["--folder", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"nothing can be written to {tmp_path / 'file' / 'work'}; name another folder" in line


def test_git_ignores_the_copies():
    assert "/work/" in (CHECKOUT / ".gitignore").read_text().splitlines()


def test_pytest_does_not_collect_the_copies(tmp_path):
    for folder in ("work", ".venv", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_in_{folder.strip('.')}.py").write_text("def test_nothing():\n    pass\n")
    config = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", "."]
    found = processes.run(*command, cwd=tmp_path)
    assert re.findall(r"test_in_\w+", found.stdout) == ["test_in_tests"]


@pytest.fixture
def environment(monkeypatch):
    """A copy of the environment that the test may change."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in [
        name for name in os.environ if name.startswith("JUPYTER_") or name in ("IPYTHONDIR", "XDG_CACHE_HOME")
    ]:
        del os.environ[name]
    return os.environ


def test_where_home_is_read_only_settings_go_beside_the_copies_and_a_line_says_so(tmp_path, environment):
    (tmp_path / "home").touch()  # a file: nobody, not even root, can write below it
    places = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    environment.update({f"JUPYTER_{name}_DIR": str(tmp_path / "home" / place) for name, place in places.items()})
    (line,) = own_places(tmp_path / "work" / ".jupyter")
    assert "home folder cannot be written to" in line and str(tmp_path / "work" / ".jupyter") in line
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        assert environment[name].startswith(str(tmp_path / "work" / ".jupyter"))


def test_where_home_can_be_written_to_nothing_is_said_or_changed(tmp_path, environment):
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment.update({name: str(tmp_path / name) for name in names})
    before = dict(environment)
    assert list(own_places(tmp_path / "work" / ".jupyter")) == []
    assert environment == before


@pytest.mark.parametrize(
    "before, after",
    [
        (None, {SLIDERS: {"saveState": True}}),
        ({"theme": {"dark": True}}, {"theme": {"dark": True}, SLIDERS: {"saveState": True}}),
        ({SLIDERS: {"saveState": False}}, {SLIDERS: {"saveState": False}}),
    ],
)
def test_jupyterlab_saves_sliders_unless_somebody_chose_otherwise(before, after, tmp_path):
    path = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if before:
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(before))
    keep_sliders(tmp_path)
    assert json.loads(path.read_text()) == after


def test_an_environment_that_cannot_be_written_to_stays_as_it_is(tmp_path):
    (tmp_path / "share").touch()
    keep_sliders(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["share"]


@pytest.mark.parametrize("user, root", [(0, True), (1000, False)])
def test_root_alone_gets_allow_root_and_a_line(user, root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in switches(tmp_path)) == root
    assert ("You are root" in capsys.readouterr().out) == root


@pytest.mark.parametrize("platform, display, opens", [("linux", "", False), ("linux", ":0", True), ("win32", "", True)])
def test_a_browser_is_opened_only_where_there_is_a_display(platform, display, opens, environment, monkeypatch, capsys):
    environment.update({"DISPLAY": display, "WAYLAND_DISPLAY": "", "BROWSER": ""})
    monkeypatch.setattr(sys, "platform", platform)
    assert ("--no-browser" not in switches(CHECKOUT)) == opens
    assert ("open the address below" in capsys.readouterr().out) != opens


def test_where_the_port_is_taken_another_one_is_used_and_said(tmp_path):
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own["IPYTHONDIR"] = str(tmp_path / "ipython")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = (sys.executable, "-m", "ae_utils.course.lab", "--folder", tmp_path, f"--port={port}", "--no-browser")
        processes.kill_at(f"http://127.0.0.1:{port + 1}/lab?token=", *command, env=own, stderr=subprocess.STDOUT)
