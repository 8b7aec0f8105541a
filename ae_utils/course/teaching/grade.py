"""Grades a folder of submitted notebooks: ``python -m ae_utils grade FOLDER --csv grades.csv``.

Every submission runs in a process of its own, shut off as well as the system can (``jail``) and watched from here. An
answer that hangs, exits or takes the process down costs its own points: the rest is run again without it.
"""

import hashlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ae_utils.course.checks.check import OPEN, RIGHT, WRONG
from ae_utils.course.checks.your_turn import NOT_WRITTEN
from ae_utils.course.experiments.tables import read_rows, write_rows
from ae_utils.course.teaching.jail import launcher
from ae_utils.course.teaching.lessons import Exercise, Lesson, lessons, read_notebook
from ae_utils.course.teaching.submission import CHECK, Answer, Step, answers, steps, which_lesson
from ae_utils.errors import InvalidInput

Row = dict[str, str]
COLUMNS = ("submission", "lesson", "exercise", "points", "of", "said", "sha256")
START = 180  # seconds for the start of a process, before anything of the submission runs
LONGEST_LINE = 65_536
LARGEST_FOLDER = 256 << 20  # bytes that a submission may write
BEFORE_EACH_LOOK = 0.3  # seconds


class Limits(NamedTuple):
    """What one submission may take."""

    seconds: float = 60.0  # for an answer, and again for its check
    memory: float = 2.0  # GiB, on top of what Python and torch have


class Died(Exception):
    """The process of a submission ended before it was done; the sentence says how."""


def grade_folder(folder: Path, table: Path, jobs: int | None = None, limits: Limits | None = None) -> Iterator[str]:
    """Grade every notebook below ``folder`` into the CSV ``table``; yields a line on each as it is done.

    What stands in the table already, of the same content, is not run again. ``jobs`` is the number of submissions at a
    time: as many as there are processors without it. Raises ``InvalidInput`` where there are no notebooks.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder; name the one that the submissions are in.")
    course, limits = lessons(), limits or Limits()
    paths = {_name(path, folder): path for path in sorted(_notebooks(folder))}
    if not paths:
        raise InvalidInput(f"there are no notebooks in {folder}.")
    done = _graded(table, paths)
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        left = [name for name in paths if name not in done]
        running = {pool.submit(grade_one, paths[name], name, course, limits): name for name in left}
        try:
            for future in as_completed(running):
                name = running[future]
                done[name], missing = future.result()
                write_rows(table, (row for key in sorted(done) for row in done[key]))
                yield f"{name}: {_total(done[name])}"
                if missing:
                    yield f"  not to be had on this machine: {', '.join(missing)}"
        finally:
            pool.shutdown(cancel_futures=True)
    yield f"{table}: {len(done)} submissions, {len(left)} of them graded now"


def grade_one(path: Path, name: str, course: list[Lesson], limits: Limits) -> tuple[list[Row], list[str]]:
    """The rows of one submission, whatever it is, and what could not be limited while it ran."""
    digest = _digest(path)
    try:
        notebook = read_notebook(path)
    except InvalidInput:
        notebook = None
    lesson = which_lesson(notebook or {"cells": []}, name, course)
    if lesson is None:
        said = "this is no readable notebook" if notebook is None else "this answers nothing of the course"
        return [_row(name, "", "", "0", "", said, digest)], []
    if notebook is None:
        marks = {exercise.name: ("0", "this is no readable notebook") for exercise in lesson.exercises}
        missing: list[str] = []
    else:
        marks, missing = _marks(lesson, notebook, limits)
    rows = [_row(name, lesson.name, e.name, marks[e.name][0], str(e.points), marks[e.name][1], digest)
            for e in lesson.exercises]  # fmt: skip
    return rows, missing


def _marks(lesson: Lesson, notebook: dict[str, Any], limits: Limits) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Points and sentence for each exercise; run again, without what was fatal, until the end is reached."""
    found, stubs = answers(lesson, notebook), answers(lesson, {"cells": []})
    said: dict[str, tuple[str, str]] = {}
    missing: list[str] = []
    for _ in range(len(lesson.exercises) + 1):
        try:
            for line in _run(steps(lesson, notebook, found), limits):
                missing = line.get("missing", missing)
                if "name" in line:
                    said.setdefault(line["name"], (line["state"], line["sentence"]))
            break
        except Died as death:
            sentence, fatal = death.args
            for name in fatal or stubs:
                said.setdefault(name, (WRONG, sentence))
            if all(found[name].is_stub for name in fatal):
                break
            found |= {name: stubs[name] for name in fatal}
    return {exercise.name: _mark(exercise, found, said) for exercise in lesson.exercises}, missing


