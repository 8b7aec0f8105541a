"""Checkpoints of format 1, which had other names for the same things, as format 2.

``python -m ae_utils.runs.convert runs/NAME …``
"""

import re
import sys
from pathlib import Path
from typing import Any

from ae_utils.errors import CheckpointError, InvalidInput, checkpoint_errors
from ae_utils.networks.conditional import ConditionalLinear
from ae_utils.recipes.registry import get
from ae_utils.runs import checkpoint
from ae_utils.runs.run import NEEDS

RECIPES = {"judge": "digit-classifier"}
STATE = {"players": "networks", "helper": "classifier", "helper_optimizer": "classifier_optimizer"}
TERMS = {"told": "classification", "helper": "classifier_loss"}


def convert(folder: str | Path) -> Path:
    """Rewrite the checkpoint of a run in format 2 and return its path.

    The run's ``metrics.json``, whose keys are the old ones, is removed; ``train --resume`` writes it again. Raises
    ``CheckpointError`` unless there is a readable checkpoint of format 1 whose recipe still exists.
    """
    path = Path(folder) / "checkpoint.pt"
    content = checkpoint.load(path, NEEDS, format=1)
    content["recipe"] = RECIPES.get(content["recipe"], content["recipe"])
    try:
        recipe = get(content["recipe"])
    except InvalidInput as error:
        raise CheckpointError(f"{path}: {error}") from None
    with checkpoint_errors(path):
        content["step"] = {STATE.get(name, name): value for name, value in content["step"].items()}
        content["history"] = [
            {TERMS.get(name, name): value for name, value in row.items()} for row in content["history"]
        ]
        model = recipe.build(**content["settings"])
        content["step"]["model"] = _renamed(content["step"]["model"], model)
        model.load_state_dict(content["step"]["model"])
    del content["format"]
    checkpoint.save(path, content)
    (path.parent / "metrics.json").unlink(missing_ok=True)
    return path


def _renamed(weights: dict[str, Any], model: Any) -> dict[str, Any]:
    """Weights by the names of today's modules: only those of conditional models had others."""
    if not any(name.startswith("encoder.head.") for name in weights):
        return weights
    after = [isinstance(layer, ConditionalLinear) for layer in model.encoder].index(True)
    renamed = {}
    for name, value in weights.items():
        name = re.sub(r"^encoder\.body\.", "encoder.", name)
        name = re.sub(r"^encoder\.head\.0\.", f"encoder.{after}.", name)
        name = re.sub(r"^encoder\.head\.1\.", f"encoder.{after + 2}.", name)  # a label is concatenated in between
        renamed[re.sub(r"\.(scale|shift)$", r".\1.weight", name)] = value
    return renamed


if __name__ == "__main__":
    try:
        for each in sys.argv[1:]:
            print(convert(each))
    except (InvalidInput, OSError) as error:
        sys.exit(f"convert: {error}")
