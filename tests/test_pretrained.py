"""The trained weights that come with the course: exported from a run, checked, loaded."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ae_utils.data.mnist import data_folder
from ae_utils.data.weights import metadata
from ae_utils.errors import CheckpointError
from ae_utils.runs import checkpoint
from ae_utils.runs.pretrained import export_weights, pretrained

COMMITTED = sorted(path.stem for path in (data_folder() / "trained").glob("*.safetensors"))


@pytest.fixture
def exported(short_run, tmp_path, monkeypatch):
    """The weights of a short run of the digit classifier, in a data folder of their own."""
    path = export_weights(short_run("digit-classifier"), tmp_path / "trained")
    monkeypatch.setenv("AE_UTILS_DATA", str(tmp_path))
    return path


def test_an_exported_run_comes_back(exported, test):
    classifier = pretrained("digit-classifier")
    assert classifier(test.x[:5]).logits.shape == (5, 10)
    assert not classifier.training and not any(weight.requires_grad for weight in classifier.parameters())


@pytest.mark.parametrize("name", ["digit-classifier", "conv-fast"])  # the second one's kernels are in channels_last
def test_the_file_holds_the_runs_weights_in_float16_and_its_counters_as_they_are(name, short_run, tmp_path):
    model = checkpoint.load(short_run(name) / "checkpoint.pt")["step"]["model"]
    packed = load_file(export_weights(short_run(name), tmp_path))
    assert packed.keys() == model.keys()
    for key, value in model.items():
        assert packed[key].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
        assert torch.equal(packed[key], value.to(packed[key].dtype))


def test_the_same_run_gives_the_same_bytes(exported, short_run, tmp_path):
    assert export_weights(short_run("digit-classifier"), tmp_path / "again").read_bytes() == exported.read_bytes()


def test_damaged_weights_get_one_sentence_that_names_the_file(exported):
    exported.write_bytes(exported.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"^\S+digit-classifier\.safetensors is damaged[^\n]+restore it\.$"):
        pretrained("digit-classifier")


def test_bytes_that_are_no_weights_are_refused_even_if_the_manifest_knows_them(exported, monkeypatch):
    exported.write_bytes(b"something else")
    entry = metadata("digit-classifier") | {"sha256": hashlib.sha256(exported.read_bytes()).hexdigest()}
    monkeypatch.setattr("ae_utils.data.weights.metadata", lambda name: entry)
    with pytest.raises(CheckpointError, match=r"digit-classifier\.safetensors is damaged"):
        pretrained("digit-classifier")


def test_missing_weights_are_named(exported):
    exported.unlink()
    with pytest.raises(CheckpointError, match=r"digit-classifier\.safetensors does not exist; restore it"):
        pretrained("digit-classifier")
    with pytest.raises(CheckpointError, match="no weights named 'vea'; it holds digit-classifier"):
        pretrained("vea")


def test_the_manifest_says_what_made_the_weights(exported):
    entry = metadata("digit-classifier")
    assert entry["command"] == "python -m ae_utils train digit-classifier --seed 0"
    assert entry.keys() == {"command", "recipe", "settings", "seed", "epochs", "cpu_seconds", "test", "sha256"}


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_weights_load(name):
    assert isinstance(pretrained(name), nn.Module)


def test_the_folder_holds_what_the_manifest_names_and_little_of_it():
    folder = data_folder() / "trained"
    names = {f"{name}.safetensors" for name in json.loads((folder / "manifest.json").read_text()) if " " not in name}
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12 * 2**20


def test_the_committed_classifier_is_right_on_99_percent(test):
    classifier = pretrained("digit-classifier")
    assert (classifier(test.x).logits.argmax(1) == test.label).double().mean() > 0.985  # of the first 500
    assert isinstance(classifier.head, nn.Linear)
