"""A checkpoint is whole or absent, and never runs code."""

import pickle

import pytest
import torch

from ae_utils import checkpoint
from ae_utils.checkpoint import CheckpointError

CONTENT = {"recipe": "some", "weights": torch.arange(1000.0)}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, CONTENT)
    return path


def test_what_is_saved_is_loaded(saved):
    content = checkpoint.load(saved, ("recipe", "weights"))
    assert content["recipe"] == "some"
    assert torch.equal(content["weights"], CONTENT["weights"])
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint.pt"]


def test_a_failed_save_keeps_the_previous_file(saved, monkeypatch):
    before = saved.read_bytes()

    def disk_full(content, file):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", disk_full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(saved, CONTENT)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged"):
        checkpoint.load(saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pt does not exist"):
        checkpoint.load(tmp_path / "none.pt")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_the_file_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    path = tmp_path / "checkpoint.pt"
    for write in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        write(Evil(), path)
        with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
            checkpoint.load(path)
    assert not (tmp_path / "harm").exists()


def test_other_files_of_torch_and_future_formats_are_refused(saved):
    torch.save({"state_dict": torch.zeros(3)}, saved)
    with pytest.raises(CheckpointError, match="not a checkpoint of this course"):
        checkpoint.load(saved)
    torch.save({"format": 99, **CONTENT}, saved)
    with pytest.raises(CheckpointError, match="format 99, but this version reads format 1"):
        checkpoint.load(saved)
    checkpoint.save(saved, {"recipe": "some"})
    with pytest.raises(CheckpointError, match="not a checkpoint of this course"):
        checkpoint.load(saved, ("weights",))
