"""The command line as people use it: real digits, short runs, and a process of its own where that matters."""

import json
import sys
from pathlib import Path

import pandas as pd
import processes
import pytest
import torch

from ae_utils.__main__ import main
from ae_utils.data.csv import to_csv
from ae_utils.errors import CheckpointError
from ae_utils.recipes.registry import RECIPES
from ae_utils.runs import checkpoint
from ae_utils.runs.run import load_model

COMMAND = (sys.executable, "-m", "ae_utils")


def train(out, *arguments, name="linear-3d"):
    """A short training in this process, into a folder of ``out``."""
    assert main(["train", name, "--images", "600", "--out", str(out), "--quiet", *map(str, arguments)]) == 0


def weights(folder):
    return checkpoint.load(folder / "checkpoint.pt")["step"]["model"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_list_names_every_recipe(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in RECIPES)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """What a training in a process of its own printed, and its folder."""
    home = tmp_path_factory.mktemp("typed")
    done = processes.run(*COMMAND, "train", "linear-3d", "--images", 600, "--epochs", 5, cwd=home)
    assert done.returncode == 0, done.stderr
    return done.stdout, home / "runs" / "linear-3d"


def test_training_leaves_everything_in_its_folder(typed):
    printed, folder = typed
    assert [f"epoch {epoch}/5  train loss" in printed for epoch in range(1, 6)] == [True] * 5
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        "checkpoint.pt", "codes.png", "history.csv", "loss.png", "metrics.json",
        "reconstructions_epoch_004.png", "reconstructions_epoch_005.png",
    ]  # fmt: skip
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    report = json.loads((folder / "metrics.json").read_text())
    assert report["images"] == report["training_images"] == 600
    assert report["test"]["mse"] == pytest.approx(history["loss"].iloc[-1], rel=1e-4)
    recipe, model = load_model(folder)
    assert recipe.name == "linear-3d"
    assert model.decode(torch.zeros(1, 3)).shape == (1, 1, 28, 28)


def test_same_seed_same_bits_and_another_seed_others(typed, tmp_path):
    for seed in (0, 1):
        train(tmp_path / str(seed), "--epochs", 5, "--seed", seed)
    assert same(weights(tmp_path / "0" / "linear-3d"), weights(typed[1]))
    assert not same(weights(tmp_path / "1" / "linear-3d"), weights(typed[1]))


def test_resumed_training_ends_with_the_same_bits(tmp_path, monkeypatch):
    from ae_utils.runs.run import Run

    options = {"epochs": 4, "images": 600, "seed": 5}
    recipe = RECIPES["pca-ae"]  # has a schedule, and a mean that is fitted rather than trained
    Run(recipe, tmp_path / "whole", **options).train()

    def stop(state):
        if state.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(recipe, tmp_path / "runs" / "pca-ae", **options, hooks={"on_epoch_end": (stop,)}).train()
    train(tmp_path / "runs", "--epochs", 4, "--seed", 5, "--resume", name="pca-ae")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "runs" / "pca-ae"))
    for name in ("history.csv", "loss.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "runs" / "pca-ae" / name).read_bytes()


def test_own_csv_is_trained_on(tmp_path, monkeypatch, test):
    monkeypatch.chdir(tmp_path)
    to_csv(test[:70], tmp_path / "mine.csv")
    assert main(["train", "deep-3d", "--epochs", "1", "--data", "mine.csv"]) == 0
    report = json.loads((tmp_path / "runs" / "deep-3d" / "metrics.json").read_text())
    assert (report["training_images"], report["test_images"]) == (60, 10)


def test_wrong_wishes_get_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.csv").write_text("label,pixel0\n3,0\n")
    wrong = {
        ("train", "linear-4d"): "there is no recipe 'linear-4d'; did you mean linear-",
        ("train", "linear-3d", "--epochs", "0"): "'--epochs': 0 is not in the range x>=1",
        ("train", "linear-3d", "--images", "many"): "'--images': 'many' is not a valid integer",
        ("train", "linear-3d", "--seed", "-1"): "'--seed': -1 is not in the range 0<=x<=2147483647",
        ("train", "linear-3d", "--device", "gpu"): "'gpu' is not one of 'auto', 'cpu', 'cuda', 'mps'",
        ("train", "linear-3d", "--out", "file"): f"cannot write into {Path('file', 'linear-3d')}",
        ("train", "linear-3d", "--data", "none.csv"): "none.csv does not exist",
        ("train", "linear-3d", "--data", "bad.csv"): "bad.csv has 1 pixel columns, expected 784",
    }
    if not torch.cuda.is_available():
        wrong["train", "linear-3d", "--device", "cuda"] = "this machine has none that torch can use"
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in wrong.items():
        assert main([*arguments]) == 2, arguments
        assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_resuming_something_else_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ("train", "linear-3d", "--images", "600", "--quiet")
    assert main([*short, "--epochs", "1"]) == 0
    assert main([*short, "--epochs", "2", "--resume"]) == 2
    assert "was trained with epochs 1, not 2" in capsys.readouterr().err
    (tmp_path / "runs" / "linear-3d").rename(tmp_path / "runs" / "vanilla")
    assert main(["train", "vanilla", "--images", "600", "--epochs", "1", "--resume"]) == 2
    assert "holds linear-3d, not vanilla" in capsys.readouterr().err


def test_weights_of_another_architecture_are_refused(tmp_path):
    train(tmp_path, "--epochs", 1)
    path = tmp_path / "linear-3d" / "checkpoint.pt"
    content = checkpoint.load(path)
    content["recipe"] = "deep-3d"
    checkpoint.save(path, content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt holds weights of another architecture"):
        load_model(path.parent)


def test_a_second_training_into_the_same_folder_is_refused(tmp_path):
    from filelock import FileLock

    folder = tmp_path / "runs" / "linear-3d"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        done = processes.run(*COMMAND, "train", "linear-3d", "--images", 600, "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 2
    assert "is in use by another training; wait, or name another --out" in done.stderr


def test_a_killed_training_resumes_with_the_same_bits_and_leaves_no_lock(tmp_path):
    options = ("--images", "3000", "--epochs", "6", "--seed", "2")
    training = (*COMMAND, "train", "linear-5d", *options, "--out", "killed")
    processes.kill_at("epoch 3/6", *training, cwd=tmp_path)
    train(tmp_path / "killed", *options, "--resume", name="linear-5d")
    train(tmp_path / "whole", *options, name="linear-5d")
    assert same(weights(tmp_path / "killed" / "linear-5d"), weights(tmp_path / "whole" / "linear-5d"))
