"""Small trained weights that come with the course (safetensors, float16), so that a lesson can start from them.

Made by ``python -m ae_utils train NAME`` and then ``python -m ae_utils.recipes.trained runs/NAME``.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from ae_utils import checkpoint
from ae_utils.data.mnist import data_folder
from ae_utils.files import refuse_unreadable, whole_file
from ae_utils.recipes.catalogue import find

FOLDER = "trained"
MANIFEST = "manifest.json"
CHECKSUM = "sha256 of the rest"


def trained(name: str) -> nn.Module:
    """The frozen, trained model of a recipe, from the folder ``trained`` beside MNIST's files.

    Raises ``CheckpointError`` when there are no weights of that name, or they are damaged.
    """
    entry, path = about(name), data_folder() / FOLDER / f"{name}.safetensors"
    weights = _weights(path, entry["sha256"])
    with checkpoint.fitting(path):
        model = find(entry["recipe"]).build(**entry["settings"])
        model.load_state_dict(weights)  # into float32
    return model.eval().requires_grad_(False)


def about(name: str) -> dict[str, Any]:
    """What the manifest says of trained weights: ``command``, ``settings``, ``seed``, ``epochs``, ``test`` metrics …

    Raises ``CheckpointError`` when there are none of that name, or the manifest is damaged.
    """
    folder = data_folder() / FOLDER
    known = _manifest(folder)
    if name not in known:
        raise checkpoint.CheckpointError(
            f"{folder} holds no weights named {name!r}; it holds {', '.join(known) or 'none'}."
        )
    return known[name]


def keep(run: str | Path, folder: str | Path | None = None) -> Path:
    """Put the weights of a finished run, in float16, and what made them into the folder of trained weights.

    Returns the file. Raises ``CheckpointError`` when the run holds no readable checkpoint or report, ``OSError`` when
    it is not finished.
    """
    run, folder = Path(run), Path(folder) if folder else data_folder() / FOLDER
    content = checkpoint.load(run / "checkpoint.pt", ("recipe", "settings", "step"))
    report = _report(run / "metrics.json")
    name = content["recipe"]
    weights = {
        key: (value.half() if value.is_floating_point() else value).contiguous()  # the format knows no channels_last
        for key, value in content["step"]["model"].items()
    }
    path, packed = folder / f"{name}.safetensors", safetensors.torch.save(weights)
    with whole_file(path) as beside:
        beside.write_bytes(packed)
    entry = {
        "command": f"python -m ae_utils train {name} --seed {report['seed']}", "recipe": name,
        "settings": content["settings"], "seed": report["seed"], "epochs": report["epochs"], "test": report["test"],
        "sha256": hashlib.sha256(packed).hexdigest(),
    }  # fmt: skip
    manifest = dict(sorted((_manifest(folder) | {name: entry}).items()))
    with whole_file(folder / MANIFEST) as beside:
        beside.write_text(json.dumps(manifest | {CHECKSUM: _checksum(manifest)}, indent=1) + "\n")
    return path


def _weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise checkpoint.CheckpointError(f"{path} does not exist; restore it.")
    refuse_unreadable(path)
    packed = path.read_bytes()
    try:
        if hashlib.sha256(packed).hexdigest() == sha256:
            return safetensors.torch.load(packed)
    except safetensors.SafetensorError:  # the manifest names a file that holds no weights
        pass
    raise checkpoint.CheckpointError(f"{path} is damaged, or not the file that the manifest names; restore it.")


def _report(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise checkpoint.CheckpointError(f"{path} is damaged; train with --resume, which writes it again.") from error


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest.pop(CHECKSUM) == _checksum(manifest):
            return manifest
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    raise checkpoint.CheckpointError(f"{path} is damaged (its checksum is wrong); restore it.")


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(keep(each))
