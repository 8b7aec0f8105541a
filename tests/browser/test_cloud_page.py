"""``CodeCloud`` in a plain page, opened from the file system without a network: by mouse, fingers and keys."""

import re

import nbformat
import numpy as np
import pytest
import torch
from lab import Notebook, jupyterlab
from pictures import PIXELS, TWO_FRAMES, assert_same, model_of, quiet_tab
from plain_page import get, open_page, saved
from stress.share import WHOLE

from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.cloud import CodeCloud
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.player import Player
from ae_utils.widgets.predict import Predict

# The corners of a cube, one class each, and two codes near its middle; on every image another shade.
CORNERS = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
Z = torch.cat([CORNERS, torch.tensor([[0.1, 0.0, 0.0], [0.0, -0.4, 0.2]])])
LABEL = torch.arange(10)
X = (torch.arange(10) / 15)[:, None, None, None].expand(10, 1, 6, 6)


def project(z, view, side):
    """Where a code within [-1, 1]³ is seen, in pixels: the eye at distance 6, by rotation matrices."""
    azimuth, elevation = np.deg2rad(view)
    about_z = np.array([[np.cos(azimuth), np.sin(azimuth), 0], [-np.sin(azimuth), np.cos(azimuth), 0], [0, 0, 1]])
    about_y = np.array(
        [[np.cos(elevation), 0, np.sin(elevation)], [0, 1, 0], [-np.sin(elevation), 0, np.cos(elevation)]]
    )
    depth, right, up = about_y @ about_z @ np.asarray(z)
    scale = (side / 2 - 34) / 1.55 * 6 / (6 - depth)
    return side / 2 + scale * right, side / 2 - scale * up


@pytest.fixture
def tab(browser):
    with quiet_tab(browser, offline=True, viewport={"width": 1000, "height": 900}) as tab:
        yield tab


class CloudPage:
    """A page with a cloud in it."""

    def __init__(self, tab, path, *widgets):
        self.tab = open_page(tab, path, *widgets)
        self.canvas, self.root = tab.locator(".cloud-canvas"), tab.locator(".cloud")
        self.tip, self.status = tab.locator(".cloud .tip"), tab.get_by_role("status").first
        tab.wait_for_function("document.querySelector('.cloud-canvas').width > 300")
        tab.evaluate(TWO_FRAMES)
        self.box = self.canvas.bounding_box()

    def at(self, place):
        """A place on the canvas as one on the screen, within the border."""
        return self.box["x"] + 1 + place[0], self.box["y"] + 1 + place[1]

    def place(self, i, view=(-60, 20)):
        return project(Z[i].numpy(), view, self.canvas.evaluate("canvas => canvas.clientWidth"))

    def move(self, x, y):
        """Move the pointer, wait for the event, which comes when the browser has time, and for what it changes."""
        self.tab.evaluate("globalThis.moved = false; addEventListener('pointermove', () => { moved = true; })")
        self.tab.mouse.move(x, y)
        self.tab.wait_for_function("moved")
        self.tab.evaluate(TWO_FRAMES)

    def point_at(self, i, view=(-60, 20)):
        self.move(*self.at(self.place(i, view)))

    def drag(self, across, down, start=(240, 60), modifier=None):
        x, y = self.at(start)
        if modifier:
            self.tab.keyboard.down(modifier)
        self.tab.mouse.move(x, y)
        self.tab.mouse.down()
        self.tab.mouse.move(x + across, y + down, steps=12)
        self.tab.mouse.up()
        if modifier:
            self.tab.keyboard.up(modifier)
        self.tab.evaluate(TWO_FRAMES)

    def wheel(self, down):
        """Turn the wheel, and wait for the event, which comes when the browser has time."""
        self.tab.evaluate("globalThis.wheeled = false; addEventListener('wheel', () => { wheeled = true; })")
        self.tab.mouse.wheel(0, down)
        self.tab.wait_for_function("wheeled")

    def pixels(self):
        self.tab.evaluate(TWO_FRAMES)
        return self.canvas.evaluate("c => c.toDataURL()")

    def colours(self):
        """How many pixels have the colour of each class, however much white is mixed in."""
        count = """(canvas, colours) => {
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const ink = (values) => values.map((value) => 255 - value);
            return colours.map(ink).map((colour) => {
                let count = 0;
                for (let i = 0; i < data.length; i += 4) {
                    const seen = ink([data[i], data[i + 1], data[i + 2]]), length = Math.hypot(...seen);
                    const along = colour.reduce((sum, value, k) => sum + value * seen[k], 0) / Math.hypot(...colour);
                    count += length > 60 && along / length > 0.995;
                }
                return count;
            });
        }"""
        rgb = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in DIGIT_COLOURS]
        self.tab.evaluate(TWO_FRAMES)
        return self.canvas.evaluate(count, rgb)

    def thumbnail(self):
        return set(self.tip.locator("canvas").evaluate(PIXELS))


