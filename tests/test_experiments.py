"""Experiments: tables that are written run by run, resumed, and hold what the modules name."""

import pytest
from execute_notebooks import ROOT

from ae_utils.__main__ import main
from ae_utils.course.experiments.experiment import Experiment
from ae_utils.course.experiments.registry import EXPERIMENTS, parsed_settings
from ae_utils.course.experiments.runner import run_experiment
from ae_utils.course.experiments.tables import FOLDER, read_rows, recorded, summary, text
from ae_utils.errors import InvalidInput


class Stopped(Exception):
    """Something stops a run in the middle."""


def experiment(calls, stop_at=None, **options):
    """A small one with four variants, which notes what it runs and may be stopped while it runs a variant."""

    def run(seed, folder, *, rate, centre):
        calls.append((rate, centre, seed))
        if len(calls) == stop_at:
            raise Stopped
        yield {"part": "first", "error": rate + seed / 3}
        yield {"part": "second", "error": rate + seed / 3 + 1}

    settings = {
        "settings": {"rate": 0.1, "centre": True},
        "changes": {"slow": {"rate": 0.01}, "off": {"centre": False}},
    }
    return Experiment(
        "small", "Why?", run, **{**settings, "combinations": {"both": {"rate": 1.0, "centre": False}}, **options}
    )


@pytest.fixture
def run(tmp_path):
    return lambda one, **options: run_experiment(one, tmp_path, tmp_path / "runs", report=lambda line: None, **options)


