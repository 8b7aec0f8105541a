"""One of several processes dies: the job ends with an error, soon, and its checkpoint can be gone on from."""

import random
import sys
from pathlib import Path

import processes
import pytest
from processes import TORCHRUN
from share import share

from ae_utils.runs import checkpoint

COMMAND = ("train", "linear-5d", "--images", "600", "--epochs", "4", "--device", "cpu", "--quiet")
BATCHES = 10  # in an epoch
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv, which PyTorch lacks on Windows")


@pytest.mark.parametrize("seed", share(3, 0))
def test_a_rank_that_dies_ends_the_job_and_leaves_a_checkpoint(seed, tmp_path):
    dice = random.Random(seed)
    epoch = dice.randrange(1, 4)
    step = epoch * BATCHES + dice.randrange(2, BATCHES + 1)  # at the first step the checkpoint is just being written
    dying = (*TORCHRUN, str(Path(__file__).with_name("dying_rank.py")), str(step), *COMMAND)
    done = processes.run(*dying, cwd=tmp_path)
    assert done.returncode != 0 and "Signal 9" in done.stderr
    path = tmp_path / "runs" / "linear-5d" / "checkpoint.pt"
    assert len(checkpoint.load(path)["history"]) / 2 == epoch
    launcher = TORCHRUN if seed % 2 else (sys.executable,)
    resumed = (*launcher, "-m", "ae_utils", *COMMAND, "--resume")
    done = processes.run(*resumed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(checkpoint.load(path)["history"]) / 2 == 4
