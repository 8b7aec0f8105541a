"""``torchrun tests/stress/dying_rank.py STEP COMMAND …``: the command line, in which rank 1 dies at its STEPth step."""

import os
import signal
import sys

from ae_utils.__main__ import main
from ae_utils.training.step import GradientStep

train, steps = GradientStep.train, []


def mortal(step, batch, progress):
    """As ever, until the time comes."""
    steps.append(progress)
    if len(steps) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return train(step, batch, progress)


if os.environ["RANK"] == "1":
    GradientStep.train = mortal
sys.exit(main(sys.argv[2:]))
