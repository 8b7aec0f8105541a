"""MNIST comes in whole and right, by whichever road."""

import gzip
import multiprocessing
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from ae_utils.data import mnist as bundled
from ae_utils.data.csv import from_csv, to_csv
from ae_utils.data.dataset import Batches, Images
from ae_utils.data.mnist import cache_folder, data_folder, mnist, unpacked
from ae_utils.errors import InvalidInput


@pytest.fixture
def packed(tmp_path):
    """A folder with the four bundled files, not yet unpacked."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, _, _ in bundled.FILES:
        shutil.copy(data_folder() / f"{name}.gz", folder)
    return folder


def test_both_splits_have_their_sizes_and_types():
    for split, count in (("train", 60_000), ("test", 10_000)):
        images = mnist(split)
        assert images.x.shape == (count, 1, 28, 28)
        assert images.x.dtype == torch.float32
        assert (images.x.min(), images.x.max()) == (0, 1)
        assert images.label.bincount().min() > 0.08 * count
        assert images.target is images.x


def test_torchvision_reads_the_unpacked_folder_itself(packed):
    from torchvision.datasets import MNIST

    home = unpacked(packed)
    assert torch.equal(MNIST(str(home), train=False).targets, mnist("test").label)


def test_unknown_split_gets_a_sentence():
    with pytest.raises(InvalidInput, match="'train' or 'test', but got 'valid'"):
        mnist("valid")


def test_damaged_file_is_named(packed):
    file = packed / "t10k-images-idx3-ubyte.gz"
    damaged = bytearray(file.read_bytes())
    damaged[1000] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(InvalidInput, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        mnist("test", packed)
    assert not list(packed.rglob("*ubyte"))[2:], "nothing half-written may stay"


def test_missing_file_falls_back_to_torchvisions_download(packed, monkeypatch):
    from torchvision.datasets import MNIST

    (packed / "t10k-labels-idx1-ubyte.gz").unlink()
    asked = []

    def refuse(self):
        asked.append(self.raw_folder)
        raise RuntimeError("no network")

    monkeypatch.setattr(MNIST, "download", refuse)
    with pytest.raises(OSError, match="could not be downloaded"):
        mnist("test", packed)
    assert asked == [str(packed / "MNIST" / "raw")]


def test_read_only_folder_unpacks_into_the_users_cache(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(bundled, "_writable", lambda folder: folder != packed)  # root may write anywhere
    assert len(mnist("test", packed)) == 10_000
    assert not (packed / "MNIST").exists()
    assert (tmp_path / "cache" / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists()


def test_a_truncated_unpacked_file_is_unpacked_again(packed):
    raw = unpacked(packed) / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    raw.write_bytes(raw.read_bytes()[:1000])
    assert len(mnist("test", packed)) == 10_000


def test_two_processes_unpack_at_once(packed):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        homes = pool.map_async(unpacked, [packed, packed]).get(timeout=300)
    assert homes == [packed, packed]
    raw = packed / "MNIST" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == sorted(name for name, _, _ in bundled.FILES)
    with gzip.open(packed / "t10k-labels-idx1-ubyte.gz") as original:
        assert (raw / "t10k-labels-idx1-ubyte").read_bytes() == original.read()


def test_environment_variable_names_the_folder(packed, monkeypatch):
    monkeypatch.setenv("AE_UTILS_DATA", str(packed))
    assert data_folder() == packed


def test_the_checkout_is_found_from_anywhere(packed, monkeypatch):
    monkeypatch.delenv("AE_UTILS_DATA", raising=False)
    monkeypatch.chdir(packed.parent)  # which has a folder "data" of its own
    assert data_folder() == Path(bundled.__file__).parents[2] / "data"


def test_an_installed_package_turns_to_the_users_cache(packed, tmp_path, monkeypatch):
    monkeypatch.delenv("AE_UTILS_DATA", raising=False)
    monkeypatch.setattr(bundled, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "site-packages" / "ae_utils" / "data" / "mnist.py"))
    monkeypatch.chdir(packed.parent)
    assert data_folder() == tmp_path / "cache"


def test_the_cache_is_never_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.chdir(tmp_path)
    assert cache_folder().is_absolute() and not cache_folder().is_relative_to(tmp_path)


def test_csv_gives_equal_tensors(test, tmp_path):
    back = from_csv(to_csv(test, tmp_path / "mnist.csv"))
    assert torch.equal(back.x, test.x)
    assert torch.equal(back.label, test.label)
    assert [path.name for path in tmp_path.iterdir()] == ["mnist.csv"]


@pytest.fixture
def table(test):
    pixels = pd.DataFrame(test[:5].x.flatten(1).mul(255).round().int().numpy()).add_prefix("pixel")
    pixels.insert(0, "label", test.label[:5].numpy())
    return pixels.astype(object)


def change(row, column, value):
    def apply(table):
        table.loc[row, column] = value
        return table

    return apply


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda table: table.drop(columns="label"), "no 'label' column"),
        (lambda table: table.drop(columns="pixel7"), "783 pixel columns, expected 784"),
        (change(2, "pixel300", 256), "row 3: pixel300 is '256', expected a whole number 0–255"),
        (change(1, "pixel0", -1), "row 2: pixel0 is '-1'"),
        (change(4, "pixel5", 0.5), "row 5: pixel5 is '0.5'"),
        (change(0, "pixel5", "black"), "row 1: pixel5 is 'black'"),
        (change(3, "label", 10), "row 4: the label is 10, expected a digit 0–9"),
        (lambda table: table.iloc[:0], "a header but no rows"),
    ],
)
def test_bad_csv_gets_a_sentence(table, fault, sentence, tmp_path):
    path = tmp_path / "bad.csv"
    fault(table).to_csv(path, index=False)
    with pytest.raises(InvalidInput, match=sentence) as error:
        from_csv(path)
    assert str(path) in str(error.value)


def test_cut_off_empty_and_missing_csv(table, tmp_path):
    path = tmp_path / "cut.csv"
    table.to_csv(path, index=False)
    whole = path.read_text()
    path.write_text(whole[: len(whole) - 700])
    with pytest.raises(InvalidInput, match=r"row 5: pixel\d+ is missing \(is the file cut off\?\)"):
        from_csv(path)
    path.write_text("")
    with pytest.raises(InvalidInput, match="is empty"):
        from_csv(path)
    with pytest.raises(InvalidInput, match="does not exist"):
        from_csv(tmp_path / "none.csv")


def test_every_image_comes_once_an_epoch(test):
    batches = Batches(test, 64, shuffle=True, seed=1)
    parts = list(batches.in_epoch(3))
    assert [len(part.x) for part in parts] == [64] * 7 + [52]
    assert len(batches) == 8
    x = torch.cat([part.x for part in parts])
    assert torch.equal(x, test.x[batches.order(3)])
    assert batches.order(3).sort().values.equal(torch.arange(500))


def test_order_is_a_function_of_seed_and_epoch(test):
    def order(seed, epoch):
        return Batches(test, 64, shuffle=True, seed=seed).order(epoch)

    assert torch.equal(order(1, 2), order(1, 2))
    assert not torch.equal(order(1, 2), order(1, 3))
    assert not torch.equal(order(1, 2), order(2, 2))


def test_targets_stay_beside_their_inputs(test):
    altered = Images(1 - test.x, test.x, test.label)
    for x, target, _ in Batches(altered, 50, shuffle=True):
        assert torch.allclose(1 - x, target)


def test_to_range_maps_the_pixels_linearly(test):
    mapped = test.to_range(-1, 1)
    assert torch.equal(mapped.x, test.x * 2 - 1)
    assert (mapped.x.min(), mapped.x.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("x", "label", "sentence"),
    [
        (torch.zeros(2, 28, 28), torch.zeros(2, dtype=torch.int64), "shape"),
        (torch.full((2, 1, 28, 28), 255.0), torch.zeros(2, dtype=torch.int64), r"\[0, 1\]"),
        (torch.full((2, 1, 28, 28), torch.nan), torch.zeros(2, dtype=torch.int64), r"\[0, 1\]"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(3, dtype=torch.int64), "one label for each image"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(2), "int64"),
    ],
)
def test_images_are_checked_where_they_come_in(x, label, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Images(x, x, label)


def test_empty_splits_and_batches_get_a_sentence(test):
    with pytest.raises(InvalidInput, match="at least one image"):
        Batches(test[:0], 64)
    with pytest.raises(InvalidInput, match="batch_size of at least 1, but got 500 images and batch_size 0"):
        Batches(test, 0)
