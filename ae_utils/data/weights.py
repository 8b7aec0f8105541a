"""The trained weights that come with the course: safetensors files and a manifest, in ``trained`` beside MNIST's files.

The manifest says of each file how it was made, and carries its SHA-256.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from torch import Tensor, nn

from ae_utils.data.mnist import data_folder
from ae_utils.errors import CheckpointError, checkpoint_errors
from ae_utils.files import refuse_unreadable

Model = TypeVar("Model", bound=nn.Module)
MANIFEST = "manifest.json"
CHECKSUM = "sha256 of the rest"


def weights_folder() -> Path:
    """The folder that holds the weights and their manifest."""
    return data_folder() / "trained"


def metadata(name: str) -> dict[str, Any]:
    """The manifest's entry for weights: ``command``, ``settings``, ``seed``, ``epochs``, ``cpu_seconds``, ``test`` …

    Raises ``CheckpointError`` when there are none of that name, or the manifest is damaged.
    """
    known = read_manifest(weights_folder())
    if name not in known:
        raise CheckpointError(
            f"{weights_folder()} holds no weights named {name!r}; it holds {', '.join(known) or 'none'}."
        )
    return known[name]


def read_weights(name: str) -> dict[str, Tensor]:
    """The weights by parameter name, in the float16 in which they are stored.

    Raises ``CheckpointError`` when there are none of that name, or the file is damaged.
    """
    path = weights_path(name)
    sha256 = metadata(name)["sha256"]
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; restore it.")
    refuse_unreadable(path)
    packed = path.read_bytes()
    try:
        if hashlib.sha256(packed).hexdigest() == sha256:
            return safetensors.torch.load(packed)
    except safetensors.SafetensorError:  # the manifest names a file that holds no weights
        pass
    raise CheckpointError(f"{path} is damaged, or not the file that the manifest names; restore it.")


def frozen_model(name: str, build: Callable[..., Model]) -> Model:
    """``build(**settings)`` with the weights ``name``, in float32, evaluation mode and without gradients.

    Raises ``CheckpointError`` when there are none of that name, or they are damaged or of another architecture.
    """
    entry, weights = metadata(name), read_weights(name)
    with checkpoint_errors(weights_path(name)):
        model = build(**entry["settings"])
        model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def weights_path(name: str) -> Path:
    """Where the weights ``name`` are stored."""
    return weights_folder() / f"{name}.safetensors"


def read_manifest(folder: Path) -> dict[str, Any]:
    """All entries by name; empty without a manifest. Raises ``CheckpointError`` when it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest.pop(CHECKSUM) == manifest_checksum(manifest):
            return manifest
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    raise CheckpointError(f"{path} is damaged (its checksum is wrong); restore it.")


def manifest_checksum(manifest: dict[str, Any]) -> str:
    """SHA-256 of the entries, which the manifest itself carries."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
