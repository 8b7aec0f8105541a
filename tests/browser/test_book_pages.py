"""The book in a browser, from the file system without a network: its pages, its widgets, search, colours, and axe.

``BOOK=book`` visits the book in that folder instead of a short one that is made for the tests.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pictures import PIXELS, quiet_tab
from tiny_course import write_course

from ae_utils.course.book.site import Book

WIDTHS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
READY = "document.querySelectorAll('.mount').length === document.querySelectorAll('.mount[data-ready]').length"
AXE = {"preload": False, "resultTypes": ["violations"]}  # preload: axe would fetch style sheets, which no file may


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def book(course):
    if "BOOK" in os.environ:
        return Path(os.environ["BOOK"]).resolve()
    list(Book(course, course / "book", course / "cache").build())
    return course / "book"


def pages(book):
    """Every page; of the reference a few, which are alike."""
    found = sorted(path for path in book.rglob("*.html") if "reference" not in path.parts)
    return found + sorted((book / "reference").rglob("*.html"))[::20]


def lessons(book):
    return [path for path in pages(book) if 'class="mount"' in path.read_text(encoding="utf-8")]


def visited(tab, page):
    """The page, once all its widgets run; the requests that left the folder."""
    left = []
    tab.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or left.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function(READY, timeout=20_000)
    return left


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_asks_the_network_raises_or_is_wider_than_the_screen(browser, book, width):
    for page in pages(book):
        with quiet_tab(browser, offline=True, viewport=WIDTHS[width]) as tab:
            assert visited(tab, page) == [], page
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page} is too wide"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser, book, scheme):
    for page in pages(book):
        with quiet_tab(browser, offline=True, viewport=WIDTHS["desk"], color_scheme=scheme) as tab:
            visited(tab, page)
            faults = Axe().run(tab, options=AXE).response["violations"]
            serious = [fault for fault in faults if fault["impact"] in ("serious", "critical")]
            said = [(fault["id"], [node["target"] for node in fault["nodes"]][:3]) for fault in serious]
            assert said == [], page


def test_every_widget_answers(browser, book):
    """What each kind does on a key or a button; a kind that is not listed must at least show something."""
    assert lessons(book)
    for page in lessons(book):
        with quiet_tab(browser, offline=True, viewport=WIDTHS["desk"]) as tab:
            visited(tab, page)
            for widget in tab.locator(".mount").all():
                kind = widget.get_attribute("data-widget")
                ANSWERS.get(kind, shows)(widget)


def trait(widget, name):
    return widget.evaluate(f"place => place.model.get('{name}')")


def shows(widget):
    assert widget.locator("canvas, input, button").count()


def plays(widget):
    widget.get_by_role("slider").press("ArrowRight")
    assert trait(widget, "frame") == 1
    assert widget.locator("img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0


def asks(widget):
    widget.get_by_role("radio").first.check()
    widget.get_by_role("button", name="Commit").click()
    assert trait(widget, "choice") == 0 and widget.locator(".result p").count() == 2


def decodes(button):
    def answers(widget):
        picture = widget.locator("canvas.picture")
        before = picture.evaluate(PIXELS)
        widget.get_by_role("button", name=button).click()
        widget.page.wait_for_timeout(300)  # a flow takes its last steps when nothing has moved for a while
        assert picture.evaluate(PIXELS) != before

    return answers


def chooses(widget):
    canvas = widget.locator("canvas.cloud-canvas")
    canvas.press("n")
    canvas.press("Enter")
    assert trait(widget, "point") is not None


ANSWERS = {
    "Player": plays,
    "Predict": asks,
    "LatentExplorer": decodes("Random"),
    "FlowExplorer": decodes("New noise"),
    "CodeCloud": chooses,
}


@pytest.fixture
def lesson(browser, course, book):
    """A tab with the short lesson, or the first one of another book that has widgets."""
    with quiet_tab(browser, offline=True, viewport=WIDTHS["desk"]) as tab:
        visited(tab, lessons(book)[0])
        yield tab


@pytest.mark.skipif("BOOK" in os.environ, reason="a lesson of a known order")
def test_a_chosen_code_moves_the_sliders_of_another_cell(lesson):
    cloud, explorer = (lesson.locator(f"#cell-{name} .mount") for name in ("cloud", "explorer"))
    cloud.locator("canvas.cloud-canvas").press("n")
    before = trait(explorer, "z")
    cloud.locator("canvas.cloud-canvas").press("Enter")
    lesson.wait_for_timeout(200)
    assert trait(explorer, "z") != before


@pytest.mark.skipif("BOOK" in os.environ, reason="words of a known lesson")
def test_the_search_leads_to_a_section(lesson):
    lesson.get_by_label("Search the book").fill("bound more kl")
    link = lesson.locator("#found a").first
    assert "The bound" in link.text_content()
    link.click()
    assert lesson.url.endswith("#the-bound") and lesson.locator("#found a").count() == 1
    lesson.get_by_label("Search the book").fill("zzz")
    assert "Nothing found" in lesson.locator("#found").text_content()
    lesson.keyboard.press("Escape")
    assert lesson.locator("#found").is_hidden()


def test_the_chosen_colours_stay(lesson):
    light = lesson.evaluate("getComputedStyle(document.body).backgroundColor")
    lesson.get_by_label("Change between light and dark").click()
    dark = lesson.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    lesson.reload()
    assert lesson.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_code_is_copied_whole(lesson):
    lesson.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = lesson.locator(".cell > .code").first
    code.hover()
    code.get_by_role("button", name="Copy").click()
    lesson.wait_for_function("document.querySelector('.cell > .code .copy').textContent === 'Copied'")
    copied = lesson.evaluate("navigator.clipboard.readText()")
    assert copied == code.locator("pre").text_content().rstrip()


def test_on_a_phone_the_contents_open_and_close(browser, book):
    with quiet_tab(browser, offline=True, viewport=WIDTHS["phone"]) as tab:
        visited(tab, lessons(book)[0])
        contents = tab.locator("#contents")
        assert contents.is_hidden()
        tab.get_by_role("button", name="Contents").click()
        assert contents.is_visible()
        tab.get_by_role("button", name="Contents").click()
        assert contents.is_hidden()


def test_what_is_folded_stays_folded_and_paper_shows_no_buttons(lesson):
    assert lesson.locator("details[open]").count() == 0
    lesson.emulate_media(media="print")
    assert lesson.locator("header").is_hidden() and lesson.locator("#contents").is_hidden()
    assert lesson.locator("main").is_visible()


def test_slides_move_and_their_widgets_run(browser, course, book, tmp_path):
    list(Book(course, tmp_path, course / "cache").slides())
    with quiet_tab(browser, offline=True, viewport={"width": 1280, "height": 720}) as tab:
        tab.goto((tmp_path / "01_short.html").as_uri())
        tab.wait_for_function("Reveal.isReady()")
        for _ in range(tab.evaluate("Reveal.getTotalSlides()")):
            tab.wait_for_timeout(100)
            assert tab.evaluate("Reveal.getCurrentSlide().scrollHeight") <= 720
            if tab.locator("section.present section.present .mount").count():
                tab.wait_for_function("document.querySelector('section.present section.present .mount[data-ready]')")
            tab.evaluate("Reveal.next()")
        assert tab.locator(".mount[data-ready]").count() == 6
