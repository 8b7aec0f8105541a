"""One training in several processes, on one machine or many: ``torchrun --nproc-per-node=2 -m ae_utils train vae``.

Each process holds the model, takes its part of every batch and averages its gradients with the others'.
"""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ae_utils.data.dataset import Batch
from ae_utils.errors import InvalidInput
from ae_utils.training.step import GradientStep, LossTerms, Step

Value = TypeVar("Value")
SEED_STRIDE = 2**31  # between the seeds of two processes; the command line takes seeds below it


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Join the processes that ``torchrun`` started, by nccl on ``"cuda"``, else by gloo; a single process needs none.

    Raises ``InvalidInput`` for a device that several processes cannot train on.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    local = int(os.environ["LOCAL_RANK"])
    if device == "mps" or (device == "cuda" and local >= torch.cuda.device_count()):
        raise InvalidInput(f"--device {device}: there is not one for each process; start fewer, or try --device cpu.")
    if device == "cuda":
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        gc.collect()  # a step that still holds the group keeps its threads alive, which then abort a process that ends
        distributed.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0; only process 0 writes files and prints."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def broadcast_from_rank0(make: Callable[[], Value]) -> Value:
    """What ``make()`` returns in process 0, in all of them: only that one's machine needs the file it reads."""
    box: list[Value | None] = [make() if rank() == 0 else None]
    if distributed.is_initialized():
        distributed.broadcast_object_list(box)
    return cast(Value, box[0])


def distribute(step: Step) -> Step:
    """The step as it is, or in several processes one that does this process's part of it.

    Raises ``InvalidInput`` for a step that trains two networks, such as a GAN's.
    """
    if not distributed.is_initialized():
        return step
    if type(step) is not GradientStep:
        raise InvalidInput("this recipe trains two networks, which it does in one process; start it without torchrun.")
    return DistributedStep(step)


class DistributedStep:
    """A ``GradientStep`` over several processes: gradients and terms are means over the processes' parts of a batch.

    For terms that are means over images these equal the means over the whole batch, but for rounding, noise (each
    process draws its own) and BatchNorm (which sees only its part). Other terms differ: the KL of ``sparse_kl`` is that
    of the mean activation over each part, and so is larger.
    """

    def __init__(self, step: GradientStep):
        self.step, self.model, self.objective, self.weight = step, step.model, step.objective, 1.0
        step.model, step.objective = DistributedDataParallel(step.model), self._weighted

    def train(self, batch: Batch, progress: float) -> LossTerms:
        """One gradient step, the same in all processes."""
        self.step.model.training = self.model.training  # a hook may have set evaluation mode
        return self._over_all(self.step.train, batch, progress)

    def evaluate(self, batch: Batch) -> LossTerms:
        """The terms of the whole batch."""
        return self._over_all(self.step.evaluate, batch)

    def state_dict(self) -> dict[str, Any]:
        """What the step itself would save, so that a single process can continue with it."""
        return {**self.step.state_dict(), "model": self.model.state_dict()}

    def _weighted(self, model: nn.Module, batch: Batch, progress: float) -> LossTerms:
        return {name: self.weight * term for name, term in self.objective(model, batch, progress).items()}

    def _over_all(self, act: Callable[..., LossTerms], batch: Batch, *progress: float) -> LossTerms:
        count, world, part = len(batch.x), distributed.get_world_size(), batch
        if count >= 2 * world:  # else each process does the whole batch: BatchNorm needs two images
            x = batch.x[rank() :: world]
            target = x if batch.target is batch.x else batch.target[rank() :: world]
            part = Batch(x, target, batch.label[rank() :: world])
        self.weight = len(part.x) * world / count if part is not batch else 1.0
        terms = act(part, *progress)
        means = torch.stack(list(terms.values()))
        distributed.all_reduce(means)
        return dict(zip(terms, means / world, strict=True))
