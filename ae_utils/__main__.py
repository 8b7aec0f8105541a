"""The command line: ``python -m ae_utils list``, ``train NAME``, ``explore runs/NAME`` …"""

import os
import sys
from pathlib import Path
from typing import Any

import click

from ae_utils.errors import InvalidInput

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: on a busy machine spinning threads cost 20×

POSITIVE, SEED = click.IntRange(min=1), click.IntRange(min=0, max=2**31 - 1)
FILE = click.Path(path_type=Path)
SEED_OPTION = click.option("--seed", type=SEED, default=0, show_default=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code; for what a caller got wrong 2, after a message on stderr."""
    try:
        cli.main(arguments, prog_name="python -m ae_utils", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (InvalidInput, OSError) as error:  # anything else is a bug of ours, and keeps its traceback
        print(f"ae_utils: {error}", file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        print("\nae_utils: stopped; `--resume` goes on after the last finished epoch.", file=sys.stderr)
        return 130
    return 0


@click.group(no_args_is_help=True)
def cli() -> None:
    """Train the course's models by name, and use them."""


@cli.command("list")
def list_recipes() -> None:
    """Show the recipes."""
    from ae_utils.recipes.registry import overview

    print(overview())


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--epochs", type=POSITIVE, help="Instead of the recipe's number.")
@click.option("--images", type=POSITIVE, help="Train on N images only, stratified by label.")
@SEED_OPTION
@click.option("--data", type=FILE, help="Your own images: a CSV file; for altered-… folders of PNGs.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--out", type=FILE, default="runs", show_default=True, help="Results go to OUT/NAME.")
@click.option("--resume", is_flag=True, help="Continue after the last finished epoch.")
@click.option("--quiet", is_flag=True, help="No progress bar, no line for each epoch.")
def train(names: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Train recipes by name; `list` shows the names."""
    from ae_utils.runs.progress import ProgressBar

    with ProgressBar(quiet=quiet or os.environ.get("RANK", "0") != "0") as progress:
        progress.show(f"{names[0]}: starting")  # at once: the imports alone take seconds
        from ae_utils.runs.run import train_recipes

        train_recipes(names, progress, **options)


@cli.command()
@click.argument("folder", type=FILE)
@click.option("--html", type=FILE, default="explorer.html", show_default=True, help="The page to write.")
def explore(folder: Path, html: Path) -> None:
    """Write a page with sliders for the model in FOLDER, such as runs/linear-3d."""
    from ae_utils.runs.use import explore

    print(explore(folder, html))


@cli.command()
@click.option("--html", type=FILE, default="studio.html", show_default=True, help="The page to write.")
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser, too.")
def studio(html: Path, opened: bool) -> None:
    """Write a page to draw on, where trained models encode and reconstruct what is drawn."""
    from ae_utils.runs.studio import write_studio

    print(write_studio(html))
    if opened:
        click.launch(html.resolve().as_uri())


@cli.command()
@click.argument("folder", type=FILE)
@click.argument("images", type=FILE, nargs=-1, required=True)
@click.option("--out", type=FILE, default="reconstructed.png", show_default=True)
def reconstruct(folder: Path, images: tuple[Path, ...], out: Path) -> None:
    """Reconstruct your own IMAGES, each a PNG or JPEG of one digit, with the model in FOLDER."""
    from ae_utils.runs.use import reconstruct_photos

    print("\n".join(reconstruct_photos(folder, images, out)))


@cli.command()
@click.argument("folder", type=FILE)
@click.option("--label", type=click.IntRange(0, 9), help="The digit, for a conditional model (all ten).")
@click.option("--count", type=POSITIVE, default=16, show_default=True, help="The number of samples.")
@SEED_OPTION
@click.option("--guidance", type=click.FloatRange(min=1), help="Of a latent flow: above 1 follows the label closely.")
@click.option("--steps", type=POSITIVE, help="Of a latent flow: the number of steps from noise to code.")
@click.option("--out", type=FILE, default="samples.png", show_default=True)
def sample(folder: Path, **options: Any) -> None:
    """Draw new digits with the VAE, conditional VAE, GAN or latent flow in FOLDER."""
    from ae_utils.runs.use import sample

    print(sample(folder, **options))


@cli.command()
@click.option("--recipes", multiple=True, metavar="NAME", help="This recipe only; may be repeated.")
@click.option("--seeds", multiple=True, type=SEED, help="0, for short recipes 0, 1 and 2; may be repeated.")
@click.option("--epochs", type=POSITIVE, help="Instead of the recipes' numbers.")
@click.option("--images", type=POSITIVE, help="Train and measure on N images only.")
@click.option("--out", type=FILE, default="runs", show_default=True, help="Runs go to OUT/seed-S/NAME.")
@click.option("--results", type=FILE, default="results", show_default=True, help="The folder of table and figures.")
def scoreboard(recipes: tuple[str, ...], results: Path, **options: Any) -> None:
    """Train all recipes and put them side by side."""
    from ae_utils.course.scoreboard.board import NAMES, Board
    from ae_utils.runs.progress import ProgressBar

    with ProgressBar() as progress:
        table = Board(**options, hooks=progress.hooks).write(recipes or NAMES, results)
    print(f"{table}: all of them side by side")


@cli.command()
@click.argument("names", nargs=-1, metavar="[TRACK]...")
@click.option("--seeds", multiple=True, type=SEED, help="0, 1, 2 and one that verifies; may be repeated.")
@click.option("--out", type=FILE, default="runs/speedrun", show_default=True, help="The folder of the trained models.")
@click.option("--results", type=FILE, default="results", show_default=True, help="The folder of the tables.")
def speedrun(names: tuple[str, ...], **options: Any) -> None:
    """Verify the records of the speedrun: of every TRACK, or entries and ideas by name."""
    from ae_utils.course.speedrun.board import Speedrun
    from ae_utils.runs.progress import ProgressBar

    with ProgressBar() as progress:
        for line in Speedrun(**options, hooks=progress.hooks).run(names):
            progress.write(line)


@cli.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--seeds", multiple=True, type=SEED, help="Instead of the experiments' own; may be repeated.")
@click.option("--set", "replaced", multiple=True, metavar="NAME=VALUE", help="For every variant; may be repeated.")
@click.option("--runs", type=FILE, default="runs/experiments", show_default=True, help="Models go to RUNS/seed-S.")
@click.option("--results", type=FILE, default="results/experiments", show_default=True, help="Folder of the tables.")
def experiments(names: tuple[str, ...], **options: Any) -> None:
    """Run the trainings behind the lessons' sentences that are missing in their tables, NAME by name, or all."""
    from ae_utils.course.experiments.registry import run_experiments

    for table in run_experiments(names, **options):
        print(table)


@cli.command()
@click.argument("folder", type=FILE, metavar="DIR")
@click.option("--lessons", multiple=True, metavar="NN...", help="These only, such as 01 04.")
@click.argument("more", nargs=-1, metavar="")  # so that several may stand behind --lessons
@click.option("--nbgrader", is_flag=True, help="With nbgrader's metadata, and a course directory for it.")
def handout(folder: Path, lessons: tuple[str, ...], more: tuple[str, ...], nbgrader: bool) -> None:
    """Write students' notebooks into DIR: without answers, solutions and fact check; an archive for each lesson."""
    from ae_utils.course.teaching.handout import write_handout

    for line in write_handout(folder, lessons + more, nbgrader):
        print(line)


@cli.command()
@click.argument("folder", type=FILE)
@click.option("--csv", "table", type=FILE, default="grades.csv", show_default=True, help="The table of points.")
@click.option("--jobs", type=POSITIVE, help="Submissions at a time; without it one for each processor.")
@click.option("--seconds", type=POSITIVE, default=60, show_default=True, help="For an answer, and for its check.")
@click.option("--memory", type=POSITIVE, default=2, show_default=True, help="GiB, beyond what torch itself takes.")
def grade(folder: Path, table: Path, jobs: int | None, seconds: int, memory: int) -> None:
    """Grade all notebooks below FOLDER, each shut off in a process of its own; what is in the table already stays."""
    from ae_utils.course.teaching.grade import Limits, grade_folder

    for line in grade_folder(folder, table, jobs, Limits(seconds, memory)):
        print(line, flush=True)


@cli.group()
def altered() -> None:
    """Altered MNIST."""


@altered.command()
@click.argument("folder", type=FILE)
@click.option("--images", type=POSITIVE, help="Of the first N training images only.")
@click.option("--versions", type=POSITIVE, default=3, show_default=True, help="Altered versions of each image.")
@SEED_OPTION
def write(folder: Path, **options: Any) -> None:
    """Write the folders clean and aug of PNGs into FOLDER."""
    from ae_utils.data.folders import write_altered_mnist

    print(write_altered_mnist(folder, **options))


if __name__ == "__main__":
    sys.exit(main())
