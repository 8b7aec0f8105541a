"""The scoreboard on runs of seconds: one protocol, the same numbers twice, a line for every system."""

import json
import shutil

import pandas as pd
import pytest

from ae_utils.__main__ import main
from ae_utils.course.machine import processor
from ae_utils.course.scoreboard import measure
from ae_utils.course.scoreboard.board import NAMES, Board
from ae_utils.course.scoreboard.figures import against_cost, unbeaten
from ae_utils.course.scoreboard.page import page
from ae_utils.recipes import flow, gan
from ae_utils.recipes.registry import RECIPES
from ae_utils.runs.run import Run

RECONSTRUCTS = {"mse", "psnr", "ssim", "frechet_reconstructions", "linear_probe"}
CAN = {  # what each of these must have a number for, beside what all have
    "pca-ae": RECONSTRUCTS,
    "conv-batchnorm": RECONSTRUCTS,
    "denoising": RECONSTRUCTS | {"psnr_before", "psnr_after"},
    "vae": RECONSTRUCTS | {"active_units", "negative_elbo", "log_likelihood"},
    "gan": set(),
    "latent-flow": {"conditional_accuracy"},
}
ALL = {"parameters", "latent_dim", "cpu_seconds", "frechet_samples", "frechet_real"}
ALL |= {"precision", "recall", "confident_fraction"}


@pytest.fixture(scope="module", autouse=True)
def a_small_protocol(train, test):
    subsets = {"train": train, "test": test}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "SAMPLES", 5)
        for recipes in (flow, gan):  # what they draw, and the images that it is compared with
            patch.setattr(recipes, "SAMPLES", 500)
            patch.setattr(recipes, "mnist", lambda split: subsets[split])
        yield


def board(folder, *names, seeds=(0,), **options):
    path = Board(folder / "runs", seeds, 1, 300, **options).write(names, folder / "results")
    return pd.read_csv(path).set_index("recipe")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    return folder, board(folder, *CAN)


def test_every_system_has_a_line():
    assert {RECIPES[name].system for name in NAMES} >= set(range(1, 17))


@pytest.mark.parametrize("name", CAN)
def test_a_line_has_the_columns_that_make_sense(written, name):
    line = written[1].loc[name, list(measure.COLUMNS)]
    assert set(line.index[line.notna()]) == CAN[name] | ALL


def test_the_page_says_that_it_was_a_quick_look_and_how_it_was_measured(written):
    text = (written[0] / "results" / "scoreboard.md").read_text()
    assert "on 300 images only" in text and measure.PROTOCOL in text
    assert f"{', '.join(written[1].index)}: {processor()}\n" in text
    assert {path.name for path in (written[0] / "results").glob("[!.]*")} == {
        "scoreboard.csv", "scoreboard.md", "five_digits.png", "mse.png", "frechet_samples.png",
    }  # fmt: skip


def test_a_second_call_trains_and_measures_nothing_and_writes_the_same_bytes(written, monkeypatch):
    folder, _ = written
    before = {path.name: path.read_bytes() for path in (folder / "results").iterdir()}
    monkeypatch.setattr(Run, "train", None)
    monkeypatch.setattr(measure.EvaluatedModel, "columns", None)
    board(folder, *CAN)
    assert {path.name: path.read_bytes() for path in (folder / "results").iterdir()} == before


def test_a_second_run_of_two_recipes_gives_the_same_numbers(written, tmp_path):
    again = board(tmp_path, "vae", "denoising").drop(columns="cpu_seconds")
    pd.testing.assert_frame_equal(again, written[1].drop(columns="cpu_seconds").loc[again.index], check_dtype=False)


def test_short_recipes_are_trained_with_three_seeds(tmp_path):
    row = board(tmp_path, "pca-ae", seeds=None).loc["pca-ae"]
    assert row["seeds"] == 3 and row["mse_std"] > 0
    reports = [json.loads((tmp_path / f"runs/seed-{seed}/pca-ae/metrics.json").read_text()) for seed in range(3)]
    assert row["mse"] == pytest.approx(sum(report["test"]["mse"] for report in reports) / 3, rel=1e-4)
    assert " ± " in (tmp_path / "results" / "scoreboard.md").read_text()


