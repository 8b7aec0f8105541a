"""``Player`` and ``Predict`` in a plain page, opened from the file system without a network, by mouse and keys."""

import itertools
import re

import pytest
import torch
from pictures import PIXELS, quiet_tab
from plain_page import get, open_page, saved

from ae_utils.widgets.player import Player
from ae_utils.widgets.predict import Predict

FRAMES = torch.linspace(0, 1, 5)[:, None, None, None].expand(5, 1, 8, 8)  # each of one grey
CAPTIONS = ("zero", "one", "two", "three", "four, the last one, with a caption that is much longer than the others")
CHOICES = ("`z` <b>grows</b>", "it shrinks", "nothing & more")


def shades(tab):
    """The greys of the picture that is seen."""
    draw = f"""async (picture) => {{
        await picture.decode();
        const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
        canvas.getContext("2d").drawImage(picture, 0, 0);
        return ({PIXELS})(canvas);
    }}"""
    return set(tab.locator(".picture").evaluate(draw))


@pytest.fixture
def tab(browser):
    with quiet_tab(browser, offline=True, viewport={"width": 800, "height": 700}) as tab:
        yield tab


@pytest.fixture
def player(tab, tmp_path):
    return open_page(tab, tmp_path / "player.html", Player(FRAMES, CAPTIONS, title="greys"))


@pytest.fixture
def predict(tab, tmp_path):
    return open_page(tab, tmp_path / "predict.html", Predict("What does `z` do?", CHOICES, 1, "Because `beta` > 1."))


def assert_frame(tab, frame):
    assert get(tab, "frame") == frame
    assert shades(tab) == {round(255 * frame / 4)}
    assert tab.locator(".shown").all_text_contents() == [CAPTIONS[frame]]
    assert tab.get_by_role("img", name=CAPTIONS[frame]).is_visible()
    assert tab.locator(".place").text_content() == f"{frame + 1} / 5"
    assert tab.get_by_label("frame").get_attribute("aria-valuetext") == f"{frame + 1} of 5: {CAPTIONS[frame]}"


def test_nothing_plays_by_itself(player):
    assert player.get_by_role("group", name="greys").is_visible() and player.get_by_text("greys").is_visible()
    player.wait_for_timeout(500)
    assert_frame(player, 0)
    assert saved(player, "frame") == []


def test_a_slider_shows_each_frame(player):
    slider = player.get_by_label("frame")
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert_frame(player, 2)
    player.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    player.mouse.down()
    player.mouse.move(box["x"] + box["width"] + 20, box["y"] + 2, steps=10)
    player.mouse.up()
    assert_frame(player, 4)
    assert saved(player, "frame")[-1] == 4


def test_arrow_keys_step_round_and_space_plays(player):
    player.keyboard.press("Tab")
    player.keyboard.press("ArrowLeft")  # on the button
    assert_frame(player, 4)
    player.keyboard.press("Tab")
    player.keyboard.press("ArrowRight")  # on the slider, which knows no way round
    player.keyboard.press("ArrowRight")
    assert_frame(player, 1)
    player.keyboard.press("End")
    assert_frame(player, 4)
    player.keyboard.press("Space")
    assert player.get_by_role("button").text_content() == "Pause"
    player.wait_for_function("models[0].get('frame') === 1")
    player.keyboard.press("ArrowLeft")  # pauses too
    assert player.get_by_role("button").text_content() == "Play"
    before = get(player, "frame")
    player.wait_for_timeout(500)
    assert_frame(player, before)


@pytest.mark.parametrize("how", ["button", "picture", "space", "enter"])
def test_play_and_pause(how, player):
    button = player.get_by_role("button")
    player.keyboard.press("Tab")

    def toggle():
        if how in ("space", "enter"):
            player.keyboard.press(how.capitalize())
        else:
            (button if how == "button" else player.locator(".picture")).click()

    toggle()
    assert button.text_content() == "Pause"
    player.evaluate("models[0].on('change:frame', () => (globalThis.seen ??= []).push(models[0].get('frame')))")
    player.wait_for_function("globalThis.seen?.length >= 7")  # once round and further
    toggle()
    assert button.text_content() == "Play"
    seen = player.evaluate("seen")
    assert all(after == (before + 1) % 5 for before, after in itertools.pairwise(seen))
    assert saved(player, "frame") == [seen[-1]]  # one word to the kernel, at the end
    player.wait_for_timeout(500)
    assert_frame(player, seen[-1])
    player.keyboard.press("ArrowRight")
    assert_frame(player, (seen[-1] + 1) % 5)


def test_python_sets_the_frame_and_a_player_that_is_gone_stops(player):
    player.evaluate("models[0].set('frame', 3)")
    assert_frame(player, 3)
    player.get_by_role("button").click()
    player.evaluate("models[0].leave()")
    player.wait_for_timeout(500)
    assert get(player, "frame") == 3 and player.evaluate("models[0].handlers()") == 0


