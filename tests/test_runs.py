"""A folder's report is that of its weights, also while another training replaces them."""

import dataclasses
import json

import pytest

from ae_utils.course.scoreboard.board import _finished
from ae_utils.errors import InvalidInput
from ae_utils.recipes.registry import get
from ae_utils.runs.run import Run

RECIPE = dataclasses.replace(get("linear-3d"), evaluate=lambda model, test: {"mse": 0.0})
FEW = {"images": 60}


def stop_at(epoch):
    def stop(state):
        if state.epoch == epoch:
            raise KeyboardInterrupt

    return {"on_batch_end": (stop,)}


def names(folder):
    return sorted(path.name for path in folder.glob("[!.]*"))


@pytest.fixture
def finished(tmp_path):
    """A folder with everything that a training of four epochs leaves, and what the scoreboard adds."""
    Run(RECIPE, tmp_path, 4, **FEW).train()
    (tmp_path / "scoreboard.json").write_text("{}")
    assert {"metrics.json", "history.csv", "loss.png", "codes.png", "reconstructions_epoch_004.png"} <= set(
        names(tmp_path)
    )
    return tmp_path


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_new_training_that_is_killed_leaves_no_old_report(finished, epoch):
    with pytest.raises(KeyboardInterrupt):
        Run(RECIPE, finished, 3, hooks=stop_at(epoch), **FEW).train()
    assert names(finished) == ["checkpoint.pt"]
    assert _finished(Run(RECIPE, finished, 4, **FEW)) is None, "the scoreboard does not take it for the finished one"


def test_a_shorter_training_leaves_no_figures_of_the_longer_one(finished):
    Run(RECIPE, finished, 1, **FEW).train()
    assert [name for name in names(finished) if "epoch" in name] == ["reconstructions_epoch_001.png"]
    assert json.loads((finished / "metrics.json").read_text())["epochs"] == 1


def test_resuming_a_finished_training_keeps_what_it_reported(finished):
    before = names(finished)
    Run(RECIPE, finished, 4, resume=True, **FEW).train()
    assert names(finished) == before


def test_data_that_cannot_be_read_cost_no_report(finished, tmp_path):
    before = names(finished)
    with pytest.raises(InvalidInput, match="does not exist"):
        Run(RECIPE, finished, 3, data=tmp_path / "none.csv", **FEW).train()
    assert names(finished) == before


def test_a_damaged_report_is_no_report(finished):
    (finished / "metrics.json").write_text("{ half")
    assert _finished(Run(RECIPE, finished, 4, **FEW)) is None
