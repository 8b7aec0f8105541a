"""A GPU trains what the CPU trains: sums come in another order there, so losses agree to 1 % after an epoch."""

import pandas as pd
import pytest
import torch

from ae_utils.__main__ import main
from ae_utils.recipes.run import load_model

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


def test_means_of_terms_are_taken_on_the_cpu():
    """In float64, which not every GPU has."""
    from ae_utils.training import Mean

    mean = Mean()
    mean.add({"loss": torch.tensor(1.0)}, 2)
    mean.add({"loss": torch.tensor(4.0)}, 1)
    assert mean.values() == {"loss": 2.0} and mean.sums["loss"].device.type == "cpu"
