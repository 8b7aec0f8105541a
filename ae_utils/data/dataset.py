"""A split of a data set in memory, and the batches a training loop reads from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.seeds import epoch_seed


class Batch(NamedTuple):
    """What one training step sees: ``x`` and ``target`` (batch, 1, h, w) float32, ``label`` (batch,) int64."""

    x: Tensor
    target: Tensor
    label: Tensor


@dataclass(frozen=True)
class Images:
    """A split in memory: inputs, the targets that a model should return for them, and the labels.

    ``x`` and ``target`` are float32 of shape (n, 1, h, w), ``label`` is int64 of shape (n,). Pixels lie in [0, 1],
    or in [-1, 1] after ``to_range(-1, 1)``. For a plain autoencoder ``target`` is the very same tensor as ``x``.

    Raises ``InvalidInput`` when a shape, a type or a pixel is not as described.
    """

    x: Tensor
    target: Tensor
    label: Tensor

    def __post_init__(self) -> None:
        for name, images in (("x", self.x), ("target", self.target)):
            if images.ndim != 4 or images.shape[1] != 1 or images.dtype != torch.float32:
                raise InvalidInput(
                    f"Images expects {name} as float32 of shape (n, 1, height, width), "
                    f"but got {images.dtype} of shape {tuple(images.shape)}."
                )
            if len(images) and not (images.min() >= -1 and images.max() <= 1):  # also true of NaN
                raise InvalidInput(
                    f"Images expects every pixel of {name} in [0, 1], or in [-1, 1] after to_range(-1, 1)."
                )
        if self.x.shape != self.target.shape or self.label.shape != self.x.shape[:1]:
            raise InvalidInput(
                "Images expects one target and one label for each image, "
                f"but got x {tuple(self.x.shape)}, target {tuple(self.target.shape)}, label {tuple(self.label.shape)}."
            )
        if self.label.dtype != torch.int64:
            raise InvalidInput(f"Images expects labels as int64, but got {self.label.dtype}.")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice | Tensor) -> "Images":
        """A part of the split, by slice or by a tensor of indices."""
        x = self.x[part]
        target = x if self.target is self.x else self.target[part]
        return Images(x, target, self.label[part])

    def map(self, change: Callable[[Tensor], Tensor]) -> "Images":
        """The same split with ``change`` applied to ``x`` and ``target``; labels stay."""
        x = change(self.x)
        return Images(x, x if self.target is self.x else change(self.target), self.label)

    def to_range(self, low: float, high: float) -> "Images":
        """Pixels mapped linearly from [0, 1] to [low, high]."""
        return self if (low, high) == (0, 1) else self.map(lambda pixels: pixels * (high - low) + low)

    def to(self, device: str | torch.device) -> "Images":
        """The same split on another device."""
        moved = self.map(lambda pixels: pixels.to(device))
        return Images(moved.x, moved.target, self.label.to(device))


@dataclass(frozen=True)
class Codes:
    """Latent codes in memory: ``x`` and ``target`` float32 (n, latent_dim), ``label`` int64 (n,)."""

    x: Tensor
    target: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.x)


class Batches:
    """Cuts ``images``, or codes, into ``Batch``es of ``batch_size``; the last one may be shorter.

    A single image left over joins the batch before it: BatchNorm cannot train on one image.

    With ``shuffle`` the order is a function of ``(seed, epoch)`` alone, so a resumed training sees the batches an
    uninterrupted one would have seen. Everything is in memory already: no worker processes.

    Raises ``InvalidInput`` for an empty split or a batch size below 1.
    """

    def __init__(self, images: Images | Codes, batch_size: int, *, shuffle: bool = False, seed: int = 0):
        if len(images) == 0 or batch_size < 1:
            raise InvalidInput(
                f"Batches expects at least one image and a batch_size of at least 1, but got {len(images)} images and "
                f"batch_size {batch_size}."
            )
        self.images, self.batch_size, self.shuffle, self.seed = images, batch_size, shuffle, seed

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size) - (len(self.images) % self.batch_size == 1 < len(self.images))

    def __iter__(self) -> Iterator[Batch]:
        return self.in_epoch(0)

    def in_epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, in that epoch's order."""
        x, target, label = self.images.x, self.images.target, self.images.label
        order = self.order(epoch).to(x.device) if self.shuffle else None
        starts = [index * self.batch_size for index in range(len(self))]
        for start, end in zip(starts, [*starts[1:], len(x)], strict=True):
            part: slice | Tensor = slice(start, end)
            if order is not None:
                part = order[part]
            batch_x = x[part]
            yield Batch(batch_x, batch_x if target is x else target[part], label[part])

    def order(self, epoch: int) -> Tensor:
        """The permutation (n,) of this epoch."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch, "shuffle"))
        return torch.randperm(len(self.images), generator=generator)


def check_unit_range(x: Tensor) -> Tensor:
    """The pixels as they are; raises ``InvalidInput`` unless they lie in [0, 1]."""
    if len(x) and not (x.min() >= 0 and x.max() <= 1):
        raise InvalidInput(f"expected pixels in [0, 1], but they run from {x.min():.3g} to {x.max():.3g}.")
    return x


def stratified(label: Tensor, count: int) -> Tensor:
    """Indices (count,), ascending, of a random subset in which every class keeps its proportion.

    Always the same for the same labels (n,); all of them where ``count`` exceeds n. A class of one image is counted
    with the largest class; with fewer images than classes the subset is not stratified.
    """
    from sklearn.model_selection import train_test_split

    everything = torch.arange(len(label))
    if count >= len(label):
        return everything
    sizes = label.bincount()
    classes = torch.where(sizes[label] < 2, sizes.argmax(), label)
    fits = min(count, len(label) - count) >= len(classes.unique())
    taken, _ = train_test_split(everything, train_size=count, stratify=classes if fits else None, random_state=0)
    return taken.sort().values
