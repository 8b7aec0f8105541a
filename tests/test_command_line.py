"""The command line as people use it: a subprocess, real digits, short runs."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch

from ae_utils import checkpoint
from ae_utils.__main__ import main
from ae_utils.data.table import to_csv
from ae_utils.recipes.catalogue import RECIPES
from ae_utils.recipes.run import load_model


def ae_utils(*arguments, folder):
    command = [sys.executable, "-m", "ae_utils", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def train(folder, *arguments, name="linear-3d"):
    done = ae_utils("train", name, "--images", 600, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(folder):
    return checkpoint.load(folder / "checkpoint.pt")["step"]["model"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_list_names_every_recipe(tmp_path):
    done = ae_utils("list", folder=tmp_path)
    assert done.returncode == 0
    assert all(f"{name} " in done.stdout for name in RECIPES)


def test_training_leaves_everything_in_its_folder(tmp_path):
    printed = train(tmp_path, "--epochs", 5)
    assert [f"epoch {epoch}/5  train loss" in printed for epoch in range(1, 6)] == [True] * 5
    folder = tmp_path / "runs" / "linear-3d"
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


def test_same_seed_same_bits_and_another_seed_others(tmp_path):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path, "--epochs", 1, "--out", out, "--seed", seed)
    a, b, c = (weights(tmp_path / out / "linear-3d") for out in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_resumed_training_ends_with_the_same_bits(tmp_path, monkeypatch):
    from ae_utils.recipes.run import Run

    options = {"epochs": 4, "images": 600, "seed": 5}
    recipe = RECIPES["pca-ae"]  # has a schedule, and a mean that is fitted rather than trained
    Run(recipe, tmp_path / "whole", **options).train()

    def stop(moment):
        if moment.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(recipe, tmp_path / "runs" / "pca-ae", **options, hooks={"on_epoch_end": (stop,)}).train()
    train(tmp_path, "--epochs", 4, "--seed", 5, "--resume", name="pca-ae")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "runs" / "pca-ae"))
    for name in ("history.csv", "loss.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "runs" / "pca-ae" / name).read_bytes()


def test_own_csv_is_trained_on(tmp_path, test):
    to_csv(test[:70], tmp_path / "mine.csv")
    done = ae_utils("train", "deep-3d", "--epochs", 1, "--data", "mine.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "runs" / "deep-3d" / "metrics.json").read_text())
    assert (report["training_images"], report["test_images"]) == (60, 10)


def exit_code(arguments):
    try:
        return main(list(arguments))
    except SystemExit as error:  # argparse's own
        return error.code


def test_wrong_wishes_get_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.csv").write_text("label,pixel0\n3,0\n")
    wrong = {
        ("train", "linear-4d"): "there is no recipe 'linear-4d'; did you mean linear-",
        ("train", "linear-3d", "--epochs", "0"): "expected a whole number of at least 1, but got '0'",
        ("train", "linear-3d", "--images", "many"): "but got 'many'",
        ("train", "linear-3d", "--seed", "-1"): "at least 0, but got '-1'",
        ("train", "linear-3d", "--device", "gpu"): "invalid choice: 'gpu'",
        ("train", "linear-3d", "--out", "file"): "cannot write into file/linear-3d",
        ("train", "linear-3d", "--data", "none.csv"): "none.csv does not exist",
        ("train", "linear-3d", "--data", "bad.csv"): "bad.csv has 1 pixel columns, expected 784",
    }
    if not torch.cuda.is_available():
        wrong["train", "linear-3d", "--device", "cuda"] = "this machine has none that torch can use"
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in wrong.items():
        assert exit_code(arguments) == 2, arguments
        assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_resuming_something_else_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ("train", "linear-3d", "--images", "600", "--quiet")
    assert exit_code((*short, "--epochs", "1")) == 0
    assert exit_code((*short, "--epochs", "2", "--resume")) == 2
    assert "was trained with epochs 1, not 2" in capsys.readouterr().err
    (tmp_path / "runs" / "linear-3d").rename(tmp_path / "runs" / "vanilla")
    assert exit_code(("train", "vanilla", "--images", "600", "--epochs", "1", "--resume")) == 2
    assert "holds linear-3d, not vanilla" in capsys.readouterr().err


def test_weights_of_another_architecture_are_refused(tmp_path):
    train(tmp_path, "--epochs", 1)
    path = tmp_path / "runs" / "linear-3d" / "checkpoint.pt"
    content = checkpoint.load(path)
    content["recipe"] = "deep-3d"
    checkpoint.save(path, content)
    with pytest.raises(checkpoint.CheckpointError, match=r"checkpoint\.pt holds weights of another architecture"):
        load_model(path.parent)


def test_a_second_training_into_the_same_folder_is_refused(tmp_path):
    from filelock import FileLock

    folder = tmp_path / "runs" / "linear-3d"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        done = ae_utils("train", "linear-3d", "--images", 600, "--epochs", 1, folder=tmp_path)
    assert done.returncode == 2
    assert "is in use by another training; wait, or name another --out" in done.stderr


def test_a_killed_training_resumes_with_the_same_bits_and_leaves_no_lock(tmp_path):
    options = ("--images", "3000", "--epochs", "6", "--seed", "2")
    command = [sys.executable, "-m", "ae_utils", "train", "linear-5d", *options, "--out", "killed"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "epoch 3/6" in line:
            process.kill()
            break
    process.wait()
    for out, more in (("killed", ["--resume"]), ("whole", [])):
        done = ae_utils("train", "linear-5d", *options, "--out", out, *more, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert same(weights(tmp_path / "killed" / "linear-5d"), weights(tmp_path / "whole" / "linear-5d"))
