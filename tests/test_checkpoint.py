"""A checkpoint is whole or absent, and never runs code; one of format 1 is converted."""

import pickle
import re
import subprocess
import sys

import pytest
import torch

from ae_utils.data.dataset import Batch
from ae_utils.errors import CheckpointError
from ae_utils.networks.conditional import ConditionalLinear
from ae_utils.recipes.registry import RECIPES, get
from ae_utils.runs import checkpoint
from ae_utils.runs.convert import convert
from ae_utils.runs.run import NEEDS, load_model

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


@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(saved, fraction):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * fraction)])
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
    with pytest.raises(CheckpointError, match="not a checkpoint of this package"):
        checkpoint.load(saved)
    torch.save({"format": 99, **CONTENT}, saved)
    with pytest.raises(CheckpointError, match="format 99, but format 2 is needed; update ae_utils"):
        checkpoint.load(saved)
    checkpoint.save(saved, {"recipe": "some"})
    with pytest.raises(CheckpointError, match="not a checkpoint of this package"):
        checkpoint.load(saved, ("weights",))


FORMER = {  # names in checkpoints of format 1
    "digit-classifier": "judge", "networks": "players", "classifier": "helper",
    "classifier_optimizer": "helper_optimizer", "classification": "told", "classifier_loss": "helper",
}  # fmt: skip


def former(names):
    """The same values by the names of format 1."""
    return {FORMER.get(name, name): value for name, value in names.items()}


def former_weights(weights, encoder):
    """The weights of a conditional model by the names of format 1, where the encoder was a body and a head."""
    first = next(place for place, layer in enumerate(encoder) if isinstance(layer, ConditionalLinear))
    last, renamed = len(encoder) - 1, {}
    for name, value in weights.items():
        name = re.sub(r"\.(scale|shift)\.weight$", r".\1", name)
        if place := re.match(r"encoder\.(\d+)\.", name):
            part = {first: "head.0", last: "head.1"}.get(int(place[1]), f"body.{place[1]}")
            name = f"encoder.{part}.{name[place.end() :]}"
        renamed[name] = value
    return renamed


@pytest.fixture
def of_format_1(tmp_path, train):
    """Trains a recipe for a batch; the folder of its checkpoint in format 1, and what ``convert`` is to make of it."""

    def make(name):
        torch.manual_seed(0)
        recipe = get(name)
        step = recipe.step(recipe, recipe.build())
        terms = step.train(Batch(train.x[:16], train.x[:16], train.label[:16]), 0.5)
        content = {
            "recipe": name, "settings": dict(recipe.settings), "plan": {"epochs": 1}, "step": step.state_dict(),
            "history": [{"epoch": 1, "split": "train", **{term: float(value) for term, value in terms.items()}}],
            "seconds": 1.5,
        }  # fmt: skip
        old = {**content, "recipe": FORMER.get(name, name), "history": [former(row) for row in content["history"]]}
        old["step"] = former(content["step"])
        if "cvae" in name:
            old["step"]["model"] = former_weights(content["step"]["model"], step.model.encoder)
        torch.save({"format": 1, **old}, tmp_path / "checkpoint.pt")
        return tmp_path, content

    return make


def assert_same(one, other):
    """Dictionaries and lists of tensors and plain values are equal, keys and their order included."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list):
        for part, other_part in zip(one, other, strict=True):
            assert_same(part, other_part)
    else:
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


KINDS = ("cvae", "cvae-plain", "altered-cvae", "gan", "digit-classifier", "linear-3d")


def test_format_1_had_other_names(of_format_1):
    """The names of the old weights, which the tests below make from the new ones."""
    weights = torch.load(of_format_1("cvae")[0] / "checkpoint.pt")["step"]["model"]
    assert {
        "encoder.body.0.weight", "encoder.body.7.running_var", "encoder.head.0.scale", "encoder.head.0.shift",
        "encoder.head.0.main.0.weight", "encoder.head.1.weight", "encoder.head.1.bias", "decoder.0.scale",
        "decoder.1.shift", "decoder.7.bias",
    } <= set(weights)  # fmt: skip
    assert len(weights) == len(RECIPES["cvae"].build().state_dict())


@pytest.mark.parametrize("name", KINDS)
def test_a_converted_checkpoint_is_the_one_that_format_2_has(name, of_format_1):
    folder, expected = of_format_1(name)
    assert convert(folder) == folder / "checkpoint.pt"
    converted = checkpoint.load(folder / "checkpoint.pt", NEEDS)
    assert converted.pop("format") == 2
    assert_same(converted, expected)
    assert [path.name for path in folder.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("name", KINDS)
def test_a_converted_checkpoint_gives_the_same_model_and_the_training_goes_on(name, of_format_1):
    folder, expected = of_format_1(name)
    convert(folder)
    recipe, model = load_model(folder)
    assert recipe.name == name
    assert_same(model.state_dict(), expected["step"]["model"])
    step = recipe.step(recipe, recipe.build())
    step.load_state_dict(checkpoint.load(folder / "checkpoint.pt")["step"])
    assert_same(step.state_dict(), expected["step"])


def test_loading_format_1_names_the_command_that_converts_it(of_format_1):
    folder, _ = of_format_1("linear-3d")
    with pytest.raises(CheckpointError) as refused:
        checkpoint.load(folder / "checkpoint.pt", NEEDS)
    assert f"{folder / 'checkpoint.pt'} has format 1, but format 2 is needed" in str(refused.value)
    assert f"`python -m ae_utils.runs.convert {folder}` converts it" in str(refused.value)


def test_what_is_not_converted_is_named_and_stays(saved):
    for content in (saved.read_bytes(), saved.read_bytes()[:-100], b""):  # of format 2, and damaged
        saved.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt (has format 2|is damaged)"):
            convert(saved.parent)
        assert saved.read_bytes() == content
    saved.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt does not exist"):
        convert(saved.parent)


def test_the_command_converts_folders_and_names_what_it_cannot(of_format_1, saved):
    folder, _ = of_format_1("linear-3d")  # the folder of ``saved``, too
    command = [sys.executable, "-m", "ae_utils.runs.convert", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / 'checkpoint.pt'}\n", "")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1 and f"convert: {folder / 'checkpoint.pt'} has format 2" in again.stderr


def test_conversion_removes_the_report_with_the_old_keys(of_format_1):
    folder, _ = of_format_1("linear-3d")
    (folder / "metrics.json").write_text("{}")
    convert(folder)
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    "odd", [{"step": {}}, {"history": [3]}, {"settings": {"size": 3}}, {"recipe": "linear-9d"}, {"recipe": ["x"]}],
    ids=lambda odd: next(iter(odd)),
)  # fmt: skip
def test_odd_contents_of_format_1_are_refused_and_kept(odd, of_format_1):
    folder, _ = of_format_1("linear-3d")
    path = folder / "checkpoint.pt"
    torch.save({**torch.load(path, weights_only=True), **odd}, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        convert(folder)
    assert path.read_bytes() == before
