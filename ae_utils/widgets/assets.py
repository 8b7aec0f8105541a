"""The scripts and styles that the page runs, as text: a widget's files joined to one module and one sheet."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"


def asset(*names: str) -> str:
    """The files ``names`` of ``static``, one after the other; what a script uses may stand behind it."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)
