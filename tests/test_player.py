"""``Player``: its arguments, the frames as PNGs, the sheet for readers without a kernel, and ``frame`` from Python."""

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from execute_notebooks import tidy
from matplotlib.figure import Figure
from PIL import Image
from traitlets import TraitError

from ae_utils.errors import InvalidInput
from ae_utils.widgets import frames
from ae_utils.widgets.frames import frame_pngs, frame_sheet
from ae_utils.widgets.player import Player
from ae_utils.widgets.png import png_size

IMAGES = torch.rand(9, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def figure(value=0.0, size=(3, 2)):
    made = Figure(figsize=size)
    made.subplots().plot([0, 1], [0, value])
    return made


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((IMAGES[:0],), "at least one frame"),
        (([],), "at least one frame"),
        ((IMAGES, ["one"]), "one for each of 9 frames, but got 1"),
        ((IMAGES[:, 0],), r"shape \(n, 1, h, w\), but frame 0 has \(28, 28\)"),
        ((IMAGES.expand(9, 3, 28, 28),), "shape"),
        ((IMAGES * 255,), r"in \[0, 1\], but frame 0"),
        ((IMAGES / 0,), r"in \[0, 1\]"),
        (([*IMAGES, IMAGES[0].double() - 0.5],), "frame 9 is not"),
        (([figure(), figure(size=(3, 2.5))],), "frame 0 has 300×200 and frame 1 has 300×250"),
        (([IMAGES[0], IMAGES[0, :, ::2]],), "frame 0 has 224×224 and frame 1 has"),
        ((["picture.png"],), "frame 0 is 'picture.png'"),
    ],
)
def test_frames_that_cannot_be_played_get_a_sentence(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        Player(*arguments)


def test_columns_are_at_least_one():
    with pytest.raises(InvalidInput, match="columns must be at least 1"):
        Player(IMAGES, columns=0)


def test_too_many_bytes_get_a_sentence():
    noise = torch.rand(50, 1, 280, 280, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidInput, match=r"make \d\.\d MB of PNG, and a player holds at most 3 MB"):
        Player(noise)
    assert len(Player(noise[:30])._state["frames"]) == 30


def test_images_are_enlarged_with_hard_edges():
    for data, image in zip(frame_pngs(IMAGES), IMAGES, strict=True):
        seen = pixels(data)
        assert seen.shape == (224, 224)
        assert np.array_equal(seen, np.kron((image[0] * 255).round().byte().numpy(), np.ones((8, 8), np.uint8)))
    assert png_size(frame_pngs(torch.zeros(1, 1, 100, 300))[0]) == (300, 100)
    assert pixels(frame_pngs(IMAGES[:1].clone().requires_grad_() + 1e-7)[0]).max() <= 255


def test_figures_are_drawn_once_and_closed_for_pyplot():
    made = []
    for value in (1.0, 2.0):
        plotted, axis = plt.subplots(figsize=(3, 2))
        axis.plot([0, value])
        made.append(plotted)
    first, second = frame_pngs(made)
    assert first != second and png_size(first) == (300, 200)
    assert not plt.get_fignums()


def test_the_page_gets_frames_captions_and_title():
    player = Player((figure(value) for value in range(3)), range(3), title="lines")
    state = player._state
    assert [base64.b64decode(frame) for frame in state["frames"]] == frame_pngs(figure(value) for value in range(3))
    assert (state["captions"], state["title"], state["size"]) == (["0", "1", "2"], "lines", (300, 200))


def test_the_frame_is_read_set_and_observed():
    player, seen = Player(IMAGES), []
    player.observe(lambda change: seen.append(change["new"]), "frame")
    assert player.frame == 0
    player.frame = 8
    for wrong in (9, -1):
        with pytest.raises(InvalidInput, match=f"frame must be from 0 to 8, but got {wrong}"):
            player.frame = wrong
    with pytest.raises(TraitError):
        player.frame = 1.5
    assert player.frame == 8 and seen == [8]


def test_readers_without_a_kernel_get_a_sheet_and_a_line_that_never_change():
    player, again = (Player(IMAGES, [f"step {step}" for step in range(9)], title="noise") for _ in range(2))
    bundle, _ = player._repr_mimebundle_()
    assert bundle["text/plain"] == repr(player) == "Player: 9 frames; run the notebook to play them"
    assert repr(Player(IMAGES[:1])) == "Player: 1 frame; run the notebook to play them"
    assert set(bundle) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert bundle["image/png"].startswith(b"\x89PNG") and b"Software" not in bundle["image/png"]
    player.frame = 5
    for other in (player, again):
        assert other._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]


def test_a_tidied_notebook_keeps_the_sheet_and_the_line():
    bundle, _ = Player(IMAGES)._repr_mimebundle_()
    sheet = base64.b64encode(bundle["image/png"]).decode()
    output = nbformat.v4.new_output("display_data", data={**bundle, "image/png": sheet})
    tidied = tidy(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))
    assert tidied.cells[0].outputs[0].data == {"text/plain": bundle["text/plain"], "image/png": sheet}


@pytest.mark.parametrize(
    "columns, chosen", [(9, range(9)), (20, range(9)), (3, (0, 4, 8)), (5, (0, 2, 4, 6, 8)), (1, (0,))]
)
def test_the_sheet_shows_evenly_chosen_frames(columns, chosen):
    """Each of one grey, so that the middle of a column tells which frame it is."""
    greys = torch.linspace(0.1, 0.9, 9)[:, None, None, None].expand(9, 1, 28, 28)
    sheet = pixels(frame_sheet(frame_pngs(greys), columns=columns))[..., 0]
    height, width = sheet.shape
    assert width <= 960 and width / len(chosen) <= 224
    seen = [sheet[height // 2, int((column + 0.5) * width / len(chosen))] for column in range(len(chosen))]
    assert np.abs(np.array(seen, int) - [round(255 * (0.1 + 0.1 * frame)) for frame in chosen]).max() <= 1


def test_captions_and_title_stand_on_the_sheet(monkeypatch):
    texts = []
    monkeypatch.setattr(
        frames, "Figure", type("Watched", (Figure,), {"text": lambda self, x, y, s, **look: texts.append(s)})
    )
    frame_sheet(frame_pngs(IMAGES), [f"${frame}$ is a caption of some length" for frame in range(9)], "title", 3)
    assert texts[-1] == "title" and [text.split()[0] for text in texts[:-1]] == ["$0$", "$4$", "$8$"]


def test_a_caption_with_a_dollar_is_text():
    assert frame_sheet(frame_pngs(IMAGES[:2]), [r"5 $ and \frac", r"$\nothing$"], "$")


@pytest.mark.parametrize("shape", [(6, 1, 200, 200), (2, 1, 480, 640), (1, 1, 1400, 40)])
def test_a_sheet_is_never_large(shape):
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    sheet = frame_sheet(frame_pngs(noise), ["a caption"] * len(noise), "noise")
    assert len(sheet) <= 200_000 and min(png_size(sheet)) >= 10
