"""Checkpoints: dictionaries of tensors and plain values in a file, written whole or not at all, read without code."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ae_utils.errors import InvalidInput
from ae_utils.files import refuse_unreadable, whole_file

FORMAT = 1


class CheckpointError(InvalidInput):
    """A checkpoint cannot be read, or is not for what it is loaded into; the sentence names the file."""


def save(path: str | Path, content: dict[str, Any]) -> None:
    """Write ``content`` whole or not at all: a stop half-way keeps the previous file."""
    with whole_file(path) as beside:
        torch.save({"format": FORMAT, **content}, beside)


def load(path: str | Path, needs: Iterable[str] | Mapping[str, type] = ()) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; code in the file never runs (``weights_only``), a flipped bit is noticed.

    ``needs`` names the entries that must be there, and may say of what type. Raises ``CheckpointError`` when the file
    is missing, damaged, no checkpoint of this course or from a newer version of it, ``OSError`` when the system refuses
    to read it.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; train first, or name another folder.")
    refuse_unreadable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch itself does not compare the checksums
                raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make zipfile, pickle and torch raise anything
        raise CheckpointError(f"{path} is damaged or no checkpoint; delete it and train again.") from error
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}, but this version reads format {FORMAT}; update ae_utils, or train again."
        )
    kinds = needs if isinstance(needs, Mapping) else dict.fromkeys(needs, object)
    if version != FORMAT or any(name not in content or not isinstance(content[name], kinds[name]) for name in kinds):
        raise CheckpointError(f"{path} is not a checkpoint of this course; name a folder that `train` wrote.")
    return content


@contextmanager
def fitting(path: str | Path) -> Iterator[None]:
    """A block that puts what ``path`` held to use; what does not fit becomes a ``CheckpointError`` that names it."""
    try:
        yield
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds weights of another architecture than its recipe builds; restore it, or train again."
        ) from error
