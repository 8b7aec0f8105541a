"""The process in which a submission runs: ``python -m ae_utils.course.teaching.worker``, started by ``grade`` alone.

The job comes in as JSON, one verdict a line goes out, each with the job's secret number, so that nothing that the
submission prints is taken for one. The checks are the course's own, fetched before the submission is run, and a check
that afterwards accepts nonsense has been tampered with. Yet check and answer share a process: whoever sets out to forge
a verdict finds a way, and leaves it in writing in the notebook.
"""

import importlib
import json
import linecache
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ae_utils.course.checks.check import RIGHT, WRONG, Verdict
from ae_utils.course.teaching.jail import lock

MISSING = "not there"
LONGEST = 500  # characters of a sentence


def main() -> None:
    """Run the job that stands on stdin."""
    job = json.loads(sys.stdin.buffer.read())
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    checks = {}
    for step in job["steps"]:
        if step["kind"] == "check":
            checks[step["names"][0]] = getattr(importlib.import_module(step["module"]), step["function"])
    _mute()
    missing = lock(Path.cwd(), job["memory"], job["cpu_seconds"], job["launcher"])

    def say(**line: Any) -> None:
        channel.write(json.dumps({"secret": job["secret"], **line}) + "\n")
        channel.flush()

    say(ready=True, missing=missing)
    names = _namespace()
    raised: dict[str, str] = {}
    for step in job["steps"]:
        say(started=step["names"])
        if step["kind"] == "check":
            (name,) = step["names"]
            verdict = _verdict(step, checks[name], names, raised)
            say(name=name, state=verdict.state[:LONGEST], sentence=verdict.sentence[:LONGEST])
        else:
            raised |= _run(step, names)
    say(done=True)


def _mute() -> None:
    """What is read and printed from here on is nothing."""
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _namespace() -> dict[str, Any]:
    module = sys.modules["lesson"] = ModuleType("lesson")  # where dataclasses look their annotations up
    module.__dict__["display"] = lambda *shown, **options: None
    return module.__dict__


def _run(step: dict[str, Any], names: dict[str, Any]) -> dict[str, str]:
    """Run source; returns what it raised, by the names of the exercises that it answers."""
    source, file = step["source"], f"<{step['kind']} {' '.join(step['names'])}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # checks look for dots in it
    try:
        exec(compile(source, file, "exec"), names)
    except BaseException as error:  # exit() too
        return dict.fromkeys(step["answers"], f"{type(error).__name__}: {_text(error)}")
    return {}


def _verdict(step: dict[str, Any], check: Any, names: dict[str, Any], raised: dict[str, str]) -> Verdict:
    answer = step["answers"][0]
    if answer not in names:
        reason = f"its cell raised {raised[answer]}" if answer in raised else "the cell that defines it is missing"
        verdict = Verdict(MISSING, f"there is no {answer}: {reason}")
    else:
        verdict = _checked(check.verdict, step["source"], names)
    if step["is_turn"]:
        names[answer] = names[answer] if verdict.state == RIGHT else check.own
    if verdict.state == RIGHT and _accepts_nonsense(check, step, names):
        return Verdict(WRONG, "the check was changed: it accepts anything")
    return verdict


def _accepts_nonsense(check: Any, step: dict[str, Any], names: dict[str, Any]) -> bool:
    nonsense = {name: lambda *inputs, **options: 0.0 for name in step["answers"]}
    return _checked(check.verdict, step["source"], {**names, **nonsense}).state == RIGHT


def _checked(verdict: Any, arguments: str, names: dict[str, Any]) -> Verdict:
    try:
        state, sentence = verdict(*eval(f"({arguments},)", names))
        return Verdict(str(state), " ".join(str(sentence).split()))
    except BaseException as error:  # exit() in an answer, too
        return Verdict(WRONG, f"the answer raised {type(error).__name__}: {_text(error)}")


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:LONGEST]
    except Exception:
        return "…"


if __name__ == "__main__":
    main()