@pytest.fixture
def page(tab, tmp_path):
    return CloudPage(tab, tmp_path / "cloud.html", CodeCloud(Z, LABEL, X, names=[f"class {i}" for i in range(10)]))


def assert_points_at(page, i):
    assert page.tip.is_visible()
    assert page.tip.text_content().startswith(f"class {i}, code {i}: z₁\u00a0=\u00a0")
    assert page.thumbnail() == {17 * i}


def test_the_pointer_finds_each_code_where_it_is_seen(page):
    for i in range(10):
        page.point_at(i)
        assert_points_at(page, i)
    page.move(*page.at((5, 5)))
    assert page.tip.is_hidden()
    page.point_at(4)
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Escape")
    page.tab.evaluate(TWO_FRAMES)
    assert page.tip.is_hidden()


@pytest.mark.parametrize("across, down", [(100, 0), (-60, 0), (0, 50), (70, -30)])
def test_dragging_turns_by_half_a_turn_for_the_width(across, down, page):
    before, side = page.pixels(), page.canvas.evaluate("canvas => canvas.clientWidth")
    page.drag(across, down)
    assert page.pixels() != before
    view = -60 - 180 * across / side, 20 + 180 * down / side
    for i in (3, 5, 8):
        page.point_at(i, view)
        assert_points_at(page, i)
    assert get(page.tab, "point") is None  # a drag is no click
    page.tab.get_by_role("button", name="reset the view").click()
    page.tab.mouse.move(0, 0)
    assert page.pixels() == before


def test_the_cloud_is_never_upside_down(page):
    page.drag(0, 400)
    for i in (1, 3, 5, 7):  # the upper corners
        page.point_at(i, (-60, 90))
        assert_points_at(page, i)


def test_shift_moves_and_a_code_stays_under_the_pointer(page):
    x, y = page.place(6)
    page.drag(-80, 35, start=(240, 60), modifier="Shift")
    page.move(*page.at((x - 80, y + 35)))
    assert_points_at(page, 6)


def test_zooming_by_buttons_keys_and_wheel_keeps_the_middle(page):
    side = page.canvas.evaluate("canvas => canvas.clientWidth")
    before = page.pixels()

    def assert_zoomed(factor):
        place = [side / 2 + factor * (value - side / 2) for value in page.place(9)]
        page.move(*page.at(place))
        assert_points_at(page, 9)

    page.tab.get_by_role("button", name="zoom in").click()
    assert_zoomed(1.2)
    page.wheel(-200)  # the canvas has no focus: the page's own
    assert_zoomed(1.2)
    page.canvas.focus()
    for key in ("+", "=", "+"):
        page.tab.keyboard.press(key)
    assert_zoomed(1.2**4)
    page.wheel(400)
    assert_zoomed(1.2**4 * np.exp(-0.6))
    page.tab.keyboard.press("0")
    page.tab.keyboard.press("-")
    page.tab.get_by_role("button", name="zoom out").click()
    assert_zoomed(1.2**-2)
    page.canvas.focus()
    page.tab.keyboard.press("Home")
    page.canvas.blur()
    page.tab.mouse.move(0, 0)
    assert page.pixels() == before


