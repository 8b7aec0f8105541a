"""The command line: ``python -m ae_utils list``, ``train NAME``, ``explore runs/NAME`` …"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from ae_utils.errors import InvalidInput

if TYPE_CHECKING:
    from ae_utils.training import Moment

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: on a busy machine spinning threads cost 20×


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 after a sentence on what was wrong with the command or a file."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (InvalidInput, OSError) as error:  # anything else is a mistake of ours, and keeps its traceback
        print(f"ae_utils: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nae_utils: stopped; `--resume` goes on after the last finished epoch.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ae_utils", description="Train the course's models by name.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="show the recipes")
    listing.set_defaults(run=_list)
    train = commands.add_parser("train", help="train recipes by name")
    train.add_argument("names", nargs="+", metavar="NAME", help="a recipe; `list` shows them")
    train.add_argument("--epochs", type=_positive, help="instead of the recipe's number")
    train.add_argument("--images", type=_positive, help="train on N images only, of every class its share")
    train.add_argument("--seed", type=_seed, default=0)
    train.add_argument("--data", type=Path, metavar="PATH", help="your own images: a CSV; for altered-… PNG folders")
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    train.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="results go to DIR/NAME")
    train.add_argument("--resume", action="store_true", help="go on after the last finished epoch")
    train.add_argument("--quiet", action="store_true", help="no progress bar, no line for each epoch")
    train.set_defaults(run=_train)
    _add_uses(commands)
    return parser


def _add_uses(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that come after training."""
    altered = commands.add_parser("altered", help="make altered MNIST").add_subparsers(required=True, metavar="write")
    write = altered.add_parser("write", help="write the folders clean and aug of PNGs")
    write.add_argument("folder", type=Path)
    write.add_argument("--images", type=_positive, help="of the first N training images only")
    write.add_argument("--versions", type=_positive, default=3, help="altered versions of each image (3)")
    write.add_argument("--seed", type=_seed, default=0)
    write.set_defaults(run=_write_altered)
    explore = commands.add_parser("explore", help="write a page with sliders for a trained model")
    explore.add_argument("folder", type=Path, help="a folder that `train` wrote, such as runs/linear-3d")
    explore.add_argument("--html", type=Path, default=Path("explorer.html"), metavar="FILE", help="the page to write")
    explore.set_defaults(run=_explore)
    rebuild = commands.add_parser("reconstruct", help="what a trained model makes of your own pictures of digits")
    rebuild.add_argument("folder", type=Path, help="a folder that `train` wrote, such as runs/conv-fast")
    rebuild.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="a PNG or JPEG of one digit, any size")
    rebuild.add_argument("--out", type=Path, default=Path("reconstructed.png"), metavar="FILE")
    rebuild.set_defaults(run=_reconstruct)
    sample = commands.add_parser("sample", help="draw new digits with a trained VAE, conditional VAE or GAN")
    sample.add_argument("folder", type=Path, help="a folder that `train` wrote, such as runs/cvae")
    sample.add_argument("--label", type=int, metavar="DIGIT", help="which digit, for a conditional model (all ten)")
    sample.add_argument("--count", type=_positive, default=16, help="how many pictures (16)")
    sample.add_argument("--seed", type=_seed, default=0)
    sample.add_argument("--out", type=Path, default=Path("samples.png"), metavar="FILE")
    sample.set_defaults(run=_sample)
    board = commands.add_parser("scoreboard", help="train all recipes and put them side by side")
    board.add_argument("--recipes", nargs="+", metavar="NAME", help="these only")
    board.add_argument("--seeds", nargs="+", type=_seed, metavar="SEED", help="0; for short recipes 0 1 2")
    board.add_argument("--epochs", type=_positive, help="instead of the recipes' numbers")
    board.add_argument("--images", type=_positive, help="train and measure on N images only")
    board.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="runs go to DIR/seed-S/NAME")
    board.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="table and pictures")
    board.set_defaults(run=_scoreboard)


def _positive(text: str) -> int:
    return _whole(text, at_least=1)


