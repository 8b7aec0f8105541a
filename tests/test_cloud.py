"""``CodeCloud``: its arguments, the box and what it leaves out, thumbnails, colours, marker shapes, and the figure."""

import base64
import functools
import io
import itertools

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from execute_notebooks import tidy
from matplotlib.colors import to_rgb
from matplotlib.path import Path
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import nn
from traitlets import TraitError

from ae_utils.errors import InvalidInput
from ae_utils.plots import DIGIT_COLOURS
from ae_utils.widgets.cloud import CodeCloud
from ae_utils.widgets.cloud_figure import LAYERS, cloud_figure
from ae_utils.widgets.cloud_state import CloudState
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.markers import marker_paths, svg_data
from ae_utils.widgets.png import png, png_size

COUNT = 300
Z = torch.randn(COUNT, 3, generator=torch.Generator().manual_seed(0))
LABEL = torch.arange(COUNT) % 10
X = torch.rand(COUNT, 1, 6, 5, generator=torch.Generator().manual_seed(1))
NAMES = [f"class {label}" for label in range(10)]
DECODER = nn.Sequential(nn.Linear(3, 784), nn.Unflatten(1, (1, 28, 28)))


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((Z[0], LABEL), r"z must have the shape \(n, 2\) or \(n, 3\), but got \(3,\)"),
        ((Z[:, :1], LABEL), r"z must have the shape .* but got \(300, 1\)"),
        ((Z[:0], LABEL[:0]), "z must have the shape"),
        ((Z / 0, LABEL), "z must be finite"),
        ((Z, LABEL[:9]), r"label must be one for each of 300 codes, but has the shape \(9,\)"),
        ((Z, LABEL.float()), "label must be whole numbers from 0 to 9"),
        ((Z, LABEL + 1), "label must be whole numbers from 0 to 9"),
        ((Z, LABEL - 1), "label must be whole numbers from 0 to 9"),
        ((Z, LABEL, X[:9]), r"x must have the shape \(300, 1, h, w\), .* but got \(9, 1, 6, 5\)"),
        ((Z, LABEL, X[:, 0]), "x must have the shape"),
        ((Z, LABEL, X * 255), r"x must be images in \[0, 1\]"),
        ((Z, LABEL, X / 0), r"x must be images in \[0, 1\]"),
        ((Z, LABEL, X, None, ["a", "b"]), "names must be a text for each class, 10 to 10 of them"),
        ((Z, LABEL, X, None, "0123456789"), "names must be"),
        ((Z[:, :2], LABEL, X, LatentExplorer(DECODER, 3)), "explorer must take codes of 2 numbers, .* it takes 3"),
    ],
)
def test_arguments_that_do_not_fit_get_a_sentence(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        CodeCloud(*arguments)


def test_too_many_bytes_get_a_sentence():
    noise = torch.rand(3000, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidInput, match=r"make \d\.\d MB, and a cloud holds at most 3 MB: take fewer codes"):
        CodeCloud(torch.zeros(3000, 3), torch.zeros(3000, dtype=torch.long), noise)


def test_the_page_gets_every_code_as_it_is():
    state = CodeCloud(Z.double(), LABEL, names=NAMES)._state
    assert np.array_equal(numbers(state["z"], "<f4").reshape(-1, 3), Z.numpy())
    assert np.array_equal(numbers(state["label"], np.uint8), LABEL.numpy())
    assert state["names"] == NAMES and state["thumbnails"] is None and state["explorer"] is None
    assert CodeCloud(Z[:, :2], LABEL)._state["view"] == (-90, 90)


def test_the_cloud_knows_its_explorer_among_others():
    explorers = [LatentExplorer(DECODER, 3) for _ in range(2)]
    names = [CodeCloud(Z, LABEL, explorer=explorer)._state["explorer"] for explorer in explorers]
    assert names == [explorer._state["name"] for explorer in explorers] and names[0] != names[1]


def test_thumbnails_are_the_images_in_sixteen_greys():
    thumbnails = CodeCloud(Z, LABEL, X)._state["thumbnails"]
    height, width = thumbnails["size"]
    assert (height, width) == (6, 5)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(thumbnails["png"]))).convert("L"))
    for i, image in enumerate(X):
        row, column = divmod(i, thumbnails["columns"])
        seen = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.array_equal(seen, (image[0] * 15).round().numpy() * 17)