def test_a_page_scrolls_under_a_cloud_without_focus(page):
    page.tab.set_viewport_size({"width": 700, "height": 300})
    page.tab.mouse.move(200, 150)
    page.tab.mouse.wheel(0, 100)
    page.tab.wait_for_function("scrollY > 0")
    page.canvas.focus()
    page.tab.wait_for_timeout(200)
    before = page.tab.evaluate("scrollY")
    page.wheel(100)
    page.tab.wait_for_timeout(200)
    assert page.tab.evaluate("scrollY") == before


def test_arrow_keys_turn_and_letters_go_through_the_codes(page):
    page.tab.keyboard.press("Tab")
    assert page.canvas.evaluate("canvas => canvas === document.activeElement")
    for _ in range(3):
        page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowDown")
    page.point_at(2, (-75, 25))
    assert_points_at(page, 2)
    for key, point in (("n", 3), ("n", 4), ("p", 3), ("Enter", 3)):
        page.tab.keyboard.press(key)
        page.tab.evaluate(TWO_FRAMES)
        assert_points_at(page, point)
        assert page.status.text_content().startswith(f"class {point}, code {point}:")
    assert get(page.tab, "point") == 3 and saved(page.tab, "point") == [3]
    page.tab.keyboard.press("Control+ArrowLeft")  # not the widget's
    page.point_at(2, (-75, 25))
    assert_points_at(page, 2)


def test_the_pointer_finds_a_code_between_a_turn_and_its_frame(page):
    turn_and_point = """(canvas, [x, y]) => {
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y }));
    }"""
    page.canvas.evaluate(turn_and_point, page.at(page.place(2, (-65, 20))))
    page.tab.evaluate(TWO_FRAMES)
    assert_points_at(page, 2)


def test_every_control_is_reached_by_tab_and_keeps_its_keys(page):
    page.tab.get_by_role("button", name="class 2").click()
    page.tab.mouse.click(990, 890)
    names = []
    for _ in range(15):
        page.tab.keyboard.press("Tab")
        names.append(page.tab.locator(":focus").evaluate("e => e.ariaLabel ?? e.textContent"))
    assert names[0].startswith("10 codes; arrow keys turn")
    assert names[1:] == [f"class {i}" for i in range(10)] + [
        "show all classes",
        "zoom out",
        "zoom in",
        "reset the view",
    ]
    outline = page.tab.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    assert page.root.locator("button:not([data-lm-suppress-shortcuts=true])").count() == 0
    assert page.canvas.get_attribute("data-lm-suppress-shortcuts") == "true"
    assert page.tab.evaluate("document.querySelectorAll('[id]').length") == 0


def test_the_legend_shows_classes_alone(page):
    def shown():
        return [label for label, count in enumerate(page.colours()) if count > 3]

    said = page.root.locator(".shown")
    assert said.text_content() == "All 10 codes in colour."
    everything = page.pixels()
    button = page.tab.get_by_role("button", name="class 0")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true" and said.text_content().startswith("1 of 10 codes in colour")
    page.tab.get_by_role("button", name="class 5").click()
    page.tab.mouse.move(0, 0)
    assert said.text_content() == "2 of 10 codes in colour, the others in grey."
    page.point_at(7)
    assert page.tip.is_hidden()  # muted
    page.point_at(5)
    assert_points_at(page, 5)
    page.canvas.focus()
    page.tab.keyboard.press("n")
    page.tab.evaluate(TWO_FRAMES)
    assert_points_at(page, 0)  # round, over the muted ones
    page.tab.get_by_role("button", name="show all classes").click()
    page.tab.mouse.move(0, 0)
    assert page.pixels() == everything and shown() != []


