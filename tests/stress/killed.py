"""Trainings in a process of their own, which can kill itself at a chosen moment; what ``test_kills.py`` starts."""

import dataclasses
import hashlib
import io
import os
import signal
import stat
import threading
from pathlib import Path

import torch

from ae_utils.data.altered import altered
from ae_utils.data.mnist import mnist
from ae_utils.recipes.registry import get
from ae_utils.runs import checkpoint
from ae_utils.runs.run import Run

torch.set_num_threads(1)
NOBODY = 65534


def small(name: str, images: int):
    """A recipe on few images, without what comes after the training."""
    clean = mnist("test")[:images]  # the smaller file
    given = altered(clean, seed=1).images if name.startswith("altered") else clean
    nothing = {"figures": (), "embeddings": None, "evaluate": lambda model, test: {}}
    return dataclasses.replace(get(name), source=lambda data: (given, given[:50]), **nothing)


def train(name: str, folder: str, images: int, resume: bool = False, moment: dict | None = None) -> None:
    """Train for three epochs; ``moment`` says when the process dies: ``{"batch": 3, "delay": 0.01}``,
    ``{"save": 2, "bytes": 0.4}``, ``{"save": 2, "before": "fsync"}`` or "replace", ``{"save": 2, "after": "replace"}``.
    """
    moment = moment or {}
    hook = arm(moment)
    run = Run(small(name, images), Path(folder), 3, seed=4, resume=resume, hooks={"on_batch_end": hook})
    run.train()


def arm(moment: dict) -> tuple:
    """Prepare the death; returns the hooks that it needs."""
    if "batch" in moment:
        seen = []

        def count(_) -> None:
            seen.append(1)
            if len(seen) == moment["batch"]:
                threading.Timer(moment["delay"], die).start()

        return (count,)
    if "bytes" in moment:
        torch.save = _nth(torch.save, moment["save"], lambda content, path: _half(content, path, moment["bytes"]))
    if "before" in moment:
        original = getattr(os, moment["before"])
        setattr(os, moment["before"], _nth(original, moment["save"], lambda *_: die()))
    if "after" in moment:
        original = getattr(os, moment["after"])
        setattr(os, moment["after"], _nth(original, moment["save"], lambda *given: (original(*given), die())))
    return ()


def _nth(function, number: int, instead):
    """``function``, but ``instead`` the ``number``-th time."""
    calls = []

    def counted(*given, **options):
        calls.append(1)
        return instead(*given) if len(calls) == number else function(*given, **options)

    return counted


SAVE = torch.save


def _half(content: dict, path: Path, fraction: float) -> None:
    whole = io.BytesIO()
    SAVE(content, whole)
    with open(path, "wb") as file:
        file.write(whole.getvalue()[: int(fraction * whole.tell())])
    die()


def die() -> None:
    """No ``finally``, no ``atexit``: as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


NOBODY_ELSE = "root cannot become another user here, or that user cannot read the data"


def train_where_writing_ends(name: str, folder: str, images: int, say) -> None:
    """Train as a user who may not write everywhere; after the first epoch the folder is read-only."""
    recipe = small(name, images)
    try:
        if os.geteuid() == 0:  # whom no folder refuses
            os.chown(folder, NOBODY, NOBODY)
            os.setuid(NOBODY)
        recipe.images()
    except (OSError, ValueError):
        say.send(NOBODY_ELSE)
        return

    def close(state) -> None:
        os.chmod(folder, stat.S_IRUSR | stat.S_IXUSR)

    try:
        Run(recipe, Path(folder), 3, seed=4, hooks={"on_epoch_end": (close,)}).train()
    except OSError as error:
        say.send(str(error))


def digest(path: Path) -> str:
    """SHA-256 of everything that a step keeps (weights, optimizers, counters) and of the history."""
    content = checkpoint.load(path)
    found = hashlib.sha256()
    _add(found, {"step": content["step"], "history": content["history"]})
    return found.hexdigest()


def _add(found, value) -> None:
    if isinstance(value, dict):
        for key in value:
            found.update(repr(key).encode())
            _add(found, value[key])
    elif isinstance(value, list | tuple):
        for part in value:
            _add(found, part)
    elif isinstance(value, torch.Tensor):
        found.update(value.contiguous().numpy().tobytes())
    else:
        found.update(repr(value).encode())