def test_weights_that_changed_are_measured_again(written, tmp_path):
    shutil.copytree(written[0] / "runs", tmp_path / "runs")
    kept = tmp_path / "runs/seed-0/pca-ae/scoreboard.json"
    other = json.loads(kept.read_text())
    other["of"]["checkpoint"], other["columns"]["mse"] = "another", 1.0
    kept.write_text(json.dumps(other))
    assert board(tmp_path, "pca-ae").loc["pca-ae", "mse"] < 1


def test_published_numbers_stand_beside_ours(written, tmp_path):
    shutil.copytree(written[0] / "runs", tmp_path / "runs")
    (tmp_path / "results").mkdir()
    line = "pca-ae,mse,0.0168,PCA,the same\nvae,mse,1,nobody,none\n"
    (tmp_path / "results" / "published.csv").write_text("recipe,column,value,source,protocol\n" + line)
    ours = board(tmp_path, "pca-ae").loc["pca-ae", "mse"]
    text = (tmp_path / "results" / "scoreboard.md").read_text()
    assert f"| pca-ae | MSE | {ours:.5f} | 0.0168 | PCA | the same |" in text and "nobody" not in text


def test_a_generator_has_no_figure_of_errors(written, tmp_path):
    shutil.copytree(written[0] / "runs", tmp_path / "runs")
    assert pd.isna(board(tmp_path, "gan").loc["gan", "mse"])
    assert not (tmp_path / "results" / "mse.png").exists()


@pytest.fixture
def costs():
    """a is the cheapest, d the best; b is a good bargain, c costs more and is no better, e costs as much as d."""
    rows = [("a", 1, 0.9, 2), ("c", 3, 0.5, 64), ("b", 2, 0.5, 3), ("e", 8, 0.4, 64), ("d", 8, 0.1, 1024), ("gan", 1)]
    table = pd.DataFrame(rows, columns=["recipe", "cpu_seconds", "mse", "latent_dim"])
    return table.assign(system=[1, 2, 0, 0, 3, 12]).fillna({"latent_dim": 64})


def test_the_front_holds_what_nobody_beats(costs):
    assert unbeaten(costs, "mse")["recipe"].tolist() == ["a", "b", "d"]


def test_the_figure_draws_the_front_and_the_code_size(costs):
    (axis,) = against_cost(costs, "mse").axes
    areas = {
        tuple(at): area
        for part in axis.collections
        for at, area in zip(part.get_offsets(), part.get_sizes(), strict=False)
    }
    assert areas[1, 0.9] < areas[2, 0.5] < areas[3, 0.5] == areas[8, 0.4] < areas[8, 0.1]
    (staircase,) = axis.lines
    assert [tuple(corner) for corner in staircase.get_xydata()[:3]] == [(1, 0.9), (2, 0.5), (8, 0.1)]
    assert staircase.get_xdata()[-1] == axis.get_xlim()[1] and {text.get_text() for text in axis.texts} == set("abcde")


def test_rows_of_other_recipes_stay_if_they_were_made_alike(written, tmp_path):
    shutil.copytree(written[0] / "results", tmp_path / "results")
    before = pd.read_csv(tmp_path / "results" / "scoreboard.csv").set_index("recipe")
    picture = (tmp_path / "results" / "five_digits.png").read_bytes()
    table = board(tmp_path, "vanilla")
    assert list(table.index) == [name for name in NAMES if name in {*CAN, "vanilla"}]
    pd.testing.assert_frame_equal(table.loc[before.index], before, check_dtype=False)
    assert (tmp_path / "results" / "five_digits.png").read_bytes() == picture  # the other runs are not there
    path = Board(tmp_path / "other runs", (0,), 1, 200).write(["vanilla"], tmp_path / "results")
    assert list(pd.read_csv(path)["recipe"]) == ["vanilla"]


def test_the_page_says_which_recipes_were_measured_on_which_machine(written, tmp_path):
    shutil.copytree(written[0] / "results", tmp_path / "results")
    table = pd.read_csv(tmp_path / "results" / "scoreboard.csv")
    table.loc[table["recipe"] != "gan", "machine"] = None  # as in tables that are older than the column
    text = page(table, tmp_path / "none.csv")
    assert f"gan: {processor()}" in text and "pca-ae, conv-batchnorm, denoising, vae, latent-flow: a processor" in text


def test_wrong_wishes_get_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in {
        ("--recipes", "vea"): "there is no recipe 'vea'",
        ("--recipes", "digit-classifier"): "digit-classifier makes no images",
    }.items():
        assert main(["scoreboard", *arguments]) == 2
        assert sentence in capsys.readouterr().err