def test_isolating_a_class_takes_the_colour_of_the_others(tab, tmp_path):
    page = CloudPage(tab, tmp_path / "cloud.html", CodeCloud(Z[:8], LABEL[:8] % 4, X[:8]))
    assert min(page.colours()[:4]) > 0 and page.root.locator(".legend button").count() == 5
    for label in range(4):
        tab.get_by_role("button", name=str(label), exact=True).click()
        tab.mouse.move(0, 0)
        assert [count > 0 for count in page.colours()[:4]] == [other == label for other in range(4)]
        tab.get_by_role("button", name="show all classes").click()


def test_what_lies_outside_the_box_is_said_and_can_be_reached(tab, tmp_path):
    z = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    z[0] = torch.tensor([0.0, 0.0, 40.0])
    page = CloudPage(tab, tmp_path / "cloud.html", CodeCloud(z, torch.arange(200) % 10))
    assert page.root.locator(".note").text_content() == "1 of 200 codes lies outside the box."
    page.canvas.focus()
    for _ in range(9):
        tab.keyboard.press("-")
    tab.keyboard.press("n")
    tab.evaluate(TWO_FRAMES)
    tip = page.tip.bounding_box()
    assert page.tip.text_content().startswith("0, code 0:") and tip["y"] >= page.box["y"]
    assert page.tip.locator("canvas").count() == 0  # no images, no thumbnail


def test_a_click_marks_a_code_and_tells_the_kernel(page):
    before = page.pixels()
    page.point_at(2)
    page.tab.mouse.down()
    page.tab.mouse.up()
    assert get(page.tab, "point") == 2 and saved(page.tab, "point") == [2]
    assert (
        page.status.text_content() == "class 2, code 2: z₁\u00a0=\u00a0−1.00, z₂\u00a0=\u00a01.00, z₃\u00a0=\u00a0−1.00"
    )
    page.tab.mouse.move(0, 0)
    assert page.pixels() != before
    page.tab.evaluate("models[0].set('point', null)")
    assert page.pixels() == before and page.status.text_content() == ""
    page.tab.evaluate("models[0].set('point', 7)")
    assert page.status.text_content().startswith("class 7, code 7:")


@pytest.fixture
def pair(tab, tmp_path):
    """A cloud, its explorer and another explorer of the same decoder, on one page."""
    explorers = [LatentExplorer(model_of("dense"), codes=Z) for _ in range(2)]
    page = CloudPage(tab, tmp_path / "pair.html", CodeCloud(Z, LABEL, X, explorers[0]), *explorers)
    page.explorers = explorers
    return page


def test_a_click_sends_the_sliders_of_its_explorer_there(pair):
    for i in (4, 1):
        pair.point_at(i)
        pair.tab.mouse.down()
        pair.tab.mouse.up()
        pair.tab.evaluate(TWO_FRAMES)
        explorer = pair.tab.locator(".latent-explorer").first
        assert get(pair.tab, "z", 1) == Z[i].tolist() and saved(pair.tab, "z", 1)[-1] == Z[i].tolist()
        values = [float(field.input_value().replace("−", "-")) for field in explorer.locator(".value").all()]
        assert values == Z[i].tolist()
        sliders = [slider.evaluate("s => s.valueAsNumber") for slider in explorer.locator("input[type=range]").all()]
        assert sliders == pytest.approx(Z[i].tolist(), abs=0.02)
        assert_same(explorer.locator(".picture").evaluate(PIXELS), pair.explorers[0].picture(Z[i].tolist()))
    assert saved(pair.tab, "z", 2) == []


def test_the_cloud_marks_the_code_that_the_sliders_show(pair):
    before = pair.pixels()
    pair.tab.locator(".latent-explorer").nth(1).get_by_label("z₁", exact=True).press("Home")
    assert pair.pixels() == before  # another explorer's
    pair.tab.locator(".latent-explorer").first.get_by_label("z₁", exact=True).press("Home")
    assert pair.pixels() != before


