"""Trained models that come with the course, and how a finished run becomes one.

Made by ``python -m ae_utils train NAME`` and then ``python -m ae_utils.runs.pretrained runs/NAME``.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import nn

from ae_utils.data.weights import (
    CHECKSUM,
    MANIFEST,
    frozen_model,
    manifest_checksum,
    metadata,
    read_manifest,
    weights_folder,
)
from ae_utils.errors import CheckpointError
from ae_utils.files import atomic_write
from ae_utils.recipes.registry import get
from ae_utils.runs import checkpoint


def pretrained(name: str) -> nn.Module:
    """The frozen, trained model of a recipe, in float32 and evaluation mode; its weights come with the course.

    Raises ``CheckpointError`` when there are no weights of that name, or they are damaged.
    """
    return frozen_model(name, lambda **settings: get(metadata(name)["recipe"]).build(**settings))


def export_weights(run: str | Path, folder: str | Path | None = None) -> Path:
    """Write the weights of a finished run, in float16, and an entry in the manifest, to the folder of trained weights.

    Returns the file. Raises ``CheckpointError`` when the run holds no readable checkpoint or report, ``OSError`` when
    it is not finished.
    """
    run, folder = Path(run), Path(folder) if folder else weights_folder()
    content = checkpoint.load(run / "checkpoint.pt", ("recipe", "settings", "step"))
    report = _report(run / "metrics.json")
    name = content["recipe"]
    weights = {
        key: (value.half() if value.is_floating_point() else value).contiguous()  # the format knows no channels_last
        for key, value in content["step"]["model"].items()
    }
    path, packed = folder / f"{name}.safetensors", safetensors.torch.save(weights)
    with atomic_write(path) as beside:
        beside.write_bytes(packed)
    entry = {
        "command": f"python -m ae_utils train {name} --seed {report['seed']}", "recipe": name,
        "settings": content["settings"], "sha256": hashlib.sha256(packed).hexdigest(),
        **{key: report[key] for key in ("seed", "epochs", "cpu_seconds", "test")},
    }  # fmt: skip
    manifest = dict(sorted((read_manifest(folder) | {name: entry}).items()))
    with atomic_write(folder / MANIFEST) as beside:
        beside.write_text(json.dumps(manifest | {CHECKSUM: manifest_checksum(manifest)}, indent=1) + "\n")
    return path


def _report(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged; train with --resume, which writes it again.") from error


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(export_weights(each))
