"""``FlowExplorer`` in the kernel: its traits, its still picture, and what it refuses."""

import pytest
import torch
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.models import Autoencoder, LatentFlow
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.widgets.flow_explorer import FlowExplorer
from ae_utils.widgets.graph import Unsupported


@pytest.fixture
def flow():
    torch.manual_seed(0)
    autoencoder = Autoencoder(dense_encoder((16, 3)), dense_decoder((3, 16)), 3)
    return LatentFlow(autoencoder, VelocityNetwork(3, 16, 1), steps=10, guidance=1.5).eval()


def test_it_starts_with_the_flow_s_guidance_and_the_nearest_number_of_steps(flow):
    explorer = FlowExplorer(flow)
    assert (explorer.guidance, explorer.steps, explorer.label) == (1.5, 8, 7) and len(explorer.z) == 3


def test_its_picture_is_the_flow_s_and_leaves_the_flow_alone(flow):
    explorer, z = FlowExplorer(flow), torch.tensor([[0.3, -1.0, 2.0]])
    drawn = explorer.picture(z[0].tolist(), 4, guidance=2.0, steps=5)
    assert (flow.steps, flow.guidance) == (10, 1.5)
    flow.steps, flow.guidance = 5, 2.0
    with torch.no_grad():
        expected = flow.decode(z, torch.tensor([4]))
    assert torch.equal(drawn, (expected[0, 0] * 255).round().byte())
    other = FlowExplorer(flow)
    assert not torch.equal(other.picture(label=1), other.picture(label=2))


def test_the_page_knows_a_time_for_every_number_of_steps(flow):
    times = FlowExplorer(flow, step_choices=(1, 4, 6))._state["graph"]["flow"]["times"]
    assert times == 60 and all(times % steps == 0 for steps in (1, 4, 6, flow.steps))


def test_readers_without_a_kernel_see_ten_digits_that_never_change(flow):
    explorer = FlowExplorer(flow)
    before = explorer._repr_mimebundle_()[0]
    explorer.z, explorer.label, explorer.guidance = [1.0, 2.0, 3.0], 2, 3.0
    after = explorer._repr_mimebundle_()[0]
    assert before["image/png"] == after["image/png"] and before["text/plain"] == after["text/plain"]
    assert before["text/plain"].startswith("FlowExplorer")


@pytest.mark.parametrize(
    ("trait", "value", "named"),
    [
        ("z", [1.0, 2.0], "3 finite numbers"),
        ("z", [1.0, 2.0, float("inf")], "3 finite numbers"),
        ("label", 10, "a digit from 0 to 9"),
        ("steps", 3, "one of (1, 2, 4, 8, 25)"),
    ],
)
def test_other_values_are_refused(flow, trait, value, named):
    explorer = FlowExplorer(flow)
    with pytest.raises(InvalidInput) as refused:
        setattr(explorer, trait, value)
    assert named in str(refused.value)


@pytest.mark.parametrize("choices", [(), (0, 1), (4, 2), (2, 2)])
def test_choices_that_are_no_numbers_of_steps_are_refused(flow, choices):
    with pytest.raises(InvalidInput, match="increasing order"):
        FlowExplorer(flow, step_choices=choices)


def test_a_flow_that_the_page_cannot_run_is_refused_with_the_reason(flow):
    flow.autoencoder.decoder = nn.Sequential(nn.Linear(3, 784), nn.CELU(), nn.Unflatten(1, (1, 28, 28)))
    with pytest.raises(Unsupported, match="CELU"):
        FlowExplorer(flow)
