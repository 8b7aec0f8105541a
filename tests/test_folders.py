"""PNG folders are what the last call wrote, and pairs are counted by the numbers in the names."""

import pandas as pd
import pytest
import torch

from ae_utils.data.altered import ALTERATIONS, altered
from ae_utils.data.folders import pairs_recovered, read_folders, write_folders
from ae_utils.errors import InvalidInput


@pytest.fixture
def folder(test, tmp_path):
    clean = test[:12]
    return write_folders(clean, altered(clean, versions=2, seed=0), tmp_path / "set", tuple(ALTERATIONS))


def numbers(folder, name):
    return sorted(int(path.stem.split("_")[1]) for path in (folder / name).iterdir())


def true_source(folder):
    """For each altered image that is there, the place of its clean one among those that are there."""
    truth = pd.read_csv(folder / "pairs.csv").set_index("aug")["clean"]
    clean = numbers(folder, "clean")
    return torch.tensor([clean.index(truth[number]) for number in numbers(folder, "aug")])


def remove_images_of(folder, number):
    """Take away clean image ``number`` and all that is made of it."""
    truth = pd.read_csv(folder / "pairs.csv").set_index("aug")["clean"]
    for aug in truth.index[truth == number]:
        next((folder / "aug").glob(f"aug_{aug}_*.png")).unlink()
    next((folder / "clean").glob(f"clean_{number}_*.png")).unlink()


def test_right_pairs_are_right_when_files_are_missing(folder):
    remove_images_of(folder, 3)
    source = true_source(folder)
    assert len(source) == 22 and pairs_recovered(folder, source)["all"] == 1.0
    source[0] = (source[0] + 1) % 11
    assert pairs_recovered(folder, source)["all"] == pytest.approx(21 / 22)


def test_clean_images_need_not_be_numbered_from_0(folder):
    for path in (folder / "clean").iterdir():
        _, number, label = path.stem.split("_")
        path.rename(path.with_name(f"clean_{int(number) + 100}_{label}.png"))
    truth = pd.read_csv(folder / "pairs.csv")
    truth.assign(clean=truth["clean"] + 100).to_csv(folder / "pairs.csv", index=False)
    assert pairs_recovered(folder, true_source(folder))["all"] == 1.0


def test_an_altered_image_that_pairs_do_not_list_is_refused(folder):
    path = next((folder / "aug").glob("aug_0_*.png"))
    path.rename(path.with_name(path.name.replace("aug_0_", "aug_999_")))
    with pytest.raises(InvalidInput, match=r"pairs\.csv lists 24 altered images, but the folder holds 24 others"):
        pairs_recovered(folder, torch.zeros(24, dtype=torch.int64))


def test_a_smaller_call_leaves_no_images_of_a_larger_one(folder, test):
    fewer = test[20:25]
    write_folders(fewer, altered(fewer, seed=1), folder, tuple(ALTERATIONS))
    clean, aug = read_folders(folder)
    assert numbers(folder, "clean") == numbers(folder, "aug") == [0, 1, 2, 3, 4]
    assert torch.equal(clean.label, fewer.label) and len(aug) == 5


def test_other_files_in_the_folder_stay(folder, test):
    (folder / "clean" / "notes.txt").write_text("mine")
    write_folders(test[:2], altered(test[:2], seed=1), folder, tuple(ALTERATIONS))
    assert (folder / "clean" / "notes.txt").exists()
