"""The explorer and the studio in JupyterLab: with the kernel, while it trains, and when it is gone."""

import contextlib
import json
import re
import time
from pathlib import Path

import nbformat
import pytest
from lab import Notebook, jupyterlab
from pictures import PIXELS, TWO_FRAMES, assert_same, quiet_tab

from ae_utils.runs.studio import MODELS

LESSONS = Path(__file__).parents[2] / "notebooks"
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
FOLLOWED = """\
import torch
from torch import nn
from ae_utils.data.dataset import Batches, Images
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.models import Autoencoder
from ae_utils.training.loop import fit
from ae_utils.training.step import GradientStep, adam
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.follow import Follow
torch.manual_seed(0)
encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
decoder = nn.Sequential(nn.Linear(2, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
model, x = Autoencoder(encoder, decoder, 2), torch.rand(100, 1, 28, 28)
step = GradientStep(model, mean_squared_error, adam(model.parameters(), lr=0.01))
batches = Batches(Images(x, x, torch.zeros(100, dtype=torch.int64)), 10)
explorer = LatentExplorer(model, codes=model.encode(x), images=x)
explorer"""
TRAINING = "fit(step, batches, epochs=2, seed=0, on_batch_end=[Follow(explorer)])"
RECONSTRUCTED = """\
import json
pictures = studio.reconstructions()
print(json.dumps({name: (255 * x).round().int().flatten().tolist() for name, x in pictures.items()}))"""
RESTED = """() => document.querySelector(".studio").ariaBusy === "false" """
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
        () => {
            const slider = pick("input[type=range]");
            set(slider, { valueAsNumber: +slider.min + random(100) / 20 });
        },
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


def shortened(lesson):
    """A lesson's cells up to its last explorer, on 2,000 images; each training is one epoch."""
    notebook = nbformat.read(LESSONS / lesson, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = re.compile(r"^(LatentExplorer\(|explorer$)", re.MULTILINE)
    end = max(i for i, cell in enumerate(cells) if shown.search(cell.source))
    for cell in cells:
        if "settings" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r"^(epochs\w*) = \d+", r"\1 = 1", cell.source, flags=re.MULTILINE)
    return [re.sub(r'mnist\("t\w+"\)', r"\g<0>[:2000]", cell.source) for cell in cells[: end + 1]]


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """A running JupyterLab, as a function that opens a notebook, made of some cells or there already, in a new tab."""
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # without it Jupyter asks for one
    dead = "Could not send widget sync message"  # Jupyter's own word on a widget without a kernel

    @contextlib.contextmanager
    def opened(name, sources=()):
        if cells := [nbformat.v4.new_code_cell(source) for source in sources]:
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)
        with quiet_tab(browser, allowed=dead, viewport={"width": 1200, "height": 1400}) as tab:
            yield Notebook(tab, addresses(name))

    with jupyterlab(folder, home) as addresses:
        yield opened


@pytest.fixture(scope="module")
def notebook(opened):
    with opened("sliders.ipynb", CELLS) as notebook:
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
        return json.loads(self.notebook.python(f"import json; print(json.dumps({self.name}.{expression}))"))

    def agree(self, patience=5):
        """The picture, which must be the kernel's as soon as each has heard of the other's last move."""
        end = time.monotonic() + patience
        while True:
            picture = self.picture()
            try:
                assert_same(picture, self.kernel("picture().flatten().tolist()"))
                return picture
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def drag(self, name, fraction):
        """Drag a slider's handle by a fraction of its width."""
        mouse, slider = self.notebook.tab.mouse, self.slider(name)
        box, place = slider.bounding_box(), slider.evaluate("s => (s.value - s.min) / (s.max - s.min)")
        handle = 16  # pixels
        x, y = box["x"] + handle / 2 + place * (box["width"] - handle), box["y"] + box["height"] / 2
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + fraction * box["width"], y, steps=10)
        mouse.up()


def test_a_decoder_that_the_page_cannot_run_is_run_by_the_kernel(notebook):
    explorer = Explorer(notebook, "by_kernel", 1)
    before = explorer.agree()
    explorer.drag("z₁", -0.25)
    assert explorer.agree() != before


