"""A file appears whole or not at all, and a place that cannot be written gets a sentence."""

import builtins
import errno
import io
import os
import sys

import processes
import pytest
import torch
from PIL import Image

from ae_utils.course.scoreboard import board
from ae_utils.data.altered import ALTERATIONS, altered
from ae_utils.data.csv import from_csv, to_csv
from ae_utils.data.dataset import Images
from ae_utils.data.folders import read_folders, write_folders
from ae_utils.data.photo import read_photo
from ae_utils.files import atomic_write
from ae_utils.runs import checkpoint, run


def write(path, text):
    with atomic_write(path) as beside:
        beside.write_text(text)


def test_the_new_file_replaces_the_old_one(tmp_path):
    for text in ("one", "two"):
        write(tmp_path / "deep" / "file", text)
        assert (tmp_path / "deep" / "file").read_text() == text
    assert os.listdir(tmp_path / "deep") == ["file"]


def test_a_block_that_raises_leaves_the_old_one(tmp_path):
    write(tmp_path / "file", "old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "file") as beside:
        beside.write_text("half")
        _ = 1 / 0
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_lines_of_a_csv_end_as_pandas_ended_them(tmp_path):
    for write_text in (run._write, board._write):
        write_text(tmp_path / "table.csv", "a,b\r\n1,2\r\n")
        assert (tmp_path / "table.csv").read_bytes() == b"a,b\r\n1,2\r\n"


def test_a_place_that_is_no_folder_gets_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file[/\\]below cannot be written \(.*\); what stood there before is kept"):
        write(tmp_path / "file" / "below", "text")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    """A limit on the size of files stands for the full disk: the kernel refuses the write just as half-way."""
    program = """
import resource, signal, sys, torch
from ae_utils.runs import checkpoint
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


@pytest.mark.parametrize("error", [RuntimeError(), OSError(), RuntimeError("  "), RuntimeError("disk: full.")])
def test_an_error_without_a_text_gets_a_sentence_too(tmp_path, error):
    said = "full" if str(error).strip() else type(error).__name__
    with (
        pytest.raises(OSError, match=rf"file cannot be written \({said}\); what stood there before is kept"),
        atomic_write(tmp_path / "file"),
    ):
        raise error


def forbidden(*given, **options):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(given[0]))


def png_folders(folder):
    write_folders(SPLIT, altered(SPLIT), folder, tuple(ALTERATIONS))
    return folder


SPLIT = Images(torch.zeros(2, 1, 28, 28), torch.zeros(2, 1, 28, 28), torch.arange(2))
READERS = {  # what writes a file, and what reads it
    "checkpoint": (lambda path: checkpoint.save(path, {}), checkpoint.load),
    "csv": (lambda path: to_csv(SPLIT, path), from_csv),
    "photo": (lambda path: Image.new("L", (28, 28)).save(path, format="PNG"), read_photo),
    "folders": (png_folders, read_folders),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_that_may_not_be_read_is_not_called_damaged(kind, tmp_path, monkeypatch):
    write, read = READERS[kind]
    write(tmp_path / "mine")
    monkeypatch.setattr(builtins, "open", forbidden)  # root may read everything
    monkeypatch.setattr(io, "open", forbidden)
    with pytest.raises(OSError, match=r"mine.* cannot be read \(Permission denied\)") as refused:
        read(tmp_path / "mine")
    assert "delete" not in str(refused.value) and "damaged" not in str(refused.value)
