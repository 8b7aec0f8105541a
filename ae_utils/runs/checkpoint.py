"""Checkpoints: dictionaries of tensors and plain values in a file, written whole or not at all, read without code."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ae_utils.errors import CheckpointError
from ae_utils.files import atomic_write, refuse_unreadable

FORMAT = 2


def save(path: str | Path, content: dict[str, Any]) -> None:
    """Write ``content`` whole or not at all: a stop half-way keeps the previous file."""
    with atomic_write(path) as beside:
        torch.save({"format": FORMAT, **content}, beside)


def load(path: str | Path, needs: Iterable[str] | Mapping[str, type] = (), *, format: int = FORMAT) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; code in the file never runs (``weights_only``), a flipped bit is noticed.

    ``needs`` names the entries that must be there, and may give their types. Raises ``CheckpointError`` when the file
    is missing, damaged, no checkpoint of this package or of another ``format``, ``OSError`` when the system refuses to
    read it.
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
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found != format:
        raise CheckpointError(f"{path} has format {found}, but format {format} is needed; {_advice(path, found)}.")
    kinds = needs if isinstance(needs, Mapping) else dict.fromkeys(needs, object)
    if not isinstance(found, int) or any(
        name not in content or not isinstance(content[name], kinds[name]) for name in kinds
    ):
        raise CheckpointError(f"{path} is not a checkpoint of this package; name a folder that `train` wrote.")
    return content


def _advice(path: Path, found: int) -> str:
    if found == FORMAT:
        return "it needs no conversion"
    if found > FORMAT:
        return "update ae_utils, or train again"
    return f"`python -m ae_utils.runs.convert {path.parent}` converts it"