def _mark(exercise: Exercise, found: dict[str, Answer], said: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if exercise.by_hand and found[exercise.name].is_stub:
        return "0", f"{OPEN}: it is still the stub"
    if exercise.by_hand:
        return "", f"to be graded by hand: {exercise.by_hand}"
    state, sentence = said.get(exercise.name, (NOT_WRITTEN, "nothing came back"))
    return str(exercise.points if state == RIGHT else 0), f"{state}: {sentence}"


def _run(program: list[Step], limits: Limits) -> Iterator[dict[str, Any]]:
    """Run a program in a process of its own; yields what it reports. Raises ``Died`` with the fatal answers' names."""
    secret = secrets.token_hex(16)
    job = {
        "secret": secret,
        "launcher": launcher(),
        "memory": int(limits.memory * 2**30),
        "cpu_seconds": START + 2 * limits.seconds * len(program),
        "steps": [_described(step) for step in program],
    }
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as folder:
        process = _start(Path(folder))
        lines: queue.Queue[bytes] = queue.Queue(1000)  # a flood waits
        threading.Thread(target=_listen, args=(process, lines), daemon=True).start()
        try:
            with suppress(OSError):  # it died at once: its silence says so
                process.stdin.write(json.dumps(job).encode())  # type: ignore[union-attr]
                process.stdin.close()  # type: ignore[union-attr]
            yield from _reports(process, lines, Path(folder), secret, limits)
        finally:
            _kill(process)


def _described(step: Step) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": step.kind,
        "source": step.source,
        "names": [exercise.name for exercise in step.exercises],
        "answers": [name for exercise in step.exercises for name in exercise.answers],
    }
    if step.kind == CHECK:
        (exercise,) = step.exercises
        described |= {"module": exercise.module, "function": exercise.function, "is_turn": exercise.is_turn}
    return described


def _start(folder: Path) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in ("PATH", "AE_UTILS_DATA", "LANG", "SYSTEMROOT") if name in os.environ}
    places = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "MPLCONFIGDIR"), str(folder))
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    paths = os.pathsep.join(path for path in sys.path if path)
    python = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [*launcher(), sys.executable, "-m", "ae_utils.course.teaching.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**kept, **places, **threads, **python},
        start_new_session=True,
    )


def _listen(process: subprocess.Popen[bytes], lines: "queue.Queue[bytes]") -> None:
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        while line := process.stdout.readline(LONGEST_LINE):
            lines.put(line)
    lines.put(b"")


def _reports(
    process: subprocess.Popen[bytes], lines: "queue.Queue[bytes]", folder: Path, secret: str, limits: Limits
) -> Iterator[dict[str, Any]]:
    """What the process reports, until it is done."""
    ready = False
    fatal: list[str] = []
    deadline = time.monotonic() + START
    while True:
        try:
            line = lines.get(timeout=BEFORE_EACH_LOOK)
        except queue.Empty:
            line = b" "
        if not ready and (line == b"" or time.monotonic() > deadline):
            raise InvalidInput("a process for grading does not start; does `python -m ae_utils list` work here?")
        if line == b"":
            raise Died(f"it ended Python{_how(process)}", fatal)
        if time.monotonic() > deadline:
            raise Died(f"it was stopped after {limits.seconds:g} seconds", fatal)
        if line == b" " and _size(folder) > LARGEST_FOLDER:
            raise Died(f"it was stopped: it wrote more than {LARGEST_FOLDER >> 20} MB", fatal)
        report = _report(line, secret)
        if report.get("done"):
            return
        if report:
            ready, fatal = True, report.get("started") or fatal
            deadline = time.monotonic() + limits.seconds
            yield report


def _report(line: bytes, secret: str) -> dict[str, Any]:
    """A line of the worker's; an empty report for anything that lacks the secret."""
    with suppress(ValueError, RecursionError):
        report = json.loads(line)
        if isinstance(report, dict) and report.get("secret") == secret:
            return report
    return {}


def _how(process: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(5)
        if code < 0 or code > 128:
            number = -code if code < 0 else code - 128
            known = number in {item.value for item in signal.Signals}
            return f" ({signal.Signals(number).name if known else f'code {code}'})"
    return ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started (those that hide from us end with their namespace)."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.lstat().st_size
    return size


def _notebooks(folder: Path) -> Iterable[Path]:
    paths = (path for path in folder.rglob("*.ipynb") if path.is_file())
    return (path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _name(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).with_suffix("").as_posix()
    return f"./{name}" if name[0] in "=+-@" else name  # which a spreadsheet would take for a formula


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _graded(table: Path, paths: dict[str, Path]) -> dict[str, list[Row]]:
    """The rows in the table that hold still, by submission."""
    rows: dict[str, list[Row]] = {}
    for row in read_rows(table):
        if set(COLUMNS) - set(row):
            raise InvalidInput(f"{table} is no table of grades; name another file.")
        rows.setdefault(row["submission"], []).append(row)
    return {name: found for name, found in rows.items() if name in paths and found[0]["sha256"] == _digest(paths[name])}


def _row(*values: str) -> Row:
    printable = ("".join(letter if letter.isprintable() else " " for letter in value) for value in values)
    return dict(zip(COLUMNS, printable, strict=True))


def _total(rows: list[Row]) -> str:
    earned, of = (sum(int(row[column] or 0) for row in rows) for column in ("points", "of"))
    by_hand = sum(not row["points"] for row in rows)
    return f"{earned} of {of} points" + (f", {by_hand} to be graded by hand" if by_hand else "")
