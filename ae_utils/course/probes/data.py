"""Probes of data and loaders: the order of the batches, their lengths, what the training images know of the test."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.probes.finding import Skipped, Suspicious, probe

NORMS = (nn.modules.batchnorm._BatchNorm,)


@probe
def order_changes(loader: Any) -> str:
    """Of a training loader: two epochs must not see the same batches.

    An epoch is ``loader.in_epoch(number)`` where there is such a method, else one pass over the loader.
    """
    first, second = (_first_batches(loader, epoch) for epoch in (0, 1))
    if sum(map(len, first)) < 4:
        raise Skipped("there are too few images to tell")
    same = sum(one.shape == other.shape and torch.equal(one, other) for one, other in zip(first, second, strict=False))
    if same:
        raise Suspicious(f"{same} of {len(first)} batches are the same in two epochs: the seed must change too")
    return "no batch of one epoch comes again in the next"


def _first_batches(loader: Any, epoch: int, count: int = 8) -> list[Tensor]:
    batches: Iterable[Any] = loader.in_epoch(epoch) if hasattr(loader, "in_epoch") else loader
    return [batch[0] for batch in islice(batches, count)]


@probe
def no_batch_of_one(model: nn.Module, loader: Iterable[Any]) -> str:
    """BatchNorm cannot train on a single image: one left over must join another batch, or be dropped."""
    lengths = [len(batch[0]) for batch in loader]
    norms = sum(isinstance(layer, NORMS) for layer in model.modules())
    if not norms:
        raise Skipped("the model has no BatchNorm")
    if min(lengths) == 1:
        raise Suspicious(
            f"batches with a single image, for BatchNorm to train on: {lengths.count(1)} of {len(lengths)}"
        )
    return f"the shortest of {len(lengths)} batches has {min(lengths)} images"


@probe
def leak_of_test_data(prepare: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], train: Tensor, test: Tensor) -> str:
    """``prepare(train, test)`` returns both, prepared: the training images must not depend on the test images."""
    one, other = (prepare(train.clone(), shown.clone())[0] for shown in (test, 1 - test))
    if not torch.equal(one, other):
        raise Suspicious("with other test images, the training images come out differently: test data leak into them")
    return "with other test images, the training images come out the same"
