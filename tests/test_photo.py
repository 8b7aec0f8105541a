"""Photos of digits from anywhere become images like MNIST's."""

import numpy as np
import pytest
import torch
from PIL import Image

from ae_utils.__main__ import main
from ae_utils.data.photo import read_photo
from ae_utils.errors import InvalidInput


@pytest.fixture(scope="module")
def seven(test):
    """The first test digit, a 7, as bytes (28, 28)."""
    return (test.x[0, 0] * 255).byte().numpy()


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def large(pixels, *, side=140, width=200, height=260, at=(20, 30), paper=0):
    """The digit blown up, somewhere on a larger sheet."""
    sheet = Image.new("L", (width, height), paper)
    sheet.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC), at)
    return np.asarray(sheet)


def near(one, other, most=0.02):
    return float((one - other).square().mean()) < most


def test_a_digit_of_mnist_stays_as_it_is(tmp_path, test, seven):
    x, done = read_photo(saved(tmp_path / "seven.png", seven))
    assert torch.allclose(x, test.x[0]) and done == "as it is"


def test_black_on_white_is_inverted(tmp_path, test, seven):
    x, done = read_photo(saved(tmp_path / "seven.png", 255 - seven))
    assert torch.allclose(x, test.x[0]) and done == "inverted"


def test_a_large_digit_in_a_corner_is_scaled_and_centred(tmp_path, test, seven):
    x, done = read_photo(saved(tmp_path / "seven.png", large(seven)))
    assert near(x, test.x[0]) and done == "scaled to 20 pixels and centred"


def test_a_photograph_of_ink_on_grey_paper(tmp_path, test, seven):
    noise = np.random.default_rng(0).normal(0, 4, (260, 200))
    page = 180 - large(seven) * 0.5 + noise
    colours = np.stack([page, page * 0.95, page * 0.8], -1).clip(0, 255).astype(np.uint8)
    x, _ = read_photo(saved(tmp_path / "photograph.jpg", colours, quality=80))
    assert near(x, test.x[0])


def paper_with(pixels, ink, light=1.0):
    """A colour photograph: white paper of 200×260 with the digit in ``ink`` (red, green, blue), under a ``light``."""
    noise = np.random.default_rng(0).normal(0, 3, (260, 200, 1))
    coverage = large(pixels)[..., None] / 255
    page = 225 + coverage * (np.array(ink) - 225)
    return (page * np.asarray(light)[..., None] + noise).clip(0, 255).astype(np.uint8)


ACROSS, DOWN = np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 260))
SHADOWS = {
    "an edge": np.where(ACROSS + DOWN > 1, 0.5, 1.0),
    "a slope": 1 - 0.7 * ACROSS,
    "a corner": 1 - 0.65 * np.exp(-4 * (ACROSS**2 + DOWN**2)),
}


@pytest.mark.parametrize("ink", [(40, 40, 40), (30, 50, 160)], ids=["black", "blue"])
@pytest.mark.parametrize("shadow", SHADOWS)
def test_a_shadow_on_the_paper_is_no_ink(tmp_path, test, seven, shadow, ink):
    x, done = read_photo(saved(tmp_path / "photograph.jpg", paper_with(seven, ink, SHADOWS[shadow]), quality=85))
    rolled = [x.roll((down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert any(near(one, test.x[0]) for one in rolled)  # a faint part moves the centre of mass by a pixel
    assert "border" not in done


def test_the_lines_of_ruled_paper_and_specks_are_no_ink(tmp_path, test, seven):
    page = paper_with(seven, (40, 40, 60))
    page[::26] = (page[::26] * 0.85).astype(np.uint8)
    page[240:246, 180:186] = 30
    assert near(read_photo(saved(tmp_path / "ruled.png", page))[0], test.x[0])


def test_parts_that_are_near_are_one_digit(tmp_path):
    five = np.zeros((200, 160), np.uint8)
    five[30:42, 60:110], five[52:64, 50:62], five[64:110, 50:62] = 255, 255, 255  # a bar above the rest
    five[110:122, 50:110], five[122:170, 98:110], five[158:170, 50:110] = 255, 255, 255
    x, _ = read_photo(saved(tmp_path / "five.png", 255 - five))
    bar = x[0, :, 14:17].amax(1)  # down through bar, gap and the rest, which goes round on the left
    assert bar[4:6].max() > 0.6 > 0.2 > bar[6:9].min()


@pytest.mark.parametrize("cut", ["left", "bottom"])
def test_a_digit_that_touches_the_border_is_said_to(tmp_path, seven, cut):
    page = 255 - large(seven)
    page = page[:, 70:] if cut == "left" else page[:110]
    assert "touches the border of the picture" in read_photo(saved(tmp_path / "cut.png", page))[1]


def test_transparent_is_white_and_sixteen_bits_are_read(tmp_path, test, seven):
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[..., 3] = seven
    deep = seven.astype(np.uint16) * 257
    assert near(read_photo(saved(tmp_path / "ink.png", ink))[0], test.x[0])
    assert near(read_photo(saved(tmp_path / "deep.png", deep))[0], test.x[0])


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (3, 3), (2, 1000)])
def test_odd_shapes_come_out_as_images_of_28(tmp_path, shape):
    pixels = np.zeros(shape, np.uint8)
    pixels[shape[0] // 2, shape[1] // 2 :] = 255
    x, _ = read_photo(saved(tmp_path / "odd.png", pixels))
    assert x.shape == (1, 28, 28) and x.min() >= 0 and x.max() <= 1 and x.isfinite().all()


def test_what_cannot_be_read_gets_one_sentence(tmp_path, seven):
    (tmp_path / "text.png").write_text("7")
    (tmp_path / "cut.png").write_bytes(saved(tmp_path / "whole.png", seven).read_bytes()[:100])
    saved(tmp_path / "blank.png", np.full((40, 40), 128, np.uint8))
    for name, what in {
        "nowhere.png": "does not exist", "text.png": "neither PNG nor JPEG", "cut.png": "damaged", "blank.png": "blank",
    }.items():  # fmt: skip
        with pytest.raises(InvalidInput, match=rf"{name} .*{what}"):
            read_photo(tmp_path / name)


def test_reconstruct_writes_a_figure_and_says_what_it_did(tmp_path, monkeypatch, capsys, seven, short_run):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "seven.png", 255 - large(seven))
    run = str(short_run("conv-fast"))
    assert main(["reconstruct", run, "seven.png", "seven.png", "--out", "mine.png"]) == 0
    printed = capsys.readouterr().out
    assert "seven.png: inverted, scaled to 20 pixels and centred; looks like a 7; squared error per pixel 0." in printed
    assert Image.open(tmp_path / "mine.png").size[0] > 200
    assert main(["reconstruct", run, "nowhere.png"]) == 2
    assert "nowhere.png does not exist" in capsys.readouterr().err


def test_a_generator_cannot_reconstruct(tmp_path, capsys, seven, short_run):
    assert main(["reconstruct", str(short_run("gan")), str(saved(tmp_path / "seven.png", seven))]) == 2
    assert "gan has no encoder; name a run of an autoencoder." in capsys.readouterr().err
