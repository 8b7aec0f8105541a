"""The digits in the diagrams: real ones, and what trained models make of them, kept as grey levels in ``digits.txt``.

``python -m ae_utils.course.diagrams.digits`` writes that file again: with the weights that come with the course and,
for the models without, a training of the recipe (some minutes in all). The diagrams themselves need the file alone, so
drawing them takes no model and gives the same bytes on every machine.
"""

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ae_utils.data.mnist import mnist
from ae_utils.data.noise import corrupted, gaussian
from ae_utils.data.weights import read_manifest, weights_folder
from ae_utils.files import atomic_write
from ae_utils.metrics.conditional import draw
from ae_utils.recipes.registry import get
from ae_utils.runs.pretrained import pretrained
from ae_utils.runs.run import Run, load_model

FILE = Path(__file__).with_name("digits.txt")
LEVELS = "0123456789abcdef"
SHOWN, REAL = 35, 134  # of the test images: the 2 that the models are given, and an 8 as another real digit
AUTOENCODERS = {  # the reconstruction's name in the file: the recipe whose model made it
    "linear": "linear-3d-fast",
    "convolutional": "conv-fast",
    "variational": "vae-best",
    "conditional": "cvae-plain",
}


@cache
def digits() -> dict[str, tuple[str, ...]]:
    """The rows of grey levels, hexadecimal from 0 (black) to f (white), of every digit by name."""
    blocks = FILE.read_text(encoding="ascii").split("\n\n")
    return {name: tuple(rows) for name, *rows in (block.split() for block in blocks)}


def grey_levels(image: Tensor) -> list[str]:
    """An image (1, 28, 28) with pixels in [0, 1] → 28 rows of hexadecimal levels."""
    return ["".join(LEVELS[level] for level in row) for row in (15 * image[0]).round().int().tolist()]


def images(model: Any) -> dict[str, Tensor]:
    """Every digit by name, each (1, 28, 28); ``model`` returns the trained model of a recipe by its name."""
    test = mnist("test")
    shown, label = test[SHOWN : SHOWN + 1], test.label[SHOWN : SHOWN + 1]
    noisy = corrupted(shown, gaussian)
    found = {"x": shown.x, "noisy": noisy.x, "real": test.x[REAL : REAL + 1]}
    for name, recipe in AUTOENCODERS.items():
        found[name] = model(recipe).decode(model(recipe).encode(shown.x, label), label)
    denoiser = model("denoising-fast")
    found["denoised"] = denoiser.decode(denoiser.encode(noisy.x))
    found["fake"] = draw(model("gan-conv"), torch.arange(20))[3:4]
    found["sampled"] = draw(model("latent-flow"), label, seed=1)
    return {name: image[0].detach() for name, image in found.items()}


def trained(name: str, folder: Path) -> Any:
    """The trained model of a recipe: its weights that come with the course, else a training in ``folder``/NAME."""
    if name in read_manifest(weights_folder()):
        return pretrained(name)
    if not (folder / name / "metrics.json").exists():
        Run(get(name), folder / name).train()
    return load_model(folder / name)[1].eval()


def main(arguments: list[str]) -> int:
    """Write ``digits.txt``; an argument names a folder of finished trainings, which are not repeated then."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments[0] if arguments else temporary)
        found = images(cache(lambda name: trained(name, folder)))
    blocks = ["\n".join((name, *grey_levels(image))) for name, image in found.items()]
    with atomic_write(FILE) as beside:
        beside.write_text("\n\n".join(blocks) + "\n", encoding="ascii", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
