"""A file appears whole or not at all, and a place that cannot be written gets a sentence."""

import os
import sys

import processes
import pytest

from ae_utils.files import whole_file


def write(path, text):
    with whole_file(path) as beside:
        beside.write_text(text)


def test_the_new_file_replaces_the_old_one(tmp_path):
    for text in ("one", "two"):
        write(tmp_path / "deep" / "file", text)
        assert (tmp_path / "deep" / "file").read_text() == text
    assert os.listdir(tmp_path / "deep") == ["file"]


def test_a_block_that_raises_leaves_the_old_one(tmp_path):
    write(tmp_path / "file", "old")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "file") as beside:
        beside.write_text("half")
        _ = 1 / 0
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_place_that_is_no_folder_gets_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/below cannot be written \(.*\); what stood there before is kept"):
        write(tmp_path / "file" / "below", "text")


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    """A limit on the size of files stands for the full disk: the kernel refuses the write just as half-way."""
    program = """
import resource, signal, sys, torch
from ae_utils import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpoint.save("checkpoint.pt", {"weights": torch.zeros(1000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoint.save("checkpoint.pt", {"weights": torch.zeros(1_000_000)})
except OSError as error:
    print(error)
print(checkpoint.load("checkpoint.pt")["weights"].shape)
"""
    done = processes.run(sys.executable, "-c", program, cwd=tmp_path)
    assert "checkpoint.pt cannot be written" in done.stdout, done.stderr
    assert "torch.Size([1000])" in done.stdout
    assert os.listdir(tmp_path) == ["checkpoint.pt"]
