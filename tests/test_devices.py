"""A GPU trains what the CPU trains: sums come in another order there, so losses agree to 1 % after an epoch."""

import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

from ae_utils.__main__ import main
from ae_utils.data.dataset import Batch, Batches
from ae_utils.recipes.registry import RECIPES
from ae_utils.runs.run import load_model
from ae_utils.training.loop import RunningMean, fit
from ae_utils.training.step import Diverged

THERE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
TOLERANCE = 1e-2


@pytest.mark.parametrize("name", ["linear-3d", "conv"])
@pytest.mark.parametrize("device", list(THERE))
def test_a_gpu_agrees_with_the_cpu(device, name, tmp_path):
    if not THERE[device]:
        pytest.skip(f"this machine has no {device} device that torch can use")
    short = ["train", name, "--images", "3000", "--epochs", "1", "--quiet"]
    for where in ("cpu", device):
        assert main([*short, "--device", where, "--out", str(tmp_path / where)]) == 0
    cpu, gpu = (pd.read_csv(tmp_path / where / name / "history.csv")["loss"] for where in ("cpu", device))
    assert gpu.to_numpy() == pytest.approx(cpu.to_numpy(), rel=TOLERANCE)
    assert (
        load_model(tmp_path / device / name)[1].decode(torch.zeros(1, 3 if "3d" in name else 64)).device.type == "cpu"
    )


@pytest.mark.parametrize("device", list(THERE))
def test_a_device_that_is_not_there_gets_a_sentence(device, tmp_path, capsys):
    if THERE[device]:
        pytest.skip(f"this machine has a {device} device")
    assert main(["train", "linear-3d", "--device", device, "--out", str(tmp_path)]) == 2
    assert f"--device {device}: this machine has none that torch can use" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_means_of_terms_are_those_of_a_sum_in_float64():
    torch.manual_seed(0)
    terms, lengths, total = 100 * torch.randn(1000), [64] * 999 + [17], torch.zeros((), dtype=torch.float64)
    mean = RunningMean()
    for term, length in zip(terms, lengths, strict=True):
        mean.add({"loss": term}, length)
        total = total + term.double() * length
    assert mean.values() == {"loss": float(total) / sum(lengths)}


class Reads(TorchDispatchMode):
    """Counts how often a number of a tensor is asked for: ``item``, ``float``, ``bool``; on a GPU each one waits."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


class Posing(str):
    """The name of the CPU, as the device that tensors are made on, which says that it is a GPU."""

    type = "cuda"


@pytest.fixture
def cpu_as_gpu(monkeypatch):
    """The CPU taken for a GPU, where looking at a number waits for all that is queued."""
    monkeypatch.setattr(torch.Tensor, "device", property(lambda tensor: Posing("cpu")))


STEPS = (
    "linear-3d", "conv-fast", "sparse-l1", "sparse-kl", "contractive", "denoising", "vae", "cvae",
    "digit-classifier", "gan",
)  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_no_step_on_a_gpu_waits_for_a_number(name, train, cpu_as_gpu, monkeypatch):
    """Two reads that only a CPU does are left out: the range check in ``one_hot``, ``AveragedModel``'s own counter."""
    monkeypatch.setattr(nn.functional, "one_hot", lambda label, count: torch.eye(count, dtype=torch.int64)[label])
    monkeypatch.setattr(AveragedModel, "update_parameters", lambda *_: None)
    torch.manual_seed(0)
    step, mean = RECIPES[name].step(RECIPES[name], RECIPES[name].build()), RunningMean()
    batch = Batch(train.x[:16], train.x[:16], train.label[:16])
    step.train(batch, 0.5)  # the optimizer's first step makes its state
    with Reads() as reads:
        terms = step.train(batch, 0.5)
        mean.add(terms, 16)
    assert reads.count == 0
    assert all(mean.terms[name][0] is term for name, term in terms.items()), "they stay where they are"


@pytest.mark.parametrize("name", ["linear-3d", "gan"])
def test_a_gpus_diverged_loss_is_seen_before_anything_is_saved(name, train, cpu_as_gpu):
    step, saved = RECIPES[name].step(RECIPES[name], RECIPES[name].build()), []
    with torch.no_grad():
        next(step.model.parameters() if name == "linear-3d" else step.generator.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged, match=r"loss became nan in epoch 1; try a lower learning rate"):
        fit(step, Batches(train[:128], 64), epochs=2, seed=0, on_epoch_end=(saved.append,))
    assert not saved


def test_a_cpus_diverged_loss_is_seen_at_once(train):
    step = RECIPES["linear-3d"].step(RECIPES["linear-3d"], RECIPES["linear-3d"].build())
    with torch.no_grad():
        next(step.model.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged, match="the loss became nan in epoch 1, batch 1;"):
        fit(step, Batches(train[:128], 64), epochs=2, seed=0)
