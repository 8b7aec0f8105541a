"""MNIST as a table: one row an image, a ``label`` column and 784 pixel columns 0–255, as it circulates in CSV files."""

import reprlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ae_utils.data.dataset import Images, check_unit_range
from ae_utils.data.mnist import cache_folder, data_folder, mnist
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write, refuse_unreadable

SIDE = 28
PIXELS = [f"pixel{index}" for index in range(SIDE * SIDE)]


def from_csv(path: str | Path) -> Images:
    """Images from a CSV with a ``label`` column and 784 pixel columns (in order, whatever their names), 0–255.

    Pixels come out in [0, 1]. Raises ``InvalidInput`` that names the file, and the row where there is one, for a
    missing column, a pixel that is not a whole number 0–255, a label that is not 0–9, an empty or a cut-off file;
    ``OSError`` for a file that may not be read.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidInput(f"{path} does not exist; name a CSV file with a label column and 784 pixel columns.")
    refuse_unreadable(path)
    try:
        table = pd.read_csv(path, dtype="float32")  # 2.5 s for 60,000 rows; as uint8, 256 may become 0
    except pd.errors.EmptyDataError:
        raise InvalidInput(f"{path} is empty; expected a header and one row for each image.") from None
    except (ValueError, OverflowError, UnicodeDecodeError, OSError, pd.errors.ParserError):
        table = _find_fault(path)
    _check_columns(path, table)
    if table.empty:
        raise InvalidInput(f"{path} has a header but no rows; expected one row for each image.")
    numbers = table.to_numpy()
    with np.errstate(invalid="ignore"):
        whole = numbers.astype(np.uint8)
    if (whole != numbers).any():
        _find_fault(path)
    label = table.columns.get_loc("label")
    labels, pixels = whole[:, label], np.delete(whole, label, axis=1).reshape(-1, 1, SIDE, SIDE)
    if labels.max() > 9:
        row = int((labels > 9).argmax())
        raise InvalidInput(f"{path}, row {row + 1}: the label is {labels[row]}, expected a digit 0–9.")
    x = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    return Images(x, x, torch.from_numpy(labels.astype(np.int64)))


def to_csv(images: Images, path: str | Path) -> Path:
    """Write images (pixels in [0, 1]) as such a CSV: beside its place, then renamed."""
    path = Path(path)
    pixels = check_unit_range(images.x).flatten(1).mul(255).round().to(torch.uint8).numpy()
    table = pd.DataFrame(pixels, columns=PIXELS)
    table.insert(0, "label", images.label.numpy())
    with atomic_write(path) as beside:
        table.to_csv(beside, index=False)
    return path


def mnist_csv(split: str) -> Path:
    """The CSV of a split of MNIST, written once into the data folder (or the user's cache where that is read-only)."""
    for folder in (data_folder(), cache_folder()):
        path = folder / "MNIST" / "csv" / f"mnist_{split}.csv"
        if path.exists():
            return path
        try:
            return to_csv(mnist(split), path)
        except OSError as error:
            failure = error
    raise OSError(f"no folder to write mnist_{split}.csv into ({failure}); name a writable one in AE_UTILS_DATA.")


def _check_columns(path: Path, table: pd.DataFrame) -> None:
    if "label" not in table.columns:
        raise InvalidInput(f"{path} has no 'label' column; expected 'label' and 784 pixel columns.")
    if len(table.columns) != 1 + SIDE * SIDE:
        raise InvalidInput(f"{path} has {len(table.columns) - 1} pixel columns, expected 784 ({SIDE} × {SIDE}).")


def _find_fault(path: Path) -> pd.DataFrame:
    """Read the file again, slowly, to say in which row and column the fault lies."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (ValueError, UnicodeDecodeError, OSError, pd.errors.ParserError) as error:
        reason = str(error).strip().rstrip(".").replace("\n", " ")
        raise InvalidInput(f"{path} cannot be read as a CSV ({reason}).") from None
    _check_columns(path, table)
    for column in table.columns:
        numbers = pd.to_numeric(table[column], errors="coerce")
        whole = numbers.between(0, 255) & (numbers % 1 == 0)
        if not whole.all():
            row = int((~whole).to_numpy().argmax())
            value = table[column].iloc[row]
            what = "is missing (is the file cut off?)" if pd.isna(value) else f"is {reprlib.repr(value)}"
            wanted = "a digit 0–9" if column == "label" else "a whole number 0–255"
            raise InvalidInput(f"{path}, row {row + 1}: {column} {what}, expected {wanted}.")
    return table.apply(pd.to_numeric).astype("float32")