def _seed(text: str) -> int:
    return _whole(text, at_least=0)


def _whole(text: str, *, at_least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = at_least - 1
    if not at_least <= number < 2**31:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {at_least}, but got {text!r}")
    return number


def _list(options: argparse.Namespace) -> None:
    from ae_utils.recipes.catalogue import RECIPES

    print(f"{'recipe':<16} {'epochs':>6}  what it is")
    for recipe in RECIPES.values():
        system = f" (system {recipe.system})" if recipe.system else ""
        print(f"{recipe.name:<16} {recipe.epochs:>6}  {recipe.summary}{system}")


def _train(options: argparse.Namespace) -> None:
    with _Progress(quiet=options.quiet or os.environ.get("RANK", "0") != "0") as progress:
        progress.show(f"{options.names[0]}: starting")  # at once: the imports alone take seconds
        from ae_utils.parallel import processes
        from ae_utils.recipes.catalogue import find
        from ae_utils.recipes.run import Run, writable

        recipes = [find(name) for name in options.names]  # every name is checked before the first training begins
        device = _device(options.device)
        for recipe in recipes:
            writable(options.out / recipe.name)
        with processes(device):
            for recipe in recipes:
                run = Run(
                    recipe, options.out / recipe.name, options.epochs, options.images, options.seed,
                    options.data, device, options.resume, progress.hooks(recipe.name),
                )  # fmt: skip
                if report := run.train():
                    seconds = report["cpu_seconds"]
                    progress.write(f"{recipe.name}: test {_terms(report['test'])}  ({seconds} CPU-s) → {run.folder}")


def _explore(options: argparse.Namespace) -> None:
    from ae_utils.metrics.codes import codes
    from ae_utils.models import CVAE
    from ae_utils.protocols import Encodes
    from ae_utils.recipes.run import load_model
    from ae_utils.widgets.page import write_page

    recipe, model = load_model(options.folder)
    if not hasattr(model, "decode"):
        raise InvalidInput(f"{recipe.name} makes no pictures; name a run of an autoencoder or a GAN.")
    test = recipe.own_test()[:2000]
    shown: dict[str, Any] = {}
    if hasattr(model, "encode"):  # a generator has no codes to show
        shown = {"codes": codes(cast(Encodes, model), test), "labels": test.label}
    if isinstance(model, CVAE):
        shown["label_choices"] = range(10)
    page = write_page(options.html, model, title=recipe.name, **shown)
    print(f"{page}: open it in any browser; it needs no server and no network")


def _reconstruct(options: argparse.Namespace) -> None:
    import torch

    from ae_utils import plots
    from ae_utils.data.images import Images
    from ae_utils.data.pictures import read_picture
    from ae_utils.metrics.images import mse, reconstruct
    from ae_utils.protocols import Reconstructs
    from ae_utils.recipes.run import load_model
    from ae_utils.recipes.trained import trained

    recipe, model = load_model(options.folder)
    if not hasattr(model, "encode"):
        raise InvalidInput(f"{recipe.name} has no encoder, it only draws; name a run of an autoencoder.")
    pictures, done = zip(*(read_picture(path) for path in options.images), strict=True)
    x = torch.stack(pictures)
    label = trained("judge")(x).logits.argmax(1)  # which a conditional model wants to know
    x_hat = reconstruct(cast(Reconstructs, model), Images(x, x, label))
    for path, what, digit, error in zip(options.images, done, label, mse(x_hat, x), strict=True):
        print(f"{path}: {what}; looks like a {digit}; squared error {error:.4f} a pixel")
    plots.save(plots.reconstructions(x, x_hat, count=len(x)), options.out)
    print(f"{options.out}: what the model saw, over what it made of it")


def _sample(options: argparse.Namespace) -> None:
    import torch

    from ae_utils import plots
    from ae_utils.metrics.obedience import all_digits, draw
    from ae_utils.models import CVAE, VAE, Generator
    from ae_utils.recipes.run import load_model

    if options.label is not None and not 0 <= options.label <= 9:
        raise InvalidInput(f"--label expects a digit from 0 to 9, but got {options.label}.")
    recipe, model = load_model(options.folder)
    if not isinstance(model, VAE | Generator):
        raise InvalidInput(f"{recipe.name} has no prior to draw codes from; name a run of a VAE, a CVAE or a GAN.")
    if options.label is not None and not isinstance(model, CVAE):
        raise InvalidInput(f"{recipe.name} cannot be told a label; leave --label out, or name a run of a CVAE.")
    label = all_digits(options.count) if options.label is None else torch.full((options.count,), options.label)
    columns = min(options.count, 10 if options.label is None else 8)
    plots.save(plots.image_grid(draw(model, label, seed=options.seed), columns), options.out)
    print(f"{options.out}: {options.count} new digits")


def _scoreboard(options: argparse.Namespace) -> None:
    from ae_utils.scoreboard.board import NAMES, Board

    with _Progress() as progress:
        board = Board(options.out, options.seeds, options.epochs, options.images, hooks=progress.hooks)
        table = board.write(options.recipes or NAMES, options.results)
    print(f"{table}: all of them side by side")


def _write_altered(options: argparse.Namespace) -> None:
    from ae_utils.data.altered import ALTERATIONS, altered
    from ae_utils.data.folders import write_folders
    from ae_utils.data.mnist import mnist

    clean = mnist("train")[: options.images]
    made = altered(clean, versions=options.versions, seed=options.seed)
    write_folders(clean, made, options.folder, tuple(ALTERATIONS))
    print(f"{options.folder}: {len(clean):,} clean and {len(made.source):,} altered images")


class _Progress:
    """One bar for each training, on stderr where that is a terminal, and a line for each epoch on stdout.

    ``quiet`` leaves out both. A context: at its end the bar is wiped away.
    """

    def __init__(self, *, quiet: bool = False):
        from tqdm import tqdm

        self.quiet = quiet
        disable = quiet or None  # None: where stderr is no terminal
        self.bar = tqdm(bar_format="{desc}", leave=False, dynamic_ncols=True, smoothing=0, miniters=1, disable=disable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def show(self, text: str) -> None:
        """Show a text in the bar's place."""
        self.bar.bar_format = "{desc}"
        self.bar.set_description_str(text)

    def write(self, line: str) -> None:
        """Print a line on stdout, above the bar."""
        self.bar.write(line, file=sys.stdout)

    def hooks(self, name: str) -> dict[str, Any]:
        """The hooks of one training."""
        if self.quiet:
            return {}
        self.show(f"{name}: starting")
        return {"on_batch_end": (partial(self._batch_end, name),), "on_epoch_end": (partial(self._epoch_end, name),)}

    def _batch_end(self, name: str, moment: "Moment") -> None:
        if moment.batch == 0:
            self.bar.set_description_str(f"{name} {moment.epoch + 1}/{moment.epochs}", refresh=False)
        if self.bar.bar_format == "{desc}":  # the first batch, perhaps of a later epoch than the first
            self.bar.reset(total=moment.epochs * moment.batches)  # draws, so it comes before the format with a share
            self.bar.initial = self.bar.n = moment.epoch * moment.batches
            self.bar.bar_format = "{desc} {percentage:3.0f}% {bar} {remaining} left"
        self.bar.update()

    def _epoch_end(self, name: str, moment: "Moment") -> None:
        rows = (f"{split} {_terms(moment.history.last(split))}" for split in ("train", "test"))
        self.write(f"{name} epoch {moment.epoch + 1}/{moment.epochs}  {'  '.join(rows)}")
        if moment.epoch + 1 == moment.epochs:
            self.show(f"{name}: measuring")


def _terms(row: dict[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {row[name]:.5g}" for name in row if name not in ("epoch", "split"))


def _device(name: str) -> str:
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        raise InvalidInput(f"--device {name}: this machine has none that torch can use; try --device cpu.")
    return name


if __name__ == "__main__":
    sys.exit(main())
