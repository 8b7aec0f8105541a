"""The diagrams: the committed files are what the code draws, readable at every size, and linked where they belong."""

import json
import re
from functools import cache
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from torch import nn
from torch.nn import functional as F

from ae_utils.course.diagrams.__main__ import DIAGRAMS, PICTURES, main
from ae_utils.course.diagrams.digits import FILE, LEVELS, digits, grey_levels, images
from ae_utils.course.lab import refresh
from ae_utils.data.weights import read_manifest, weights_folder
from ae_utils.networks.convolutional import conv_encoder
from ae_utils.recipes.registry import get
from ae_utils.runs.pretrained import pretrained

NOTEBOOKS = PICTURES.parent
SVG = "{http://www.w3.org/2000/svg}"
SMALLEST = 12  # pixels, where the picture is 900 pixels wide
LESSONS = {
    "hourglass": "01",
    "convolutional-encoder": "02",
    "transposed-convolution": "02",
    "regularizers": "03",
    "vae": "04",
    "cvae": "05",
    "gan": "06",
    "model-map": "07",
    "latent-flow": "09",
}
NOT_OURS = {
    "bent",
    "cloud",
    "judge",
    "paved",
    "rent",
    "road",
    "ruler",
    "share",
    "slope",
    "straight",
    "told",
    "yardstick",
}

every_diagram = pytest.mark.parametrize("name", DIAGRAMS)


@cache
def drawing(name):
    return ElementTree.fromstring(DIAGRAMS[name]())


class Text(NamedTuple):
    """A line of text, its size and its bounding box."""

    words: str
    size: float
    box: tuple[float, float, float, float]  # left, top, right, bottom


def texts(name):
    """All lines of text, measured in DejaVu, which is wider than the fonts asked for and comes with matplotlib."""
    found = []
    for node in drawing(name).iter(f"{SVG}text"):
        size, x, y = float(node.get("font-size", 17)), float(node.get("x")), float(node.get("y"))
        pieces = [(node.text, False)]
        for span in node:
            pieces += [(span.text, "font-family" in span.attrib), (span.tail, False)]
        width = sum(measured(piece, code, node.get("font-weight", "normal")) for piece, code in pieces if piece) * size
        left = x - {"middle": width / 2, "end": width, "start": 0}[node.get("text-anchor", "start")]
        words = "".join(node.itertext())
        found.append(Text(words, size, (left, y - 0.74 * size, left + width, y + 0.22 * size)))
    return found


@cache
def measured(words, code, weight):
    """The width of some words in a font of size 1, outer spaces included."""
    font = FontProperties(family="DejaVu Sans Mono" if code else "DejaVu Sans", weight=weight)
    framed, frame = (TextPath((0, 0), text, 100, prop=font).get_extents().x1 for text in (f"|{words}|", "||"))
    return (framed - frame) / 100


def segments(name):
    """The edges of everything that has an outline, and all lines: pairs of points."""
    for node in drawing(name):
        if node.tag == f"{SVG}rect" and ("stroke" in node.attrib or node.get("fill") == "#000"):
            x, y, width, height = (float(node.get(key)) for key in ("x", "y", "width", "height"))
            corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        elif node.tag == f"{SVG}polygon":
            corners = [tuple(map(float, pair.split(","))) for pair in node.get("points").split()]
            corners.append(corners[0])
        elif node.tag == f"{SVG}path":
            corners = [tuple(map(float, pair.split())) for pair in re.split("[ML]", node.get("d"))[1:]]
        else:
            continue
        yield from pairwise(corners)


def crosses(segment, box):
    """Whether a segment has a point inside a box (Liang and Barsky 1984)."""
    (x0, y0), (x1, y1) = segment
    left, top, right, bottom = box
    enter, leave = 0.0, 1.0
    for step, start, low, high in ((x1 - x0, x0, left, right), (y1 - y0, y0, top, bottom)):
        if step == 0:
            if not low < start < high:
                return False
            continue
        near, far = sorted(((low - start) / step, (high - start) / step))
        enter, leave = max(enter, near), min(leave, far)
    return enter < leave


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# --- the files -----------------------------------------------------------------------------------------------------


