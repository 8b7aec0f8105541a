"""Write every diagram into a folder: ``python -m ae_utils.course.diagrams [DIR]``, by default the lessons' pictures."""

import sys
from collections.abc import Callable
from pathlib import Path

from ae_utils.course.diagrams import autoencoders, generative, overview
from ae_utils.files import atomic_write

PICTURES = Path(__file__).resolve().parents[3] / "notebooks" / "pictures"
DIAGRAMS: dict[str, Callable[[], str]] = {
    "hourglass": autoencoders.hourglass,
    "convolutional-encoder": autoencoders.convolutional_encoder,
    "transposed-convolution": autoencoders.transposed_convolution,
    "regularizers": autoencoders.regularizers,
    "vae": generative.vae,
    "cvae": generative.cvae,
    "gan": generative.gan,
    "latent-flow": generative.latent_flow,
    "model-map": overview.model_map,
}


def main(arguments: list[str]) -> int:
    """Write the files; prints a line for each."""
    folder = Path(arguments[0]) if arguments else PICTURES
    for name, draw in DIAGRAMS.items():
        with atomic_write(folder / f"{name}.svg") as beside:
            beside.write_text(draw(), encoding="utf-8", newline="\n")
        print(folder / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
