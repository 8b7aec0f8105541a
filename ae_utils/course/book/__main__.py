"""The command behind ``make book``: ``python -m ae_utils.course.book [LESSON …]``."""

import sys
from pathlib import Path

import click

from ae_utils.course.book.execution import Refused
from ae_utils.course.book.site import Book, clear
from ae_utils.course.lab import CHECKOUT
from ae_utils.errors import InvalidInput


@click.command()
@click.argument("lessons", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=CHECKOUT / "book", help="The folder (book/).")
@click.option("--cache", type=click.Path(path_type=Path), default=CHECKOUT / ".book_cache", help="Executed lessons.")
@click.option("--stills", is_flag=True, help="Execute nothing: a lesson that the cache lacks shows still pictures.")
@click.option("--fresh", is_flag=True, help="Execute again what is in the cache.")
def main(lessons: tuple[str, ...], out: Path, cache: Path, stills: bool, fresh: bool) -> None:
    """Make the book of the LESSONS (01, 02 …; all of them by default) as a static site."""
    try:
        clear(out)
        for line in Book(CHECKOUT, out, cache, execute=not stills, fresh=fresh).build(lessons):
            click.echo(line)
    except (InvalidInput, OSError, Refused) as error:
        click.echo(f"book: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main(prog_name="python -m ae_utils.course.book")