def test_the_committed_files_are_what_the_code_draws(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count(".svg") == len(DIAGRAMS)
    drawn, kept = ({path.name: path.read_bytes() for path in where.glob("*.svg")} for where in (tmp_path, PICTURES))
    assert drawn == kept, "run `python -m ae_utils.course.diagrams`"


@every_diagram
def test_a_file_needs_nothing_from_elsewhere(name):
    text = DIAGRAMS[name]()
    assert not re.search(r"href|url\(|@import|<script|<style|\sid=", text)
    assert len(text) < 30_000


@every_diagram
def test_it_has_a_title_a_size_and_a_sheet_that_hides_a_dark_page(name):
    root = drawing(name)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert root.get("role") == "img" and root.find(f"{SVG}title").text.strip()
    shown = float(root.get("width"))
    assert shown == 800 and float(root.get("height")) / shown == pytest.approx(height / width, abs=1e-3)
    sheet = root.find(f"{SVG}rect")
    assert sheet.get("fill") == "#ffffff" and float(sheet.get("width")) >= width - 2
    assert float(sheet.get("height")) >= height - 2


# --- the words -----------------------------------------------------------------------------------------------------


@every_diagram
def test_text_is_large_enough(name):
    scale = 900 / float(drawing(name).get("viewBox").split()[2])
    assert min(text.size * scale for text in texts(name)) >= SMALLEST


@every_diagram
def test_no_text_leaves_the_sheet_or_runs_into_a_line_or_another_text(name):
    _, _, width, height = map(float, drawing(name).get("viewBox").split())
    lines, found = list(segments(name)), texts(name)
    for text in found:
        left, top, right, bottom = text.box
        assert left > 4 and top > 4 and right < width - 4 and bottom < height - 4, f"{text.words} leaves the sheet"
        assert not any(crosses(line, text.box) for line in lines), f"a line runs through {text.words}"
    for one, other in combinations(found, 2):
        assert not overlap(one.box, other.box), f"{one.words} and {other.words} overlap"


@every_diagram
def test_words_are_the_courses_own(name):
    words = re.findall(r"[a-z]+", " ".join(drawing(name).itertext()).lower())
    assert words and not set(words) & NOT_OURS


def test_the_check_for_overlaps_sees_them():
    box = (10, 10, 20, 20)
    assert crosses(((0, 15), (30, 15)), box) and crosses(((12, 0), (18, 30)), box) and crosses(((0, 0), (15, 15)), box)
    assert not crosses(((0, 25), (30, 25)), box) and not crosses(((0, 15), (9, 15)), box)
    assert overlap(box, (19, 19, 30, 30)) and not overlap(box, (21, 10, 30, 20))
    assert measured("mmmm", False, "normal") > 3 and measured("code", True, "normal") == pytest.approx(2.41, abs=0.05)


# --- what they say is true -----------------------------------------------------------------------------------------


def words_of(name):
    return [text.words for text in texts(name)]


def test_the_hourglass_has_the_widths_of_the_recipe():
    layers = [layer for layer in get("linear-3d").build().modules() if isinstance(layer, nn.Linear)]
    widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
    assert [int(word) for word in words_of("hourglass") if word.isdigit()] == widths


def test_the_blocks_are_the_tensors_of_the_encoder():
    x, shapes = torch.zeros(1, 1, 28, 28), ["1 × 28 × 28"]
    for layer in conv_encoder():
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            shapes.append(" × ".join(map(str, x.shape[1:])))
            kernels = f"{layer.out_channels} kernels {layer.kernel_size[0]} × {layer.kernel_size[1]}"
            assert kernels in words_of("convolutional-encoder")
    assert [word for word in words_of("convolutional-encoder") if word.count("×") == 2] == shapes


def test_the_matrices_are_those_of_torch():
    kernel = torch.tensor([[[1.0, 2.0, 3.0]]])
    down = F.conv1d(torch.eye(7)[:, None], kernel, stride=2)[:, 0].T  # (3, 7)
    up = F.conv_transpose1d(torch.eye(3)[:, None], kernel, stride=2)[:, 0].T  # (7, 3)
    entries = [float(word) for word in words_of("transposed-convolution") if word.isascii() and word.isdigit()]
    assert entries == [*down.flatten().tolist(), *up.flatten().tolist()]


# --- the links -----------------------------------------------------------------------------------------------------


def alt_texts(lesson, name):
    """The alt texts with which the Markdown cells of a lesson show a diagram."""
    found = []
    for path in NOTEBOOKS.glob(f"{lesson}_*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                found += re.findall(rf"!\[([^\]]*)\]\(pictures/{name}\.svg\)", "".join(cell["source"]))
    return found


@every_diagram
def test_a_lesson_shows_it_with_an_alt_text_that_says_what_it_shows(name):
    found = alt_texts(LESSONS[name], name)
    assert found and all(len(alt.split()) >= 12 for alt in found)
    assert not set(re.findall(r"[a-z]+", " ".join(found).lower())) & NOT_OURS


def test_a_learners_copies_find_their_pictures(tmp_path):
    list(refresh(tmp_path))
    for copy in (tmp_path / "work").glob("*.ipynb"):
        cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
        prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for link in re.findall(r"!\[[^\]]*\]\(([^):]+)\)", prose):
            assert (copy.parent / link).read_bytes() == (NOTEBOOKS / link).read_bytes()


# --- the digits ----------------------------------------------------------------------------------------------------


def test_digits_are_28_rows_of_28_grey_levels():
    assert FILE.read_text(encoding="ascii").endswith("\n")
    for rows in digits().values():
        assert len(rows) == 28 and all(len(row) == 28 and set(row) <= set(LEVELS) for row in rows)
        assert {"0", "f"} <= set("".join(rows)) | {"f"}


def furthest(rows, image):
    """The largest difference between the levels kept and those of an image."""
    pairs = zip("".join(rows), "".join(grey_levels(image)), strict=True)
    return max(abs(LEVELS.index(one) - LEVELS.index(other)) for one, other in pairs)


def test_digits_are_real_ones_and_what_the_courses_models_make_of_them():
    """A level more or less is another processor's rounding."""
    known = read_manifest(weights_folder())
    needed = set()

    def model(name):
        needed.add(name)
        return pretrained(name if name in known else "vae-best")

    found = images(model)
    assert set(found) == set(digits()) and needed - set(known) == {"cvae-plain"}
    for name in set(found) - {"linear", "conditional", "denoised"}:
        assert furthest(digits()[name], found[name]) <= 1, name
