"""The trained weights that come with the course: exported from a run, checked, loaded."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ae_utils import checkpoint
from ae_utils.data.mnist import data_folder
from ae_utils.recipes.trained import about, keep, trained

COMMITTED = sorted(path.stem for path in (data_folder() / "trained").glob("*.safetensors"))


@pytest.fixture
def kept(short_run, tmp_path, monkeypatch):
    """The weights of a short run of the digit classifier, in a data folder of their own."""
    path = keep(short_run("judge"), tmp_path / "trained")
    monkeypatch.setenv("AE_UTILS_DATA", str(tmp_path))
    return path


def test_a_kept_run_comes_back(kept, test):
    judge = trained("judge")
    assert judge(test.x[:5]).logits.shape == (5, 10)
    assert not judge.training and not any(weight.requires_grad for weight in judge.parameters())


@pytest.mark.parametrize("name", ["judge", "conv-fast"])  # the second one's kernels are in channels_last
def test_the_file_holds_the_runs_weights_in_float16_and_its_counters_as_they_are(name, short_run, tmp_path):
    model = checkpoint.load(short_run(name) / "checkpoint.pt")["step"]["model"]
    packed = load_file(keep(short_run(name), tmp_path))
    assert packed.keys() == model.keys()
    for key, value in model.items():
        assert packed[key].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
        assert torch.equal(packed[key], value.to(packed[key].dtype))


def test_the_same_run_gives_the_same_bytes(kept, short_run, tmp_path):
    assert keep(short_run("judge"), tmp_path / "again").read_bytes() == kept.read_bytes()


def test_damaged_weights_get_one_sentence_that_names_the_file(kept):
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(checkpoint.CheckpointError, match=r"^\S+judge\.safetensors is damaged[^\n]+restore it\.$"):
        trained("judge")


def test_bytes_that_are_no_weights_are_refused_even_if_the_manifest_knows_them(kept, monkeypatch):
    kept.write_bytes(b"something else")
    entry = about("judge") | {"sha256": hashlib.sha256(kept.read_bytes()).hexdigest()}
    monkeypatch.setattr("ae_utils.recipes.trained.about", lambda name: entry)
    with pytest.raises(checkpoint.CheckpointError, match=r"judge\.safetensors is damaged"):
        trained("judge")


def test_missing_weights_are_named(kept):
    kept.unlink()
    with pytest.raises(checkpoint.CheckpointError, match=r"judge\.safetensors does not exist; restore it"):
        trained("judge")
    with pytest.raises(checkpoint.CheckpointError, match="no weights named 'vea'; it holds judge"):
        trained("vea")


def test_the_manifest_says_what_made_the_weights(kept):
    entry = about("judge")
    assert entry["command"] == "python -m ae_utils train judge --seed 0"
    assert entry.keys() == {"command", "recipe", "settings", "seed", "epochs", "test", "sha256"}


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_weights_load(name):
    assert isinstance(trained(name), nn.Module)


def test_the_folder_holds_what_the_manifest_names_and_little_of_it():
    folder = data_folder() / "trained"
    names = {f"{name}.safetensors" for name in json.loads((folder / "manifest.json").read_text()) if " " not in name}
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12 * 2**20


def test_the_committed_judge_is_right_on_99_percent(test):
    judge = trained("judge")
    assert (judge(test.x).logits.argmax(1) == test.label).double().mean() > 0.985  # of the first 500
    assert isinstance(judge.head, nn.Linear)