@pytest.mark.parametrize("name, place", [("explorer", 0), ("by_kernel", 1)])
def test_five_hundred_events_leave_page_and_kernel_agreed(name, place, notebook):
    explorer = Explorer(notebook, name, place)
    explorer.root.evaluate(SHAKE)
    explorer.agree()


def test_sliders_follow_mouse_keys_and_python(notebook):
    explorer = Explorer(notebook, "explorer", 0)
    pictures, z = [explorer.agree()], explorer.kernel("z")
    explorer.drag("z₁", -0.25)
    pictures.append(explorer.agree())
    assert explorer.kernel("z")[0] < z[0] - 1
    explorer.slider("z₂").focus()
    for _ in range(5):
        notebook.tab.keyboard.press("ArrowRight")
    pictures.append(explorer.agree())
    assert explorer.kernel("z")[1] > z[1] + 0.1
    notebook.python("explorer.z = [1.0, -1.0, 0.5]")
    pictures.append(explorer.agree())
    assert explorer.kernel("z") == [1.0, -1.0, 0.5]
    assert len({tuple(picture) for picture in pictures}) == 4


def test_an_explorer_follows_a_training(opened):
    """A code that is an image's moves with it, and the page tells the kernel; one that was dragged stays put."""
    with opened("followed.ipynb", [FOLLOWED]) as notebook:
        notebook.run_all()
        explorer = Explorer(notebook, "explorer", 0)
        before = explorer.agree()
        notebook.python(TRAINING)
        assert explorer.agree() != before
        assert explorer.kernel("z") == explorer.kernel("_state['start']")
        assert explorer.slider("z₁").evaluate("slider => +slider.max") == explorer.kernel("_state['high'][0]")
        explorer.drag("z₁", -0.25)
        before, z = explorer.agree(), explorer.kernel("z")
        notebook.python(TRAINING)
        assert explorer.agree() != before
        assert explorer.kernel("z") == z != explorer.kernel("_state['start']")


def test_the_studio_shows_all_models_and_shares_its_drawing_with_the_kernel(opened):
    with opened("studio.ipynb", ["from ae_utils.runs.studio import Studio\nstudio = Studio()\nstudio"]) as notebook:
        notebook.run_all()
        tab = notebook.tab
        for name in MODELS:
            tab.get_by_label(f"reconstruction by {name}", exact=True).wait_for()
        notebook.python("studio.image = studio._test.x[7]")
        tab.wait_for_function(RESTED)
        kernel = json.loads(notebook.python(RECONSTRUCTED))
        for name in MODELS.keys() - {"cvae"}:  # whose label the page reads off the digit
            assert_same(tab.get_by_label(f"reconstruction by {name}", exact=True).evaluate(PIXELS), kernel[name])
        canvas = tab.locator(".as-seen canvas")
        before = canvas.evaluate(PIXELS)
        tab.locator(".paper").click(position={"x": 40, "y": 40})  # a dot
        tab.wait_for_function(RESTED)
        seen = canvas.evaluate(PIXELS)
        assert seen != before
        assert_same(seen, json.loads(notebook.python("print(studio._pixels)")))


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


def test_sliders_live_again_in_a_saved_notebook_without_its_kernel(opened):
    with opened("saved.ipynb", CELLS) as notebook:
        notebook.run_all()
        before = Explorer(notebook, "explorer", 0).picture()
        notebook.save()
        notebook.shut_down_kernel()
    with opened("saved.ipynb") as notebook:  # has a new kernel, which knows nothing of its sliders
        assert "NameError" in notebook.python("explorer")
        explorer = Explorer(notebook, "explorer", 0)
        assert explorer.picture() == before
        explorer.drag("z₁", -0.25)
        assert explorer.picture() != before


@pytest.mark.parametrize("lesson", sorted(path.name for path in LESSONS.glob("01_*.ipynb")))
def test_a_lessons_sliders_show_what_its_decoder_gives(lesson, opened):
    with opened(lesson, shortened(lesson)) as notebook:
        notebook.run_all()
        notebook.python("explorer = Out[max(Out)]")  # what the last cell shows
        explorer = Explorer(notebook, "explorer", 0)
        pictures = [explorer.agree()]
        explorer.drag("z₁", 0.25)
        pictures.append(explorer.agree())
        explorer.slider("z₂").press("PageUp")
        pictures.append(explorer.agree())
        assert len({tuple(picture) for picture in pictures}) == 3
