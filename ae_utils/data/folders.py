"""Altered MNIST as two folders of PNGs, ``clean/clean_<index>_<label>.png`` and ``aug/aug_<index>_<label>.png``.

As they circulate, such folders do not say which altered image belongs to which clean one; ``pair`` finds out within
each label, by similarity.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ae_utils.data.altered import ALTERATIONS, Altered, altered, blur, warp
from ae_utils.data.dataset import Images, check_unit_range
from ae_utils.data.mnist import mnist
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write, refuse_unreadable

SIDE = 28
EXTENT = 0.35  # standard deviation of a digit's mass, in half images, once extents are made equal
PAIRS = "pairs.csv"  # what only our own folders have: aug index, clean index, alteration


def write_folders(clean: Images, made: Altered, folder: str | Path, kinds: tuple[str, ...]) -> Path:
    """Write both folders, and ``pairs.csv`` with the truth. Altered images are numbered in a shuffled order.

    Images of an earlier call that are not overwritten are removed.
    Raises ``OSError`` when nothing can be written there.
    """
    folder = Path(folder)
    order = torch.randperm(len(made.source), generator=torch.Generator().manual_seed(0))
    mixed = made.images[order]
    _write_pngs(folder / "clean", "clean", clean.x, clean.label)
    _write_pngs(folder / "aug", "aug", mixed.x, mixed.label)
    names = [kinds[number] for number in made.kind[order].tolist()]
    with atomic_write(folder / PAIRS) as beside:
        pd.DataFrame({"clean": made.source[order].numpy(), "alteration": names}).to_csv(beside, index_label="aug")
    return folder


def write_altered_mnist(folder: Path, *, images: int | None = None, versions: int = 3, seed: int = 0) -> str:
    """Write ``versions`` altered copies of the first ``images`` training images of MNIST; returns a line about them."""
    clean = mnist("train")[:images]
    made = altered(clean, versions=versions, seed=seed)
    write_folders(clean, made, folder, tuple(ALTERATIONS))
    return f"{folder}: {len(clean):,} clean and {len(made.source):,} altered images"


def read_folders(folder: str | Path) -> tuple[Images, Images]:
    """The clean and the altered images of such folders, in the order of their numbers; RGB files become grey.

    Raises ``InvalidInput`` that names the folder or the file: a folder missing or empty, a name of another form, a file
    that is damaged or not 28×28, a label that only one of the two has. Raises ``OSError`` for one that may not be read.
    """
    clean, altered = (_read_pngs(Path(folder) / name, name) for name in ("clean", "aug"))
    if lonely := set(altered.label.tolist()) ^ set(clean.label.tolist()):
        label = min(lonely)
        where = "aug" if label in altered.label else "clean"
        raise InvalidInput(
            f"{folder}: label {label} occurs only in {where}; every label needs clean and altered images."
        )
    return clean, altered


def pair(clean: Images, altered: Images) -> Tensor:
    """For each altered image the index of the most similar clean one with the same label → (n,).

    Images are compared by cosine similarity in five ways: as they are, by their ridges (robust to noise and stroke
    width, at two scales), with their center of mass aligned (robust to translation), and with extent and slant made
    equal (robust to scale and shear). Of the five nearest clean images the one with the largest margin over its
    runner-up is taken.
    """
    ours, theirs = _profiles(clean.x), _profiles(altered.x)
    source = torch.empty(len(altered), dtype=torch.int64)
    for label in altered.label.unique():
        mine = (clean.label == label).nonzero()[:, 0]
        for part in (altered.label == label).nonzero()[:, 0].split(2000):
            best = [
                (one[part] @ other[mine].T).topk(min(2, len(mine))) for one, other in zip(theirs, ours, strict=True)
            ]
            apart = torch.stack([(1 - top.values[:, -1]) / (1 - top.values[:, 0] + 1e-3) for top in best])
            found = torch.stack([top.indices[:, 0] for top in best])
            source[part] = mine[found.gather(0, apart.argmax(0, keepdim=True))[0]]
    return source


def pairs_recovered(folder: str | Path, source: Tensor) -> dict[str, float]:
    """The fraction of correct pairs for each alteration and for ``all``; empty without a ``pairs.csv``.

    ``source`` (n,) is what ``pair`` found for the images of ``read_folders``; ``pairs.csv`` names them by the numbers
    in their file names. Raises ``InvalidInput`` when it is damaged, or about other images.
    """
    path = Path(folder) / PAIRS
    if not path.is_file():
        return {}
    try:
        truth = pd.read_csv(path, dtype={"aug": "int64", "clean": "int64"}).set_index("aug", verify_integrity=True)
        known, kinds = truth["clean"], truth["alteration"]
    except (ValueError, KeyError, OverflowError) as error:
        raise InvalidInput(f"{path} is damaged; remove it, or write the folders again.") from error
    clean, aug = ([number for number, _, _ in _files(Path(folder) / name, name)] for name in ("clean", "aug"))
    if len(aug) != len(source) or not known.index.isin(aug).sum() == len(aug):
        raise InvalidInput(f"{path} lists {len(truth)} altered images, but the folder holds {len(source)} others.")
    right = known.loc[aug] == np.array(clean)[source.numpy()]
    return {**right.groupby(kinds.loc[aug]).mean().to_dict(), "all": float(right.mean())}


def paired(folder: str | Path) -> tuple[Altered, dict[str, float]]:
    """The pairs in such folders, and the fraction of correct ones where it is known."""
    clean, altered = read_folders(folder)
    source = pair(clean, altered)
    images = Images(altered.x, clean.x[source], altered.label)
    return Altered(images, source, torch.zeros_like(source)), pairs_recovered(folder, source)


def _profiles(x: Tensor) -> list[Tensor]:
    """Five views of each image, blurred, without their mean and of length 1: (n, 784) each."""
    soft = blur(x, 0.8)
    middle, root = _moments(soft)
    centred, stretched = warp(soft, torch.eye(2).expand_as(root), middle), warp(soft, root / EXTENT, middle)
    fine, coarse = (
        blur(x, 1.0) - blur(x, 2.0),
        blur(x, 2.0) - blur(x, 3.0),
    )  # ridges: strokes, whatever their width
    views = (soft, fine, coarse, centred, stretched)
    return [F.normalize((view - view.mean((2, 3), keepdim=True)).flatten(1), dim=1) for view in views]


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each image's center of mass (n, 2) and the triangular root of its covariance (n, 2, 2), as (right, down)."""
    at = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    mass = x.sum((1, 2, 3)).clamp(min=1e-6)
    down, right = x.sum((1, 3)) / mass[:, None], x.sum((1, 2)) / mass[:, None]  # marginals
    middle = torch.stack((right @ at, down @ at), 1)
    both = torch.einsum("nchw,h,w->n", x, at, at) / mass - middle.prod(1)
    across, along = right @ at.square() - middle[:, 0] ** 2, (down @ at.square() - middle[:, 1] ** 2).clamp(min=1e-4)
    slant = both / along
    width = (across - slant * both).clamp(min=1e-4).sqrt()
    rows = (width, slant * along.sqrt(), torch.zeros_like(slant), along.sqrt())
    return middle, torch.stack(rows, 1).view(-1, 2, 2)