def test_enter_sends_a_code_too_and_says_where_there_is_no_explorer(pair, tab, tmp_path):
    pair.canvas.focus()
    for key in ("n", "n", "Enter"):
        tab.keyboard.press(key)
    tab.evaluate(TWO_FRAMES)
    assert get(tab, "z", 1) == Z[1].tolist() and "Show the explorer" not in pair.status.text_content()
    alone = CloudPage(tab, tmp_path / "alone.html", CodeCloud(Z, LABEL, X, pair.explorers[0]))
    alone.point_at(5)
    tab.mouse.down()
    tab.mouse.up()
    assert alone.status.text_content().endswith("Show the explorer in a cell, and its sliders will move to this code.")
    assert get(tab, "point") == 5


def test_a_conditional_explorer_gets_the_label_too(tab, tmp_path):
    decoder = ConditionalSequential(ConcatLabel(), model_of("dense", 13).decoder)
    explorer = LatentExplorer(decoder, 3, label_choices=range(5, 10))
    page = CloudPage(tab, tmp_path / "page.html", CodeCloud(Z, LABEL, explorer=explorer), explorer)
    for i, label in ((7, 7), (2, 7)):  # 2 is no choice of the explorer's: its label stays
        page.point_at(i)
        tab.mouse.down()
        tab.mouse.up()
        tab.evaluate(TWO_FRAMES)
        assert (get(tab, "z", 1), get(tab, "label", 1)) == (Z[i].tolist(), label)


def test_a_cloud_that_is_gone_leaves_nothing_behind(pair):
    pair.tab.evaluate("models[0].leave(), models[1].leave()")
    assert pair.tab.evaluate("models[0].handlers() + models[1].handlers()") == 0
    pair.point_at(4)
    pair.tab.mouse.down()
    pair.tab.mouse.up()
    assert saved(pair.tab, "z", 1) == []


def test_a_flat_cloud_is_moved_not_turned(tab, tmp_path):
    z = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.5, -0.2]])
    page = CloudPage(tab, tmp_path / "flat.html", CodeCloud(z, torch.arange(3), X[:3], names=["a", "b", "c"]))
    side, scale = 478, 478 / 2 - 44

    def assert_at(x, y):
        tab.mouse.move(*page.at((x, y)))
        tab.evaluate(TWO_FRAMES)
        assert page.tip.text_content() == "c, code 2: z₁\u00a0=\u00a00.50, z₂\u00a0=\u00a0−0.20"

    assert_at(side / 2 + 0.5 * scale, side / 2 + 0.2 * scale)
    page.drag(-40, -25)
    assert_at(side / 2 + 0.5 * scale - 40, side / 2 + 0.2 * scale - 25)
    page.canvas.focus()
    tab.keyboard.press("ArrowLeft")
    assert_at(side / 2 + 0.5 * scale - 70, side / 2 + 0.2 * scale - 25)


CELLS = (
    """\
import torch
from torch import nn
from ae_utils.widgets.cloud import CodeCloud
from ae_utils.widgets.explorer import LatentExplorer
z = torch.cat([torch.tensor([[1.0, -1.0, 0.5]]), torch.randn(200, 3, generator=torch.Generator().manual_seed(0))])
decoder = nn.Sequential(nn.Linear(3, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
explorer, label = LatentExplorer(decoder, 3), torch.arange(201) % 10
cloud = CodeCloud(z, label, torch.rand(201, 1, 28, 28), explorer)
cloud""",
    "explorer",
)


