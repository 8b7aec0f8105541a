"""The command behind ``make book`` and ``make slides``: ``python -m ae_utils.course.book [--slides] [LESSON …]``."""

import sys
from pathlib import Path

import click

from ae_utils.course.book.execution import Refused
from ae_utils.course.book.reference import write_reference
from ae_utils.course.book.site import Book, Extra, clear
from ae_utils.course.lab import CHECKOUT
from ae_utils.errors import InvalidInput
from ae_utils.runs.studio import write_studio

EXTRAS = (
    Extra("studio.html", "The studio: draw a digit", write_studio),
    Extra("reference/ae_utils.html", "Reference of the package", write_reference),
)


@click.command()
@click.argument("lessons", nargs=-1)
@click.option("--slides", is_flag=True, help="Make slides of the lessons instead, one file each.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder: book/, or slides/ for slides.")
@click.option("--cache", type=click.Path(path_type=Path), default=CHECKOUT / ".book_cache", help="Executed lessons.")
@click.option("--stills", is_flag=True, help="Execute nothing: a lesson that the cache lacks shows still pictures.")
@click.option("--fresh", is_flag=True, help="Execute again what is in the cache.")
@click.option("--bare", is_flag=True, help="Without studio and reference, which take a while.")
def main(
    lessons: tuple[str, ...], slides: bool, out: Path | None, cache: Path, stills: bool, fresh: bool, bare: bool
) -> None:
    """Make the book of the LESSONS (01, 02 …; all of them by default) as a static site."""
    out = out or CHECKOUT / ("slides" if slides else "book")
    try:
        book = Book(CHECKOUT, out, cache, execute=not stills, fresh=fresh, extras=() if bare else EXTRAS)
        if not slides:
            clear(out)
        for line in book.slides(lessons) if slides else book.build(lessons):
            click.echo(line)
    except (InvalidInput, OSError, Refused) as error:
        click.echo(f"book: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main(prog_name="python -m ae_utils.course.book")
