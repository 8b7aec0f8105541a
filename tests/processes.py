"""Processes that tests start. Each has minutes; one that needs more fails its test with a sentence that says so."""

import os
import shlex
import subprocess
import sys
import threading

import pytest
import torch

# Meets at 127.0.0.1: by the host's own name, the default, it waits for ever where that name resolves nowhere.
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run"),
    *("--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"),
)
MINUTES = 5


def run(*command, env: dict | None = None, **options) -> subprocess.CompletedProcess:
    """The command's exit code and what it printed; ``env`` is added to ours, ``options`` are ``subprocess.Popen``'s."""
    process = _start(command, env, stderr=subprocess.PIPE, **options)
    try:
        stdout, stderr = process.communicate(timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        said = f"`{shlex.join(process.args)}` hangs: not done after {MINUTES} minutes.{_last_words(process)}"
        pytest.fail(said, pytrace=False)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def kill_at(word: str, *command, env: dict | None = None, **options) -> None:
    """Kill the command as soon as it prints ``word``; the test fails where it does not."""
    with _start(command, env, **options) as process:
        late = threading.Timer(60 * MINUTES, process.kill)
        late.start()
        seen = any(word in line for line in process.stdout)
        late.cancel()
        process.kill()
    if not seen:
        pytest.fail(f"`{shlex.join(process.args)}` did not print {word!r} within {MINUTES} minutes.", pytrace=False)


def _start(command: tuple, env: dict | None, **options) -> subprocess.Popen:
    """With as many threads as here: the last digits of sums hang on that."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **(env or {})}
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, env=environment, **options)


def _last_words(process: subprocess.Popen) -> str:
    """End a process, kindly first because torchrun then ends those it started, and return the end of its output."""
    for end in (process.terminate, process.kill):
        end()
        try:
            stdout, stderr = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            continue
        return f" It printed:\n{stdout[-1000:]}{stderr[-2000:]}"
    return ""
