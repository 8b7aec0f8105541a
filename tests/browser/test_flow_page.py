"""``FlowExplorer`` in a plain page without a network or a kernel: page and kernel draw the same, by mouse and keys."""

import plain_page
import pytest
import torch
from pictures import quiet_tab
from plain_page import get, open_page, saved

from ae_utils.models import Autoencoder, LatentFlow
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.runs.pretrained import pretrained
from ae_utils.widgets.flow_explorer import FlowExplorer

PIXELS = """() => {
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((value, i) => i % 4 === 0);
}"""


@pytest.fixture
def tab(browser, monkeypatch):
    monkeypatch.setattr(plain_page, "TRAITS", (*plain_page.TRAITS, "guidance", "steps"))
    with quiet_tab(browser, offline=True, viewport={"width": 800, "height": 500}) as tab:
        yield tab


@pytest.fixture
def explorer():
    torch.manual_seed(0)
    network = VelocityNetwork(3, 16, 1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    autoencoder = Autoencoder(dense_encoder((16, 3)), dense_decoder((3, 16)), 3)
    return FlowExplorer(LatentFlow(autoencoder, network, steps=8, guidance=1.5).eval())


def assert_same(tab, explorer):
    """After a rest, the page shows what the kernel draws, to one of 255 greys."""
    tab.wait_for_timeout(600)
    z, label, guidance, steps = (get(tab, name) for name in ("z", "label", "guidance", "steps"))
    expected = explorer.picture(z, label, guidance, steps).int()
    assert (torch.tensor(tab.evaluate(PIXELS)).view(expected.shape) - expected).abs().max() <= 1


def test_page_and_kernel_draw_the_same_whatever_is_set(tab, explorer, tmp_path):
    open_page(tab, tmp_path / "flow.html", explorer)
    assert_same(tab, explorer)
    for label, guidance, place in (("3", "3", "4"), ("9", "0", "0"), ("0", "1", "3")):
        tab.get_by_label(label, exact=True).check()
        tab.get_by_label("guidance").fill(guidance)
        tab.get_by_label("steps").fill(place)
        tab.get_by_role("button", name="New noise").click()
        assert_same(tab, explorer)
        assert get(tab, "label") == int(label) and get(tab, "guidance") == float(guidance)
        assert get(tab, "steps") == (1, 2, 4, 8, 25)[int(place)]


def test_new_noise_is_new_and_normal(tab, explorer, tmp_path):
    open_page(tab, tmp_path / "flow.html", explorer)
    seen = []
    for _ in range(60):
        tab.get_by_role("button", name="New noise").click()
        tab.wait_for_timeout(20)
        seen.append(get(tab, "z"))
    numbers = torch.tensor(seen)
    assert len({tuple(z) for z in seen}) == 60
    assert abs(numbers.mean()) < 0.3 and abs(numbers.std() - 1) < 0.25


def test_the_kernel_is_told_and_can_set_everything(tab, explorer, tmp_path):
    open_page(tab, tmp_path / "flow.html", explorer)
    tab.get_by_label("7", exact=True).focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(300)
    assert saved(tab, "label")[-1] == 8
    tab.evaluate("() => { models[0].set('label', 2); models[0].set('guidance', 2.5); models[0].set('steps', 25); }")
    assert_same(tab, explorer)
    assert tab.get_by_label("2", exact=True).is_checked()
    assert tab.get_by_label("guidance").input_value() == "2.5"
    assert tab.get_by_label("steps").get_attribute("aria-valuetext") == "25"


def test_it_lets_go_of_what_it_listened_to(tab, explorer, tmp_path):
    open_page(tab, tmp_path / "flow.html", explorer)
    assert tab.evaluate("() => models[0].handlers()") > 0
    assert tab.evaluate("() => { models[0].leave(); return models[0].handlers(); }") == 0


def test_the_course_s_own_flow_fits_into_a_page(tab, tmp_path):
    explorer = FlowExplorer(pretrained("latent-flow"))
    open_page(tab, tmp_path / "flow.html", explorer)
    tab.get_by_label("steps").fill("4")
    tab.wait_for_timeout(1500)
    assert_same(tab, explorer)
    html = (tmp_path / "flow.html").read_text(encoding="utf-8")
    assert len(html) < 4_000_000 and get(tab, "steps") == 25