def test_between_two_cells_of_jupyterlab_with_and_without_a_kernel(browser, tmp_path):
    folder, home = tmp_path / "notebooks", tmp_path / "jupyter"
    folder.mkdir(), home.mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "cloud.ipynb")
    dead = "Could not send widget sync message"  # Jupyter's own word on a widget without a kernel
    with jupyterlab(folder, home) as address, quiet_tab(browser, allowed=dead) as tab:
        notebook = Notebook(tab, address("cloud.ipynb"))
        notebook.run_all()
        canvas, explorer = tab.locator(".cloud-canvas"), tab.locator(".latent-explorer")
        canvas.focus()
        for key in ("ArrowRight", "+", "n", "Enter"):  # which JupyterLab leaves to the cloud
            tab.keyboard.press(key)
        tab.wait_for_function("document.querySelector('.latent-explorer .value').value === '1.00'")
        assert [field.input_value() for field in explorer.locator(".value").all()] == ["1.00", "−1.00", "0.50"]
        assert notebook.python("print(cloud.point, explorer.z)") == "0 (1.0, -1.0, 0.5)\n"
        notebook.shut_down_kernel()
        canvas.focus()
        for key in ("n", "n", "Enter"):
            tab.keyboard.press(key)
        tab.evaluate(TWO_FRAMES)
        said = tab.locator(".cloud").get_by_role("status").text_content()
        assert said.startswith("2, code 2:")
        assert all(field.input_value() in said for field in explorer.locator(".value").all())


def test_the_four_tools_live_on_one_page_from_the_file_system(tab, tmp_path):
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    explorer = LatentExplorer(model_of("dense"), codes=Z)
    widgets = Player(X), Predict("Which?", ("a", "b"), 0, "So."), CodeCloud(Z, LABEL, X, explorer), explorer
    page = CloudPage(tab, tmp_path / "page.html", *widgets)
    tab.get_by_label("frame").press("ArrowRight")
    tab.get_by_label("a", exact=True).check()
    tab.get_by_role("button", name="Commit").click()
    page.canvas.focus()
    for key in ("n", "n", "n", "Enter"):
        tab.keyboard.press(key)
    tab.evaluate(TWO_FRAMES)
    states = [get(tab, trait, i) for i, trait in enumerate(("frame", "choice", "point", "z"))]
    assert states == [1, 0, 2, Z[2].tolist()]
    assert [address for address in requests if not address.startswith("data:")] == [(tmp_path / "page.html").as_uri()]


@pytest.fixture
def phone(browser, tmp_path):
    options = {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    }
    with quiet_tab(browser, offline=True, **options) as tab:
        explorer = LatentExplorer(model_of("dense"), codes=Z)
        yield CloudPage(tab, tmp_path / "phone.html", CodeCloud(Z, LABEL, X, explorer), explorer)


def fingers(page, kind, *places):
    """A touch event of the browser's own, fingers at some places of the canvas."""
    points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(map(page.at, places))]
    page.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_fingers_turn_zoom_and_choose_on_a_phone(phone):
    phone.session, tab = phone.tab.context.new_cdp_session(phone.tab), phone.tab
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    side = phone.canvas.evaluate("canvas => canvas.clientWidth")
    assert 350 < side <= 390
    fingers(phone, "touchStart", (100, 100))
    for step in range(1, 11):
        fingers(phone, "touchMove", (100 + 8 * step, 100))
    fingers(phone, "touchEnd")
    turned = -60 - 180 * 80 / side, 20
    assert get(tab, "point") is None and tab.evaluate("scrollY") == 0
    tab.touchscreen.tap(*phone.at(phone.place(6, turned)))
    tab.evaluate(TWO_FRAMES)
    assert get(tab, "point") == 6 and get(tab, "z", 1) == Z[6].tolist()
    assert phone.tip.text_content().startswith("6, code 6") and phone.thumbnail() == {17 * 6}
    fingers(phone, "touchStart", (150, 180), (210, 180))
    for step in range(1, 11):
        fingers(phone, "touchMove", (150 - 3 * step, 180), (210 + 3 * step, 180))
    fingers(phone, "touchEnd")
    place = [side / 2 + 2 * (value - side / 2) for value in phone.place(9, turned)]
    tab.touchscreen.tap(*phone.at(place))
    assert get(tab, "point") == 9


