"""Several processes train as one does: the same weights, terms and files."""

import sys

import pandas as pd
import processes
import pytest
import torch
from torch import distributed as group

from ae_utils.__main__ import main
from ae_utils.data.dataset import Batches
from ae_utils.errors import InvalidInput
from ae_utils.losses.regularized import kl_to_target
from ae_utils.recipes.registry import RECIPES
from ae_utils.runs import checkpoint
from ae_utils.training import distributed
from ae_utils.training.loop import fit


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv, which PyTorch lacks on Windows")
def test_two_processes_train_as_one(tmp_path, capfd):
    """20 steps; the last batch has three images, too few to be shared out."""
    command = ["train", "linear-3d", "--images", "1219", "--epochs", "1", "--device", "cpu", "--out"]
    assert main([*command, str(tmp_path / "one")]) == 0
    printed = capfd.readouterr().out
    done = processes.run(*processes.TORCHRUN, "-m", "ae_utils", *command, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    one, two = (tmp_path / name / "linear-3d" for name in ("one", "two"))
    weights, parallel = (checkpoint.load(folder / "checkpoint.pt")["step"] for folder in (one, two))
    assert weights["optimizer"]["state"][0]["step"] == 20
    for name, expected in weights["model"].items():
        assert torch.allclose(parallel["model"][name], expected, rtol=0, atol=1e-5), name
    terms, parallel_terms = (pd.read_csv(folder / "history.csv")["loss"] for folder in (one, two))
    assert parallel_terms.to_numpy() == pytest.approx(terms.to_numpy(), rel=1e-5)
    assert len(done.stdout.splitlines()) == len(printed.splitlines()), "only the first process prints"
    assert sorted(path.name for path in two.iterdir()) == sorted(path.name for path in one.iterdir())


@pytest.fixture
def alone():
    """A group of one process."""
    group.init_process_group("gloo", store=group.HashStore(), rank=0, world_size=1)
    yield
    group.destroy_process_group()


def step_of(name):
    torch.manual_seed(0)
    return RECIPES[name].step(RECIPES[name], RECIPES[name].build())


@pytest.mark.parametrize("name", ["vae", "denoising-fast"])
def test_a_group_of_one_gives_the_same_bits(name, alone, train):
    """Noise, BatchNorm, several terms, and a target that is the input: nothing is lost on the way."""
    plain, parallel = step_of(name), distributed.distribute(step_of(name))
    one, other = (fit(step, Batches(train[:300], 64, shuffle=True), epochs=2, seed=0) for step in (plain, parallel))
    assert one.rows == other.rows
    ours, theirs = plain.state_dict(), parallel.state_dict()
    assert all(torch.equal(theirs["model"][key], weight) for key, weight in ours["model"].items())
    step_of(name).load_state_dict(theirs)


def test_what_a_hook_does_to_the_model_does_not_stay(alone, train):
    step = distributed.distribute(step_of("denoising-fast"))
    batches = Batches(train[:200], 64)
    fit(step, batches, epochs=1, seed=0, on_batch_end=(lambda state: state.step.model.eval(),))
    assert step.model.decoder[1].num_batches_tracked == len(batches)


def test_two_networks_train_in_one_process(alone):
    with pytest.raises(InvalidInput, match="trains two networks, which it does in one process"):
        distributed.distribute(step_of("gan"))


def test_without_torchrun_nothing_changes():
    step = step_of("linear-3d")
    with distributed.process_group("cpu"):
        assert distributed.distribute(step) is step
        assert distributed.rank() == 0
        assert distributed.broadcast_from_rank0(lambda: 5) == 5


def test_a_device_that_not_every_process_has_gets_a_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1000")
    monkeypatch.setenv("LOCAL_RANK", "999")
    for device in ("cuda", "mps"):
        with (
            pytest.raises(InvalidInput, match=f"--device {device}: there is not one for each process"),
            distributed.process_group(device),
        ):
            pass


def test_what_a_distributed_step_is_not_exact_about_is_said():
    """The KL of a batch's mean activation is not the mean of its halves' KLs, which is what two processes train on."""
    torch.manual_seed(0)
    activation, said = torch.rand(64, 10), " ".join(distributed.DistributedStep.__doc__.split())
    halves = torch.stack([kl_to_target(half.mean(0), 0.05).sum() for half in activation.chunk(2)])
    assert halves.mean() > 1.001 * kl_to_target(activation.mean(0), 0.05).sum()
    assert "the KL of ``sparse_kl`` is that of the mean activation over each part, and so is larger" in said
