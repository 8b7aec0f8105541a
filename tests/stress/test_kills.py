"""A training that is killed, at whatever moment, goes on from its last epoch to the bits of one never stopped."""

import functools
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import killed
import pytest
from share import WHOLE

from ae_utils.runs import checkpoint

KINDS = {
    "autoencoder": ("linear-5d", 600),
    "vae": ("vae", 600),
    "cvae": ("cvae", 600),
    "gan": ("gan", 600),
    "residual": ("altered-cvae", 200),
}
WAYS = ("batch", "bytes", "bytes", "before fsync", "before replace", "after replace")  # five of six while writing
KILLS = 30 if WHOLE else 2
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor copies of a process")


@functools.cache
def processes():
    """Where trainings are started: torch is loaded once, and every training begins as a copy of that process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torchvision.datasets", "killed"])
    return context


def moment(seed):
    """A way to die: seeds go through all kinds of model, and for each kind through all ways."""
    dice, way = random.Random(seed), WAYS[sum(divmod(seed, len(KINDS))) % len(WAYS)]
    if way == "batch":
        return {"batch": dice.randrange(1, 6), "delay": dice.random() / 50}
    save = dice.randrange(1, 4)
    if way == "bytes":
        return {"save": save, "bytes": dice.random()}
    when, function = way.split()
    return {"save": save, when: function}


def run(*arguments, target=killed.train):
    process = processes().Process(target=target, args=arguments)
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
        pytest.fail(f"{target.__name__}{arguments} hangs: not done after 5 minutes")
    return process.exitcode


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    """The digest of an uninterrupted training of each kind."""

    @functools.cache
    def digest(kind):
        name, images = KINDS[kind]
        folder = tmp_path_factory.mktemp(kind)
        assert run(name, str(folder), images) == 0
        return killed.digest(folder / "checkpoint.pt")

    return digest


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_and_resumed(seed, never_stopped, tmp_path):
    kind = list(KINDS)[seed % len(KINDS)]
    name, images = KINDS[kind]
    path = tmp_path / "checkpoint.pt"
    assert run(name, str(tmp_path), images, False, moment(seed)) == -signal.SIGKILL
    if path.exists():
        assert 1 <= len(checkpoint.load(path)["history"]) / 2 <= 3
    assert run(name, str(tmp_path), images, True) == 0
    assert killed.digest(path) == never_stopped(kind)
    assert not list(tmp_path.glob(".*.part")), "what the dead one half wrote is swept up"


def test_at_least_half_die_while_they_write():
    moments = [moment(seed) for seed in range(30)]
    assert sum("save" in each for each in moments) >= 15
    assert all(sum(seed % len(KINDS) == kind for seed in range(30)) >= 3 for kind in range(len(KINDS)))


def test_a_folder_that_turns_read_only_keeps_the_last_checkpoint(never_stopped):
    home = tempfile.mkdtemp()
    folder = Path(home) / "run"
    folder.mkdir()
    os.chmod(home, 0o755)
    try:
        hear, say = multiprocessing.Pipe(duplex=False)
        run("linear-5d", str(folder), 600, say, target=killed.train_where_writing_ends)
        assert hear.poll(1)
        said = hear.recv()
        if said == killed.NOBODY_ELSE:
            pytest.skip(said)
        assert said == (
            f"{folder / 'checkpoint.pt'} cannot be written (Permission denied); what stood there before is kept."
        )
        assert len(checkpoint.load(folder / "checkpoint.pt")["history"]) / 2 == 1
        os.chmod(folder, 0o755)
        assert run("linear-5d", str(folder), 600, True) == 0
        assert killed.digest(folder / "checkpoint.pt") == never_stopped("autoencoder")
    finally:
        shutil.rmtree(home)
