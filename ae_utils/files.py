"""Files that are written whole or not at all, and a clear error for files that may not be read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends, it is flushed to disk and renamed to ``path``.

    A reader sees the previous file or the new one, never half of either; when the block raises, or the process dies,
    the previous file stays. Missing folders are created. Raises ``OSError`` when the file cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as a RuntimeError
        said = str(error).strip() or type(error).__name__
        reason = getattr(error, "strerror", None) or said.splitlines()[0].rpartition(": ")[2].rstrip(".")
        raise OSError(f"{path} cannot be written ({reason}); what stood there before is kept.") from error
    finally:
        with suppress(OSError):  # a folder that has turned read-only
            beside.unlink(missing_ok=True)


def refuse_unreadable(path: str | Path) -> None:
    """Raise ``OSError`` unless the system lets us read ``path``; what fails after that lies in the file itself."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise OSError(f"{path} cannot be read ({error.strerror}); look what it is, and who may read it.") from error