# --- one change at a time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"changes": {"two": {"rate": 1.0, "centre": False}}}, "replaces one setting, not 2"),
        ({"changes": {"none": {"rate": 0.1}}}, "replaces one setting, not 0"),
        ({"changes": {"typo": {"raet": 0.1}}}, "no setting 'raet'"),
        ({"seeds": (0, 1)}, "2 seeds are too few"),
        ({"seeds": (0, 1, 1)}, "2 seeds are too few"),
    ],
)
def test_an_experiment_that_shows_no_cause_is_refused(options, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        experiment([], **options)


@pytest.mark.parametrize("one", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_variants_are_compared_at_equal_steps(one):
    """No change touches what a training may spend; where the batch size changes, the number of steps is a setting."""
    for name, changed in one.changes.items():
        assert not set(changed) & {"steps", "epochs", "images"}, name
        assert "batch_size" not in changed or "steps" in one.settings, name


# --- the table -----------------------------------------------------------------------------------------------------


def test_a_table_holds_every_variant_and_seed_with_all_settings(run):
    calls = []
    path = run(experiment(calls))
    rows = read_rows(path)
    assert list(rows[0]) == ["variant", "seed", "rate", "centre", "part", "error", "cpu_seconds"]
    assert [row["variant"] for row in rows[::6]] == ["control", "slow", "off", "both"] and len(rows) == 4 * 3 * 2
    assert rows[8] == {**rows[8], "variant": "slow", "seed": "1", "rate": "0.01", "centre": "True", "part": "first"}
    assert rows[8]["error"] == text(0.01 + 1 / 3) and float(rows[8]["cpu_seconds"]) >= 0


def test_a_stopped_experiment_goes_on_where_it_was(run, tmp_path):
    whole = run(experiment([])).read_bytes()
    (tmp_path / "small.csv").unlink()
    calls = []
    with pytest.raises(Stopped):
        run(experiment(calls, stop_at=5))
    kept = read_rows(tmp_path / "small.csv")
    assert [(row["variant"], row["seed"]) for row in kept[::2]] == [("control", s) for s in "012"] + [("slow", "0")]
    assert [path.name for path in tmp_path.iterdir()] == ["small.csv"]  # no half file beside it
    path = run(experiment(calls))
    assert calls[4] == calls[5] and len(calls) == 13  # the stopped run again, and nothing that was finished
    assert path.read_bytes() == whole
    assert run(experiment(calls)).read_bytes() == whole and len(calls) == 13


def test_a_run_that_yields_half_of_its_rows_leaves_none(run, tmp_path):
    def half(seed, folder):
        yield {"error": 1.0}
        raise Stopped

    with pytest.raises(Stopped):
        run(Experiment("half", "Why?", half))
    assert not (tmp_path / "half.csv").exists()


def test_more_seeds_join_the_others_in_order(run):
    calls = []
    for seeds in ((4,), (0, 4), ()):
        path = run(experiment(calls), seeds=seeds)
    assert [row["seed"] for row in read_rows(path)[:8]] == list("00112244") and len(calls) == 4 * 4


def test_a_setting_for_all_variants_stands_in_the_rows_and_never_mixes_with_others(run, tmp_path):
    path = run(experiment([]), replaced={"rate": 0.5}, seeds=(0,))
    assert {row["rate"] for row in read_rows(path)} == {"0.5"}
    kept = path.read_bytes()
    with pytest.raises(InvalidInput, match="of other settings; delete the file, or name another folder"):
        run(experiment([]))
    with pytest.raises(InvalidInput, match="has no setting 'images'; its settings are: rate, centre"):
        run(experiment([]), replaced={"images": 100})
    assert path.read_bytes() == kept


def test_a_lesson_reads_a_table_or_is_told_how_to_make_it(run, tmp_path):
    run(experiment([]))
    table = summary(recorded("small", tmp_path), "error", by=["variant", "part"])
    assert table.loc[("slow", "first"), "error"].round(3).tolist() == [0.01, 0.343, 0.677]
    with pytest.raises(InvalidInput, match="python -m ae_utils experiments nothing"):
        recorded("nothing", tmp_path)


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_runs_one_experiment_and_refuses_what_is_wrong(tmp_path, capsys):
    folders = ["--results", str(tmp_path), "--runs", str(tmp_path / "runs")]
    reduced = ["--set", "images=600", "--set", "steps=3", "--set", "latent_dim=4", "--seeds", "5"]
    assert main(["experiments", "lesson01-pca-optimum", *reduced, *folders]) == 0
    assert str(tmp_path / "lesson01-pca-optimum.csv") in capsys.readouterr().out
    rows = read_rows(tmp_path / "lesson01-pca-optimum.csv")
    assert [row["variant"] for row in rows] == list(EXPERIMENTS["lesson01-pca-optimum"].variants())
    assert {(row["images"], row["steps"], row["seed"]) for row in rows} == {("600", "3", "5")}
    for arguments, complaint in (
        (["nothing"], "there is no experiment 'nothing'; there are lesson01-pca-optimum"),
        (["lesson01-pca-optimum", "--set", "stpes=3"], "lesson01-pca-optimum has no setting 'stpes'"),
        (["lesson01-pca-optimum", "--set", "steps=few"], "steps takes a value such as"),
        (["lesson01-pca-optimum", "--set", "centre=maybe"], "centre is True or False"),
    ):
        assert main(["experiments", *arguments, *folders]) == 2
        assert complaint in capsys.readouterr().err


def test_values_on_the_command_line_are_of_the_settings_kind():
    found = parsed_settings(
        EXPERIMENTS["lesson01-pca-optimum"], ("steps=3", "lr=1e-3", "centre=False", "schedule=constant")
    )
    assert found == {"steps": 3, "lr": 0.001, "centre": False, "schedule": "constant"}


# --- what is committed ---------------------------------------------------------------------------------------------


def test_every_committed_table_belongs_to_an_experiment():
    assert FOLDER == ROOT / "results" / "experiments"
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(EXPERIMENTS)


@pytest.mark.parametrize("one", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_a_committed_table_has_the_rows_that_its_module_names(one):
    rows = read_rows(FOLDER / f"{one.name}.csv")
    variants = one.variants()
    expected = [(name, str(seed)) for name in variants for seed in one.seeds]
    assert list(dict.fromkeys((row["variant"], row["seed"]) for row in rows)) == expected
    for row in rows:
        settings = {name: text(value) for name, value in variants[row["variant"]].items()}
        assert settings.items() <= row.items() and float(row["cpu_seconds"]) >= 0