def test_buttons_are_large_enough_for_fingers(phone):
    for button in phone.root.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(scheme, browser, tmp_path):
    """Contrast of at least 4.5 to 1 between text and what is behind it; the canvas is paper under both."""
    luminance = """(element, property) => {
        const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const parts = getComputedStyle(element)[property].match(/[\\d.]+/g).map((part) => linear(part / 255));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    }"""
    with quiet_tab(browser, offline=True, color_scheme=scheme) as tab:
        page = CloudPage(tab, tmp_path / "page.html", CodeCloud(Z, LABEL, X))
        page.point_at(3)
        body, button = tab.locator("body"), page.root.locator(".legend button").first
        for element, behind in ((page.root.locator(".hint"), body), (button, button), (page.tip, page.tip)):
            ink, paper = element.evaluate(luminance, "color"), behind.evaluate(luminance, "backgroundColor")
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5
        assert page.canvas.evaluate("c => [...c.getContext('2d').getImageData(2, 2, 1, 1).data]") == [255] * 4


def test_a_smaller_window_gives_a_smaller_cloud(page):
    page.tab.set_viewport_size({"width": 400, "height": 700})
    page.tab.evaluate(TWO_FRAMES)
    page.box = page.canvas.bounding_box()
    assert page.box["width"] < 390 and page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for i in (2, 9):
        page.point_at(i)
        assert_points_at(page, i)


def test_the_script_fetches_nothing():
    assert not re.search(r"\bfetch\(|https?:|\bimport\b|XMLHttpRequest|url\(", CodeCloud._esm + CodeCloud._css)


def large():
    generator = torch.Generator().manual_seed(0)
    return CodeCloud(torch.randn(2000, 3, generator=generator), torch.arange(2000) % 10, torch.zeros(2000, 1, 28, 28))


def test_a_frame_of_the_screen_is_drawn_once(tab, tmp_path):
    page = CloudPage(tab, tmp_path / "page.html", large())
    tab.evaluate("""() => {
        globalThis.drawn = 0;
        const fill = CanvasRenderingContext2D.prototype.fillRect;
        CanvasRenderingContext2D.prototype.fillRect = function (...numbers) { drawn++; fill.apply(this, numbers); };
    }""")
    page.canvas.evaluate("""(canvas) => {
        for (let x = 0; x < 50; x++) canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: 99 }));
    }""")
    tab.evaluate(TWO_FRAMES)
    assert tab.evaluate("drawn") == 1


SPIN = """async (target, frames) => {  // one movement of a drag in every frame of the screen
    const event = (kind, x) => new PointerEvent(kind, { pointerId: 1, buttons: 1, clientX: 99 + x, clientY: 99 });
    target.setPointerCapture = () => {}; // no finger is there
    target.dispatchEvent(event("pointerdown", 0));
    const request = globalThis.requestAnimationFrame, took = [];
    globalThis.requestAnimationFrame = (draw) => request((now) => {
        const start = performance.now();
        draw(now);
        took.push(performance.now() - start);
    });
    const start = performance.now();
    for (let i = 0; i < frames; i++) {
        target.dispatchEvent(event("pointermove", 10 + i));
        await new Promise(request);
    }
    const seconds = (performance.now() - start) / 1000;
    globalThis.requestAnimationFrame = request;
    target.dispatchEvent(event("pointerup", 0));
    return [seconds, took.sort((a, b) => a - b)[took.length >> 1] ?? 0];
}"""


@pytest.mark.skipif(not WHOLE, reason="shown by `STRESS=1 pytest -s tests/browser/test_cloud_page.py`")
@pytest.mark.parametrize("ratio", [1, 2])
def test_speed(ratio, browser, tmp_path):
    """Printed, not asserted: a busy machine must not fail the tests."""
    with quiet_tab(browser, offline=True, device_scale_factor=ratio) as tab:
        page = CloudPage(tab, tmp_path / "page.html", large())
        seconds, draws = page.canvas.evaluate(SPIN, 300)
        ceiling, _ = tab.locator("body").evaluate(SPIN, 300)
        print(f"\n{ratio} pixels a point: {300 / seconds:.0f} pictures a second, {draws:.1f} ms of script for each; ")
        print(f"an empty page has {300 / ceiling:.0f} frames a second")