def test_two_thousand_real_digits_are_small(train):
    x = train[:2000].x
    state = CodeCloud(x.flatten(1)[:, 400:403], train[:2000].label, x)._state
    assert sum(len(state[name]) for name in ("z", "label")) + len(state["thumbnails"]["png"]) < 400_000


def test_the_box_holds_a_normal_cloud_and_says_nothing():
    state = CloudState(Z, LABEL)
    assert state.note == ""
    assert np.array_equal(state.low, Z.min(0).values.numpy()) and np.array_equal(state.high, Z.max(0).values.numpy())


@pytest.mark.parametrize(
    "far, words",
    [
        ([0], "1 of 300 codes lies outside the box"),
        ([0, 7], "2 of 300 codes lie outside the box"),
    ],
)
def test_codes_far_from_all_others_are_counted_and_still_drawn(far, words):
    z = Z.clone()
    z[far] *= 50
    z[far, 1] = 0
    state = CloudState(z, LABEL)
    inside = (z.numpy() >= state.low).all(1) & (z.numpy() <= state.high).all(1)
    assert state.note == words and np.flatnonzero(~inside).tolist() == far
    assert CodeCloud(z, LABEL)._state["note"] == words
    assert len(numbers(state.for_page()["z"], "<f4")) == 3 * COUNT
    assert words in [text.get_text() for text in cloud_figure(state).texts]


def test_a_dimension_that_is_not_used_gets_a_box_all_the_same():
    z = Z.clone()
    z[:, 1] = 5
    state = CloudState(z, LABEL)
    assert (state.low[1], state.high[1]) == (4, 6) and state.note == ""


def test_ticks_are_few_round_numbers_within_the_box():
    for scale in (1e-3, 1.0, 70.0):
        content = CloudState(Z * scale, LABEL).for_page()
        for ticks, low, high in zip(content["ticks"], content["low"], content["high"], strict=True):
            assert 2 <= len(ticks) <= 5 and all(low <= value <= high for value, _ in ticks)
            assert [float(text.replace("−", "-")) for _, text in ticks] == pytest.approx([value for value, _ in ticks])


def test_the_point_is_read_set_and_observed():
    cloud, seen = CodeCloud(Z, LABEL), []
    cloud.observe(lambda change: seen.append(change["new"]), "point")
    assert cloud.point is None
    cloud.point = COUNT - 1
    for wrong in (COUNT, -1):
        with pytest.raises(InvalidInput, match=f"point must be None or from 0 to 299, but got {wrong}"):
            cloud.point = wrong
    with pytest.raises(TraitError):
        cloud.point = 1.5
    cloud.point = None
    assert seen == [COUNT - 1, None]


@pytest.mark.parametrize("dimensions, act", [(3, "turn"), (2, "explore")])
def test_readers_without_a_kernel_get_a_figure_and_a_line_that_never_change(dimensions, act):
    cloud, again = (CodeCloud(Z[:, :dimensions], LABEL, X) for _ in range(2))
    bundle, _ = cloud._repr_mimebundle_()
    words = f"CodeCloud: 300 codes of {dimensions} numbers; run the notebook to {act} them"
    assert bundle["text/plain"] == repr(cloud) == words
    assert set(bundle) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert b"Software" not in bundle["image/png"] and len(bundle["image/png"]) < 200_000
    assert png_size(bundle["image/png"]) == ((800, 360) if dimensions == 3 else (512, 432))
    assert not plt.get_fignums()
    cloud.point = 5
    for other in (cloud, again):
        assert other._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]


