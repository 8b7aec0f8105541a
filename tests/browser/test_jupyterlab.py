"""The explorer in JupyterLab: sliders, their keys, the kernel that follows, and what is left when it is gone."""

import json
import time

import nbformat
import pytest
from lab import Notebook, jupyterlab
from pictures import PIXELS, TWO_FRAMES, assert_same, quiet_tab

CELLS = (
    """\
import torch
from torch import nn
from ae_utils.widgets.explorer import LatentExplorer
torch.manual_seed(0)
decoder = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
for values in decoder.parameters():
    nn.init.normal_(values)""",
    """\
explorer = LatentExplorer(decoder, 3, codes=torch.randn(1000, 3), labels=torch.arange(1000) % 10)
explorer""",
    """\
by_kernel = LatentExplorer(lambda z: decoder(z), 3)  # a function: the page cannot run it
by_kernel""",
)
SHAKE = """async (root) => {  // 500 events on sliders, pad, selects and buttons, five in each frame of the screen
    let seed = 1;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const pick = (selector) => { const all = root.querySelectorAll(selector); return all[random(all.length)]; };
    const pad = pick(".pad"), box = pad.getBoundingClientRect();
    const set = (control, values) => {
        Object.assign(control, values);
        control.dispatchEvent(new Event(control.matches("select") ? "change" : "input"));
    };
    const point = () => ({ buttons: 1, clientX: box.left + random(300), clientY: box.top + random(300) });
    const events = [
        () => { const slider = pick("input"); set(slider, { valueAsNumber: +slider.min + random(100) / 20 }); },
        () => set(pick("select"), { selectedIndex: random(3) }),
        () => pad.dispatchEvent(new PointerEvent("pointermove", point())),
        () => pad.dispatchEvent(new KeyboardEvent("keydown", { key: ["ArrowUp", "ArrowLeft", "x"][random(3)] })),
        () => pick("button").click(),
    ];
    for (let i = 0; i < 500; i++) {
        events[random(events.length)]();
        if (i % 5 === 0) await new Promise(requestAnimationFrame);
    }
}"""


@pytest.fixture(scope="module")
def addresses(browser, tmp_path_factory):
    """A running JupyterLab on a folder with a small notebook."""
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # without it Jupyter asks for one
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "sliders.ipynb")
    with jupyterlab(folder, home) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def notebook(browser, addresses):
    dead = "Could not send widget sync message"  # Jupyter's own word on a widget without a kernel
    with quiet_tab(browser, allowed=dead, viewport={"width": 1200, "height": 1400}) as tab:
        notebook = Notebook(tab, addresses("sliders.ipynb"))
        notebook.run_all()
        yield notebook


class Explorer:
    """The explorer of a variable in a notebook, by its place among all of them."""

    def __init__(self, notebook, name, place):
        self.notebook, self.name = notebook, name
        self.root = notebook.tab.locator(".latent-explorer").nth(place)
        self.root.scroll_into_view_if_needed()
        self.root.get_by_role("button", name="Reset").click()

    def slider(self, name):
        return self.root.get_by_label(name, exact=True)

    def picture(self):
        self.notebook.tab.evaluate(TWO_FRAMES)
        return self.root.locator(".picture").evaluate(PIXELS)

    def kernel(self, expression):
        return json.loads(self.notebook.python(f"print({self.name}.{expression})"))

    def wait_for(self, expression, patience=5):
        """Until something is true in the kernel, which hears of a move a little later than the page."""
        end = time.monotonic() + patience
        while self.notebook.python(f"print({expression})").strip() != "True":
            assert time.monotonic() < end, f"the kernel never saw {expression}"

    def drag(self, name, share):
        """Drag a slider's handle from the middle to the left by a share of its width."""
        mouse, box = self.notebook.tab.mouse, self.slider(name).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + share * box["width"], y, steps=10)
        mouse.up()


def test_a_decoder_that_the_page_cannot_run_is_run_by_the_kernel(notebook):
    explorer = Explorer(notebook, "by_kernel", 1)
    explorer.drag("z₁", -0.25)
    explorer.wait_for("by_kernel.z[0] < -1")
    assert_same(explorer.picture(), explorer.kernel("picture().flatten().tolist()"))


@pytest.mark.parametrize("name, place", [("explorer", 0), ("by_kernel", 1)])
def test_five_hundred_events_leave_page_and_kernel_agreed(name, place, notebook):
    explorer = Explorer(notebook, name, place)
    explorer.root.evaluate(SHAKE)
    notebook.tab.wait_for_timeout(500)
    assert_same(explorer.picture(), explorer.kernel("picture().flatten().tolist()"))


def test_sliders_follow_mouse_keys_and_python(notebook):
    explorer = Explorer(notebook, "explorer", 0)
    pictures = [explorer.picture()]
    assert_same(pictures[0], explorer.kernel("picture().flatten().tolist()"))

    explorer.drag("z₁", -0.25)
    pictures.append(explorer.picture())
    explorer.wait_for("explorer.z[0] < -1")
    explorer.slider("z₂").focus()
    before = explorer.kernel("z[1]")
    for _ in range(5):
        notebook.tab.keyboard.press("ArrowRight")
    pictures.append(explorer.picture())
    explorer.wait_for(f"explorer.z[1] > {before + 0.1}")
    assert_same(pictures[-1], explorer.kernel("picture().flatten().tolist()"))

    notebook.python("explorer.z = [1.0, -1.0, 0.5]")
    pictures.append(explorer.picture())
    assert_same(pictures[-1], explorer.kernel("picture([1.0, -1.0, 0.5]).flatten().tolist()"))
    assert len({tuple(picture) for picture in pictures}) == len(pictures)


def test_sliders_outlive_the_kernel(notebook):
    """The last test of the file: it ends the kernel of them all."""
    explorer, by_kernel = Explorer(notebook, "explorer", 0), Explorer(notebook, "by_kernel", 1)
    before = explorer.picture()
    notebook.shut_down_kernel()
    explorer.drag("z₃", 0.25)
    dragged = explorer.picture()
    explorer.slider("z₃").press("ArrowRight")
    assert len({tuple(picture) for picture in (before, dragged, explorer.picture())}) == 3
    by_kernel.drag("z₃", 0.25)
    assert "kernel is gone" in by_kernel.root.get_by_role("status").text_content()