def test_captions_do_not_move_what_is_below(player):
    player.set_viewport_size({"width": 360, "height": 700})
    places = set()
    for frame in range(5):
        player.evaluate(f"models[0].set('frame', {frame})")
        places.add(player.get_by_role("button").bounding_box()["y"])
    assert len(places) == 1
    assert player.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_who_wants_less_motion_gets_it_slower(browser, tmp_path):
    with quiet_tab(browser, offline=True, reduced_motion="reduce") as tab:
        open_page(tab, tmp_path / "player.html", Player(FRAMES))
        tab.get_by_role("button").click()
        tab.wait_for_timeout(600)
        assert get(tab, "frame") == 0
        tab.wait_for_function("models[0].get('frame') === 1", timeout=5000)
        assert tab.get_by_role("img", name="frame 2 of 5").is_visible()


def test_the_answer_is_seen_after_committing_only(predict):
    group = predict.get_by_role("group", name="What does z do?")
    assert group.get_by_role("radio").count() == 3
    assert group.locator("label").first.inner_text() == "z <b>grows</b>"
    assert predict.locator("code").all_text_contents() == ["z", "z"]
    commit = predict.get_by_role("button", name="Commit")
    assert commit.is_disabled() and predict.get_by_role("button", name="Reset").is_hidden()
    predict.get_by_text("nothing & more").click()
    assert get(predict, "choice") is None and "Because" not in predict.locator("body").inner_text()
    commit.click()
    assert get(predict, "choice") == 2 and saved(predict, "choice") == [2]
    said = predict.get_by_role("status").inner_text()
    assert said.startswith("Not this time") and "it shrinks" in said and said.endswith("Because beta > 1.")
    assert predict.locator(".mark").all_text_contents() == ["", "✓ right", "your choice"]


def test_a_committed_choice_stays_until_reset(predict):
    predict.get_by_label("it shrinks").check()
    predict.get_by_role("button", name="Commit").click()
    assert predict.get_by_role("status").inner_text().startswith("You predicted it: it shrinks")
    assert predict.locator(".mark").all_text_contents() == ["", "✓ right, your choice", ""]
    predict.get_by_text("nothing & more").click(force=True)
    assert predict.get_by_label("it shrinks").is_checked() and get(predict, "choice") == 1
    assert all(radio.is_disabled() for radio in predict.get_by_role("radio").all())
    predict.get_by_role("button", name="Reset").click()
    assert get(predict, "choice") is None and saved(predict, "choice") == [1, None]
    assert not any(radio.is_checked() or radio.is_disabled() for radio in predict.get_by_role("radio").all())
    assert predict.get_by_role("button", name="Commit").is_disabled()
    assert predict.get_by_role("status").inner_text() == ""
    predict.get_by_label("nothing").check()
    predict.get_by_role("button", name="Commit").click()
    assert get(predict, "choice") == 2


def test_a_question_is_answered_by_keys(predict):
    predict.keyboard.press("Tab")
    predict.keyboard.press("ArrowDown")
    predict.keyboard.press("Tab")
    assert predict.locator(":focus").text_content() == "Commit"
    predict.keyboard.press("Enter")
    assert get(predict, "choice") == 1
    assert predict.locator(":focus").text_content() == "Reset"
    predict.keyboard.press("Space")
    assert get(predict, "choice") is None
    assert predict.locator(":focus").get_attribute("type") == "radio"


def test_python_commits_and_resets(predict):
    predict.evaluate("models[0].set('choice', 0)")
    assert predict.get_by_role("radio").first.is_checked() and predict.get_by_text("Because").is_visible()
    predict.evaluate("models[0].set('choice', null)")
    assert not predict.get_by_role("radio").first.is_checked() and predict.get_by_text("Because").count() == 0


def test_widgets_on_one_page_do_not_meddle(tab, tmp_path):
    question = Predict("Which?", ("a", "b"), 0, "So.")
    open_page(tab, tmp_path / "page.html", question, Predict("Which?", ("a", "b"), 0, "So."), Player(FRAMES))
    for place in (0, 1):
        tab.get_by_label("ab"[place], exact=True).nth(place).check()
    assert tab.get_by_role("radio", checked=True).count() == 2
    tab.get_by_role("button", name="Commit").first.click()
    assert [get(tab, "choice", place) for place in (0, 1)] == [0, None]
    assert tab.evaluate("[...document.querySelectorAll('[id]')].length") == 0
    loose = tab.locator("input:not([data-lm-suppress-shortcuts=true]), button:not([data-lm-suppress-shortcuts=true])")
    assert loose.count() == 0


@pytest.mark.parametrize("widget", [Player, Predict])
def test_scripts_fetch_nothing(widget):
    assert not re.search(r"\bfetch\(|https?:|\bimport\b|XMLHttpRequest|url\(", widget._esm + widget._css)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(scheme, browser, tmp_path):
    """Contrast of at least 4.5 to 1 between a widget's text and the page."""
    luminance = """(element, property) => {
        const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const parts = getComputedStyle(element)[property].match(/[\\d.]+/g).map((part) => linear(part / 255));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    }"""
    with quiet_tab(browser, offline=True, color_scheme=scheme) as tab:
        open_page(tab, tmp_path / "page.html", Predict("Which?", ("a", "b"), 0, "So."), Player(FRAMES, CAPTIONS))
        paper = tab.locator("body").evaluate(luminance, "backgroundColor")
        assert (paper > 0.5) == (scheme == "light")
        for name in (".predict legend", ".predict label", ".captions .shown", ".place"):
            ink = tab.locator(name).first.evaluate(luminance, "color")
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5, name
