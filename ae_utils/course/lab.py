"""The course in JupyterLab, on copies of the lessons: ``make lab``, or ``python -m ae_utils.course.lab``.

The copies stand in ``work/``, which git ignores. Each remembers, in its metadata, the lesson it was copied from. When
that lesson changes, a copy whose cells are still the lesson's own is replaced; one with other cells holds somebody's
answers: it is kept, and the new lesson is put beside it. Outputs, metadata and empty cells are no answers, so running
and saving a notebook alone does not count as editing it.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from ae_utils.course.book.nbconvert_settings import set_up
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write

CHECKOUT = Path(__file__).resolve().parents[2]
SLIDERS = "@jupyter-widgets/jupyterlab-manager:plugin"  # the settings of JupyterLab's widgets
KEY = "ae_utils"  # in a copy's metadata: the fingerprint of the lesson


def main(arguments: list[str] | None = None) -> int:
    """Refresh the copies and run JupyterLab until it is stopped; returns the exit code: 0, or 2 after a sentence."""
    options, for_jupyter = _parser().parse_known_args(arguments)
    folder = options.folder.expanduser().resolve()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for the kernels: see __main__
    try:
        for line in refresh(folder):
            print(line)
        for line in own_places(folder / "work" / ".jupyter"):
            print(line)
        keep_sliders()
        set_up()
        from jupyterlab.labapp import LabApp
    except (InvalidInput, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError:
        print(f"lab: JupyterLab is not installed; `{sys.executable} -m pip install jupyterlab`.", file=sys.stderr)
        return 2
    chosen = switches(folder)
    sys.stdout.flush()
    LabApp.launch_instance([*chosen, *for_jupyter])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ae_utils.course.lab",
        description="Open copies of the lessons in JupyterLab. Other options (--port=9000, say) are passed on to it.",
    )
    parser.add_argument("--folder", type=Path, default=CHECKOUT, metavar="DIR", help="work in DIR/work (the checkout)")
    return parser


def refresh(folder: Path, checkout: Path = CHECKOUT) -> Iterator[str]:
    """Bring the copies in ``folder``/work up to date with the lessons of ``checkout``; yields a line on what was done.

    Outside the checkout the tables that lessons read are copied, too, to ``folder``/results. Raises ``OSError`` or
    ``InvalidInput`` with one sentence where nothing can be written, or a lesson is missing or damaged.
    """
    originals, work = checkout / "notebooks", folder / "work"
    lessons = [path for path in _files(originals) if path.suffix == ".ipynb"]
    if not lessons:
        raise InvalidInput(f"there are no lessons in {originals}; start this in a checkout of the course.")
    if not _writable(work):
        raise OSError(f"nothing can be written to {work}; name another folder: make lab FOLDER=~/autoencoders")
    new = 0
    for lesson in lessons:
        line = _refresh(lesson, work / lesson.relative_to(originals))
        new += line == ""
        if line:
            yield line
    for path in set(_files(originals)) - set(lessons):
        _copy(path, work / path.relative_to(originals))
    if folder.resolve() != checkout.resolve():
        for path in _files(checkout / "results"):
            _copy(path, folder / path.relative_to(checkout))
    if new:
        yield f"{work}: {new} notebooks copied. Work in these: your answers are kept when a lesson changes."


def _refresh(lesson: Path, copy: Path) -> str | None:
    """Bring the copy of one lesson up to date; returns a line on it, "" for a first copy, ``None`` if nothing to do."""
    content = _read(lesson)
    if content is None:
        raise InvalidInput(f"{lesson} is no readable notebook; `git checkout notebooks` restores it.")
    wanted, kept = _fingerprint(content), None
    for number in count(2):
        there = copy.exists()
        found = _read(copy) if there else None
        known = found.get("metadata", {}).get(KEY) if found else None
        if there and found and wanted in (known, _fingerprint(found)):
            return None
        if not there or (found and known == _fingerprint(found)):
            break
        kept = kept or copy
        copy = kept.with_name(f"{kept.stem}-{number}.ipynb")
    content.setdefault("metadata", {})[KEY] = wanted
    with atomic_write(copy) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if kept:
        return f"{kept} holds your answers and is kept; the lesson has changed: {copy.name} is the new version of it."
    return f"{copy} is the new version of its lesson; you had edited nothing in the old one." if there else ""


def _read(path: Path) -> dict[str, Any] | None:
    """The notebook as JSON; ``None`` for what is no notebook."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    cells = content.get("cells") if isinstance(content, dict) else None
    metadata = content.get("metadata", {}) if isinstance(content, dict) else None
    fine = isinstance(cells, list) and isinstance(metadata, dict) and all(isinstance(cell, dict) for cell in cells)
    return content if fine else None


def _fingerprint(notebook: dict[str, Any]) -> str:
    """A checksum of what is written in the cells, empty ones aside; outputs and metadata have no part in it."""
    cells = [(cell.get("cell_type"), "".join(cell.get("source", "")).strip()) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps([cell for cell in cells if cell[1]]).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    """All files below a folder, in order; hidden ones and those in hidden folders aside."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _copy(path: Path, to: Path) -> None:
    content = path.read_bytes()
    if not to.is_file() or to.read_bytes() != content:
        with atomic_write(to) as beside:
            beside.write_bytes(content)


def own_places(folder: Path) -> Iterator[str]:
    """Where the user's own folders cannot be written to, have Jupyter, IPython and matplotlib use ``folder`` instead.

    Changes ``os.environ``; yields a line on it.
    """
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

    ipython = os.environ.get("IPYTHONDIR") or Path.home() / ".ipython"
    if all(map(_writable, (jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir(), ipython))):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold the server's token
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        os.environ[name] = str(folder / name.removesuffix("DIR").removesuffix("_").lower())
    os.environ.setdefault("XDG_CACHE_HOME", str(folder / "cache"))
    yield f"Your home folder cannot be written to: settings and caches go to {folder}."


def keep_sliders(environment: str | Path = sys.prefix) -> None:
    """Have the JupyterLab of a Python environment save sliders with a notebook, so that they move without a kernel.

    That is a default: nobody's own choice, here or in the settings of JupyterLab, is changed. An environment that
    cannot be written to stays as it is.
    """
    path = Path(environment, "share", "jupyter", "lab", "settings", "overrides.json")
    try:
        chosen = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "saveState" not in chosen.setdefault(SLIDERS, {}):
            chosen[SLIDERS]["saveState"] = True
            with atomic_write(path) as beside:
                beside.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError, AttributeError, TypeError):  # read-only, or no settings: left alone
        return


def _writable(folder: str | Path) -> bool:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def switches(folder: Path) -> list[str]:
    """JupyterLab's switches for this machine and user; says so where they are not the usual ones."""
    chosen = ["--ServerApp.ip=127.0.0.1", "--Application.log_level=WARN"]  # says the address, and what goes wrong
    chosen += [f"--ServerApp.root_dir={folder}", f"--FileContentsManager.preferred_dir={folder / 'work'}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        print("You are root: JupyterLab is started with --allow-root, and whatever a notebook runs is run as root.")
        chosen.append("--allow-root")
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform not in ("darwin", "win32") and not any(map(os.environ.get, screens)):
        print("There is no display here: open the address below in a browser.")
        chosen.append("--no-browser")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