def test_a_tidied_notebook_keeps_the_figure_and_the_line():
    bundle, _ = CodeCloud(Z, LABEL)._repr_mimebundle_()
    figure = base64.b64encode(bundle["image/png"]).decode()
    output = nbformat.v4.new_output("display_data", data={**bundle, "image/png": figure})
    tidied = tidy(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))
    assert tidied.cells[0].outputs[0].data == {"text/plain": bundle["text/plain"], "image/png": figure}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_figure_draws_every_code_and_names_the_classes_that_occur(dimensions):
    few = LABEL % 3
    figure = cloud_figure(CloudState(Z[:, :dimensions], few, names=["cat", "dog", "bird"]))
    assert len(figure.axes) == dimensions - 1
    for axis in figure.axes:
        assert sum(len(part.get_offsets()) for part in axis.collections) == COUNT
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cat", "dog", "bird"]


def test_nearer_codes_are_larger_and_less_transparent():
    figure = cloud_figure(CloudState(Z, LABEL))
    looks, blue = {}, to_rgb(DIGIT_COLOURS[0])
    for part in figure.axes[0].collections:
        if len(part.get_offsets()) and np.allclose(part.get_facecolor()[0, :3], blue):
            looks[part.zorder] = part.get_sizes()[0], part.get_facecolor()[0, 3]
    assert 3 < len(looks) <= LAYERS
    for (size, alpha), (next_size, next_alpha) in itertools.pairwise(looks[order] for order in sorted(looks)):
        assert size < next_size and alpha < next_alpha


def test_where_colours_are_close_for_colour_blind_readers_shapes_differ_most():
    """CIEDE2000 in normal and in colour-blind vision (Machado, Oliveira and Fernandes 2009, full strength)."""
    visions = {
        "normal": np.eye(3),
        "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }
    srgb = np.array([to_rgb(colour) for colour in DIGIT_COLOURS])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    for vision, matrix in visions.items():
        seen = (linear @ np.transpose(matrix)).clip(0, 1)
        lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))
        pairs = itertools.combinations(range(10), 2)
        close = [(first, second) for first, second in pairs if deltaE_ciede2000(lab[first], lab[second]) < 12]
        assert len(close) <= 3 * (vision != "normal")
        for pair in close:
            assert shape_difference(*pair) > 0.45, f"{pair} in {vision}"


@functools.cache
def covered(label):
    """Which pixels around it a marker covers."""
    y, x = np.mgrid[-0.75:0.75:60j, -0.75:0.75:60j]
    outlines = [Path(outline) for outline in marker_paths()[label].to_polygons()]
    return np.logical_xor.reduce([outline.contains_points(np.stack([x.ravel(), y.ravel()], 1)) for outline in outlines])


def shape_difference(first, second):
    """The fraction of the pixels covered by either of two markers that only one of them covers."""
    return (covered(first) ^ covered(second)).sum() / (covered(first) | covered(second)).sum()


def test_ten_shapes_differ_when_colours_are_not_seen():
    assert len(marker_paths()) == len(DIGIT_COLOURS) == 10
    for pair in itertools.combinations(range(10), 2):
        assert shape_difference(*pair) > 0.15, pair


def test_svg_data_are_the_paths_with_y_pointing_down():
    triangle = svg_data(Path([(0, 0.5), (-0.5, -0.5), (0.5, -0.5), (0, 0)], closed=True))
    assert triangle == "M0 -0.5L-0.5 0.5L0.5 0.5Z"
    assert all(set(svg_data(path)) <= set("MLQCZ0123456789.e- ") for path in marker_paths())


def test_the_figure_has_the_same_bytes_in_a_row():
    first, second = (png(cloud_figure(CloudState(Z, LABEL)), 80) for _ in range(2))
    assert first == second
