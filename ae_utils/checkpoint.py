"""Checkpoints: dictionaries of tensors and plain values in a file, written whole or not at all, read without code."""

import pickle
from pathlib import Path

import torch

from ae_utils.files import whole_file

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or is not for what it is loaded into; the sentence names the file."""


def save(path: str | Path, content: dict) -> None:
    """Write ``content`` whole or not at all: a stop half-way keeps the previous file."""
    with whole_file(path) as beside:
        torch.save({"format": FORMAT, **content}, beside)


def load(path: str | Path, needs: tuple[str, ...] = ()) -> dict:
    """Read a checkpoint onto the CPU; code in the file never runs (``weights_only``).

    ``needs`` names the entries that must be there. Raises ``CheckpointError`` when the file is missing, damaged, no
    checkpoint of this course or from a newer version of it.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; train first, or name another folder.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
        AssertionError,
        UnicodeDecodeError,
        MemoryError,
        OverflowError,
    ) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint; delete it and train again.") from error
    if not isinstance(content, dict) or "format" not in content or any(name not in content for name in needs):
        raise CheckpointError(f"{path} is not a checkpoint of this course; name a folder that `train` wrote.")
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {content['format']}, but this version reads format {FORMAT}; "
            "update ae_utils, or train again."
        )
    return content