def _write_pngs(folder: Path, name: str, x: Tensor, label: Tensor) -> None:
    form = re.compile(rf"{name}_\d+_\d\.png")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / PAIRS).unlink(missing_ok=True)  # until all is written, so that it never describes other images
        stale = {path for path in folder.iterdir() if form.fullmatch(path.name)}
        pixels = check_unit_range(x).squeeze(1).mul(255).round().byte().numpy()
        for index, (picture, digit) in enumerate(zip(pixels, label.tolist(), strict=True)):
            path = folder / f"{name}_{index}_{digit}.png"
            Image.fromarray(picture).save(path)
            stale.discard(path)
        for path in stale:
            path.unlink()
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}); name another folder.") from error


def _files(folder: Path, name: str) -> list[tuple[int, int, Path]]:
    """The number, the label and the path of each PNG, by rising number."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} does not exist; expected the folders clean and aug with PNG files in them.")
    form = re.compile(rf"{name}_(\d+)_(\d)\.png")
    found = []
    for path in folder.glob("[!.]*"):
        match = form.fullmatch(path.name)
        if not match:
            raise InvalidInput(f"{path} has another name than {name}_<index>_<label>.png; rename or remove it.")
        found.append((int(match[1]), int(match[2]), path))
    if not found:
        raise InvalidInput(f"{folder} is empty; expected files named {name}_<index>_<label>.png.")
    return sorted(found)


def _read_pngs(folder: Path, name: str) -> Images:
    found = _files(folder, name)
    x = torch.from_numpy(np.stack([_pixels(path) for _, _, path in found])).unsqueeze(1).float().div_(255)
    return Images(x, x, torch.tensor([label for _, label, _ in found]))


def _pixels(path: Path) -> np.ndarray:
    refuse_unreadable(path)
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            width, height = picture.size
            picture.verify()  # the checksums, which reading does not compare
        if (width, height) == (SIDE, SIDE):
            with Image.open(path, formats=("PNG",)) as picture:
                return np.asarray(picture.convert("L"))
    except Exception as error:  # a damaged file can make Pillow raise anything
        raise InvalidInput(f"{path} is damaged or no PNG; remove it, or write the folders again.") from error
    raise InvalidInput(f"{path} is {width}×{height} pixels; every image must be {SIDE}×{SIDE}.")
