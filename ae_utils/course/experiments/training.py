"""What the trainings of several experiments share: images read once, and as many steps whatever the batch size."""

from functools import cache

import torch

from ae_utils.data.dataset import Batches, Images
from ae_utils.data.mnist import mnist
from ae_utils.seeds import epoch_seed
from ae_utils.training.step import Step


@cache
def mnist_once(split: str) -> Images:
    """MNIST's images, read once for all runs of a process; they must not be changed in place."""
    return mnist(split)


def train_steps(step: Step, batches: Batches, steps: int, *, seed: int) -> None:
    """As many gradient steps as said; the last epoch is cut where they are done. Seeded like ``training.loop.fit``."""
    done, epoch = 0, 0
    while done < steps:
        torch.manual_seed(epoch_seed(seed, epoch))
        for batch in batches.in_epoch(epoch):
            step.train(batch, done / steps)
            done += 1
            if done == steps:
                return
        epoch += 1
