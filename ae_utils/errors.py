"""The errors for what a caller got wrong; every other error is a bug of the package and keeps its traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InvalidInput(ValueError):
    """An argument, a file or a command that cannot be used; the message names it, what is wrong and what to do.

    The command line prints the message without a traceback.
    """


class CheckpointError(InvalidInput):
    """A checkpoint or a file of weights that cannot be read, or does not fit the model; the message names the file."""


@contextmanager
def checkpoint_errors(path: str | Path) -> Iterator[None]:
    """Turn errors while the contents of ``path`` are loaded into a model into a ``CheckpointError`` naming it."""
    try:
        yield
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds weights of another architecture than its recipe builds; restore it, or train again."
        ) from error
