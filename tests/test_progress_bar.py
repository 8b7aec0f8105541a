"""The bar of ``python -m ae_utils train`` on a terminal, and what stands in its place where there is none."""

import re
import struct
import subprocess
import sys

import pytest

pytest.importorskip("pty", reason="Windows has no pseudo-terminals for a test to read")

import fcntl
import os
import pty
import termios

TRAIN = (sys.executable, "-m", "ae_utils", "train", "linear-3d-fast", "--images", "6000", "--epochs", "3")


def on_a_terminal(folder, *options, columns):
    """What stderr shows on a terminal of so many columns, as the states of its last line; and what stdout gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = subprocess.Popen([*TRAIN, *options], cwd=folder, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    printed = program.communicate()[0].decode()
    assert program.returncode == 0
    states = re.split(r"[\r\n]+", re.sub(r"\x1b\[\w", "", shown.decode()))
    return [state.rstrip() for state in states if state.strip()], printed


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return on_a_terminal(tmp_path_factory.mktemp("narrow"), columns=40)


def test_something_is_shown_before_anything_is_loaded(narrow):
    assert narrow[0][0] == "linear-3d-fast: starting"


def test_the_bar_fits_forty_columns(narrow):
    assert max(map(len, narrow[0])) <= 40


def test_one_bar_runs_through_all_epochs_and_tells_the_time_left(narrow):
    bars = [re.fullmatch(r"linear-3d-fast (\d)/3 +(\d+)% .* [\d:?]+ left", state) for state in narrow[0]]
    found = [(int(bar[1]), int(bar[2])) for bar in bars if bar]
    assert found == sorted(found) and found[0][0] == 1 and found[-1][0] == 3
    assert all((epoch - 1) * 33 <= percent <= epoch * 34 for epoch, percent in found)


def test_the_lines_of_the_epochs_go_to_stdout(narrow):
    assert [f"epoch {epoch}/3  train loss" in narrow[1] for epoch in (1, 2, 3)] == [True] * 3
    assert "left" not in narrow[1]


def test_a_resumed_training_goes_on_with_the_bar_where_it_stopped(tmp_path):
    subprocess.run([*TRAIN, "--quiet"], cwd=tmp_path, check=True, capture_output=True)
    checkpoint = tmp_path / "runs" / "linear-3d-fast" / "checkpoint.pt"
    program = f"""
from ae_utils.runs import checkpoint
content = checkpoint.load({str(checkpoint)!r})
content["history"] = [row for row in content["history"] if row["epoch"] < 3]
checkpoint.save({str(checkpoint)!r}, content)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    shown, _ = on_a_terminal(tmp_path, "--resume", columns=80)
    percents = [int(state.partition("%")[0].split()[-1]) for state in shown if " left" in state]
    assert percents and min(percents) >= 66


def test_quiet_shows_no_bar_and_no_epochs(tmp_path):
    shown, printed = on_a_terminal(tmp_path, "--quiet", columns=80)
    assert shown == []
    assert [line.partition(":")[0] for line in printed.splitlines()] == ["linear-3d-fast"]


def test_without_a_terminal_there_is_no_bar(tmp_path):
    done = subprocess.run(TRAIN, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.count("epoch ") == 3


def test_a_wrong_name_wipes_the_bar_before_its_sentence(tmp_path):
    ours, theirs = pty.openpty()
    subprocess.run([*TRAIN[:4], "linear-4d"], cwd=tmp_path, stderr=theirs)
    os.close(theirs)
    last = os.read(ours, 65536).decode().rstrip().rpartition("\r")[2]
    os.close(ours)
    assert last.startswith("ae_utils: there is no recipe 'linear-4d'")
