"""MNIST from the files bundled with the course; torchvision reads them, and downloads what is missing.

LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document recognition", 1998.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import torch

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

# file, SHA-256 of the .gz, bytes once unpacked
FILES = (
    ("train-images-idx3-ubyte", "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971", 47_040_016),
    ("train-labels-idx1-ubyte", "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203", 60_008),
    ("t10k-images-idx3-ubyte", "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be", 7_840_016),
    ("t10k-labels-idx1-ubyte", "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b", 10_008),
)
SPLITS = ("train", "test")


def mnist(split: str, root: str | Path | None = None) -> Images:
    """MNIST's 60,000 ``"train"`` or 10,000 ``"test"`` images, pixels in [0, 1].

    ``root`` is the folder with the .gz files; without it ``data_folder()`` finds one. Raises ``InvalidInput`` for
    another split or a damaged file (named), ``OSError`` when a file is missing and cannot be downloaded.
    """
    if split not in SPLITS:
        raise InvalidInput(f"mnist expects split 'train' or 'test', but got {split!r}.")
    dataset = _read(unpacked(Path(root) if root else data_folder()), train=split == "train")
    x = dataset.data.unsqueeze(1).to(torch.float32).div_(255)  # (n, 1, 28, 28)
    return Images(x, x, dataset.targets.to(torch.int64))


def data_folder() -> Path:
    """The folder of the .gz files: ``AE_UTILS_DATA``, else the checkout's ``data``, else the user's cache."""
    if named := os.environ.get("AE_UTILS_DATA"):
        return Path(named)
    checkout = Path(__file__).resolve().parents[2] / "data"
    return checkout if (checkout / f"{FILES[0][0]}.gz").exists() else cache_folder()


def cache_folder() -> Path:
    """A folder of the user's own that survives between runs: where the system keeps caches, or ``XDG_CACHE_HOME``."""
    return platformdirs.user_cache_path("ae_utils", appauthor=False)


def unpacked(root: Path) -> Path:
    """A folder that ``torchvision.datasets.MNIST`` reads: ``root``, or the user's cache where ``root`` is read-only.

    Each bundled file is checked, unpacked beside its place and renamed, so that a second process or a stop half-way
    never leaves half a file. Files that are not bundled are left to torchvision's download.
    """
    home = root if _writable(root) else cache_folder()
    raw = home / "MNIST" / "raw"
    for name, checksum, size in FILES:
        packed, plain = root / f"{name}.gz", raw / name
        if packed.exists() and not _intact(plain, packed, size):
            contents = _contents(packed, checksum)
            with atomic_write(plain) as beside:
                beside.write_bytes(contents)
    return home


def _intact(plain: Path, packed: Path, size: int) -> bool:
    """Whether ``plain`` is what ``packed`` unpacks to: its size, and the CRC-32 that gzip writes at the end."""
    if not plain.is_file() or plain.stat().st_size != size:
        return False
    return zlib.crc32(plain.read_bytes()).to_bytes(4, "little") == packed.read_bytes()[-8:-4]


def _contents(packed: Path, checksum: str) -> bytes:
    compressed = packed.read_bytes()
    if hashlib.sha256(compressed).hexdigest() != checksum:
        raise InvalidInput(
            f"{packed} is damaged (its SHA-256 is not MNIST's); restore it, or delete it to download it."
        )
    return gzip.decompress(compressed)


def _read(home: Path, *, train: bool) -> "MNIST":
    from torchvision.datasets import MNIST  # three seconds: imported where it is used

    try:
        return MNIST(str(home), train=train, download=True)  # downloads only what is not there
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"MNIST is not complete under {home} and could not be downloaded ({str(error).rstrip('.')}); "
            "put its four .gz files there, or name their folder in AE_UTILS_DATA."
        ) from error


def _writable(folder: Path) -> bool:
    try:
        (folder / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "MNIST" / "raw"):
            return True
    except OSError:
        return False
