"""The book: formulas, links and figures of its pages, what is executed for it, and that nothing in it leads nowhere."""

import base64
import html
import json
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
import torch
from click.testing import CliRunner
from execute_notebooks import ROOT, notebooks
from fontTools.ttLib import TTFont
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tiny_course import CELLS, write_course
from traitlets.config import Config

from ae_utils.course.book import __main__ as command
from ae_utils.course.book.cache import digest, executed, read
from ae_utils.course.book.capture import MIME, captured
from ae_utils.course.book.figures import alternative_text, classic, first_sentences
from ae_utils.course.book.formulas import math_font, mathml
from ae_utils.course.book.markdown import for_book, markdown2html, plain, slug
from ae_utils.course.book.nbconvert_settings import SETTINGS, set_up
from ae_utils.course.book.reference import write_reference
from ae_utils.course.book.site import Book, Extra, clear, weight
from ae_utils.course.book.slides import as_slides, paragraphs, pieces
from ae_utils.errors import InvalidInput
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.player import Player
from ae_utils.widgets.png import image_png

GREY = torch.rand(2, 1, 4, 4)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def lines(course):
    return list(Book(course, course / "book", course / "cache").build())


@pytest.fixture(scope="module")
def book(course, lines):
    return course / "book"


def text_of(path):
    return path.read_text(encoding="utf-8")


def formulas():
    """The LaTeX of every formula in the lessons, display formulas with their mark."""
    for path in notebooks():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"```.*?```|`[^`\n]*`", "", cell.source, flags=re.DOTALL)
                yield from re.findall(r"\$\$.+?\$\$|\$.+?\$", text, re.DOTALL)


# Formulas and text


def test_every_formula_of_the_course_can_be_set():
    found = set(formulas())
    assert len(found) > 100
    for formula in found:
        assert mathml(formula.strip("$").strip()).startswith("<math>")


def test_the_font_has_every_sign_of_the_course_s_formulas():
    font = TTFont(BytesIO(math_font()))
    shown = {ord(sign) for formula in set(formulas()) for sign in plain(mathml(formula.strip("$").strip()))}
    assert shown - set(font.getBestCmap()) - {0x2061, 0xFE00} == set()  # two signs that nobody sees
    assert "MATH" in font  # what makes roots and brackets grow


def test_a_formula_that_is_none_gets_a_sentence():
    with pytest.raises(InvalidInput, match=r"'\\\\frac\{1' cannot be set"):
        mathml("\\frac{1")


def test_headings_are_linked_as_on_github():
    assert slug("Jensen–Shannon divergence") == "jensenshannon-divergence"
    assert slug("Heun's method, and <code>beta</code>") == "heuns-method-and-beta"
    assert 'id="the-code-z"' in markdown2html("## The code $z$")


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("04_variational_autoencoder.ipynb", "04_variational_autoencoder.html"),
        ("glossary.md#kl-divergence", "glossary.html#kl-divergence"),
        ("../results/scoreboard.md", "results/scoreboard.html"),
        ("../../results/scoreboard.md", "../results/scoreboard.html"),
        ("https://example.org/README.md", "https://example.org/README.md"),
        ("pictures/vae.svg", "pictures/vae.svg"),
    ],
)
def test_links_lead_to_pages(link, page):
    assert for_book(f'<a href="{link}">') == f'<a href="{page}">'


def test_what_is_folded_stays_folded():
    shown = markdown2html("<details><summary>Hint</summary>\n\n```python\nz = 1\n```\n\n</details>")
    assert "<details>" in shown and "open" not in shown and 'class="highlight"' in shown


# Figures


def test_a_figure_is_described_by_its_title_and_by_what_is_said_of_it():
    see = "**What to see.** Digits, *blurred*. The code $z$ is small.\n\n## Next"
    cells = [new_code_cell('image_grid(x, title="a grid")'), new_markdown_cell(see)]
    found = alternative_text(new_notebook(cells=cells), 0, "<Figure size 550x315 with 1 Axes>")
    assert found == "a grid. Digits, blurred. The code z is small."


def test_a_figure_without_either_is_described_by_the_heading_above():
    cells = [new_markdown_cell("## The data\n\nDigits."), new_code_cell("show()")]
    assert "The data" in alternative_text(new_notebook(cells=cells), 1, "<Figure size 550x315 with 1 Axes>")


def test_a_description_is_whole_sentences():
    assert first_sentences("One. Two three. Four.", limit=15) == "One. Two three."
    assert first_sentences("A sentence that is longer than the limit. Two.", limit=10).endswith("the limit.")


# Widgets


def test_a_widget_hands_over_its_script_and_its_state():
    player = Player(GREY, title="two frames")
    player.frame = 1
    kept = captured(player)
    assert kept["widget"] == "Player" and "function render" in kept["script"] and ".player" in kept["style"]
    assert kept["traits"]["frame"] == 1 and len(kept["traits"]["_state"]["frames"]) == 2


def test_an_explorer_that_needs_its_kernel_stays_a_picture():
    assert captured(LatentExplorer(lambda z: z[:, :1, None, None].expand(-1, 1, 8, 8), 2)) is None


def test_a_module_becomes_a_script():
    assert classic("export function f() {}\nconst a = 1;\nexport default { f };") == "function f() {}\nconst a = 1;\n"


def test_no_notebook_of_the_course_holds_what_is_handed_over():
    assert all(MIME not in text_of(path) for path in notebooks())


# Executing


def test_a_lesson_is_executed_once_for_each_version_of_its_code(course, book):
    lesson, cache = course / "notebooks" / "01_short.ipynb", course / "cache"
    (kept,) = cache.iterdir()
    before = kept.stat().st_mtime_ns
    changed = read(lesson)
    changed.cells[0].source += " More text."
    assert digest(changed) == digest(read(lesson))
    assert executed(lesson, cache).cells[2].outputs[0].text == "ready\n"
    assert kept.stat().st_mtime_ns == before
    changed.cells[2].source += "\n"
    assert digest(changed) != digest(read(lesson))


def test_executing_leaves_the_notebook_alone(course, book):
    assert all(not cell.get("outputs") for cell in read(course / "notebooks" / "01_short.ipynb").cells)


def test_a_lesson_that_was_not_executed_says_so(course, tmp_path):
    lines = list(Book(course, tmp_path / "book", tmp_path / "cache", execute=False).build())
    assert lines[0] == "01_short.html: with still pictures"
    page = text_of(tmp_path / "book" / "01_short.html")
    assert "without running the lesson" in page and "data-files" not in page


# The book


def test_every_widget_but_the_kernel_s_is_mounted(book):
    page = text_of(book / "01_short.html")
    kinds = re.findall(r'data-widget="(\w+)"', page)
    assert kinds == ["Player", "Predict", "LatentExplorer", "LatentExplorer", "FlowExplorer", "CodeCloud"]
    still = page[page.index('id="cell-kernel"') :]
    assert "<img" in still[: still.index('id="cell-cloud"')]


def test_two_explorers_of_one_decoder_share_its_weights(book):
    page = text_of(book / "01_short.html")
    first, second = (
        set(re.findall(r"data-[0-9a-f]{12}", files))
        for kind, files in (
            (kind, files)
            for tag in re.findall(r"<div [^>]*data-files[^>]*>", page)
            for kind, files in [(re.search(r'data-widget="(\w+)"', tag)[1], re.search(r'data-files="([^"]*)"', tag)[1])]
        )
        if kind == "LatentExplorer"
    )
    assert first & second


@pytest.mark.parametrize("tag, attribute", [("a", "href"), ("img", "src"), ("script", "src"), ("link", "href")])
def test_everything_that_a_page_names_is_there(book, tag, attribute):
    for path in book.rglob("*.html"):
        page = text_of(path)
        for name in re.findall(rf'<{tag}\b[^>]*?\b{attribute}="([^"]*)"', page):
            if re.match(r"https?:|data:", name):
                assert tag == "a" or name.startswith("data:"), f"{path} loads {name}"
                continue
            file, _, place = html.unescape(name).partition("#")
            target = (path.parent / file) if file else path
            assert target.is_file(), f"{path.name}: {name}"
            assert not place or f'id="{place}"' in text_of(target), f"{path.name}: {name}"


def test_every_picture_has_an_alternative_text(book):
    pictures = [tag for path in book.rglob("*.html") for tag in re.findall(r"<img[^>]*>", text_of(path))]
    assert pictures and all(re.search(r'alt="[^"]{10,}"', tag) for tag in pictures)


def test_the_assertions_are_folded(book):
    page = text_of(book / "01_short.html")
    assert re.search(r'id="cell-claim"><details class="claims">', page)


def test_the_code_of_a_question_is_folded_since_it_holds_the_answer(book):
    page = text_of(book / "01_short.html")
    assert re.search(r'id="cell-predict"><details><summary>', page)
    assert not re.search(r'id="cell-player"><details>', page)


def test_the_pages_are_in_order_and_in_the_contents(book):
    page = text_of(book / "01_short.html")
    assert re.search(r'href="index.html" rel="prev"|rel="prev" href="index.html"', page)
    assert 'rel="next" href="solutions/01_short.html"' in page
    assert '<a href="#the-bound">The bound</a>' in page  # its own sections are there, too


def test_the_search_finds_prose_and_no_code(book):
    index = text_of(book / "assets" / "search.js")
    assert "Everything that moves" in index and "A term of the loss" in index
    assert "nn.Linear" not in index and "dataframe" not in index


def test_a_page_weighs_little_without_its_widgets(book):
    page, widgets = weight(book, "01_short.html")
    assert 50_000 < page < 3_000_000 and widgets > 10_000


def test_the_committed_lessons_make_pages_below_three_megabytes(tmp_path):
    book = Book(ROOT, tmp_path / "book", tmp_path / "cache", execute=False)
    list(book.build(["03"]))
    assert weight(tmp_path / "book", "03_regularized_autoencoders.html")[0] < 3_000_000


# The command


def test_only_a_book_is_removed(tmp_path):
    (tmp_path / "essay.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="holds something else than a book"):
        clear(tmp_path)
    assert (tmp_path / "essay.txt").is_file()


def test_a_folder_without_lessons_and_a_lesson_that_is_none_get_a_sentence(tmp_path, course):
    with pytest.raises(InvalidInput, match="there are no lessons in"):
        Book(tmp_path, tmp_path / "book", tmp_path / "cache")
    with pytest.raises(InvalidInput, match="there is no lesson 77"):
        list(Book(course, tmp_path / "book", tmp_path / "cache").build(["77"]))


def test_the_command_makes_a_book_and_refuses_in_a_sentence(monkeypatch, course, book, tmp_path):
    monkeypatch.setattr(command, "CHECKOUT", course)
    options = ["--bare", "--out", str(tmp_path / "book"), "--cache", str(course / "cache")]
    done = CliRunner().invoke(command.main, options)
    assert done.exit_code == 0 and "index.html: open it" in done.output
    again = CliRunner().invoke(command.main, ["07", *options])
    assert again.exit_code == 2 and "book: there is no lesson 07" in again.output
    assert Path(tmp_path / "book").is_dir() and len(CELLS) == 8


def test_the_reference_has_a_page_for_each_module(tmp_path):
    page = tmp_path / "reference" / "ae_utils" / "losses.html"
    write_reference(page, "ae_utils.losses")
    text = text_of(page)
    assert "index.html" in text and (page.parent / "losses" / "vae.html").is_file()
    assert "mathjax" not in text and '<a class="headerlink" href' not in text


def test_the_reference_leaves_out_what_a_method_inherits_from_torch(tmp_path):
    page = tmp_path / "reference" / "ae_utils" / "networks" / "dense.html"
    write_reference(page, "ae_utils.networks.dense")
    text = text_of(page)
    assert "times a fixed mean image" in text and "Define the computation" not in text


def test_what_is_made_elsewhere_stands_in_the_contents(course, book, tmp_path):
    extra = Extra("reference/page.html", "Reference", lambda path: (path.parent.mkdir(), path.write_text("made")))
    list(Book(course, tmp_path / "book", course / "cache", extras=[extra]).build())
    assert text_of(tmp_path / "book" / "reference" / "page.html") == "made"
    assert '<a href="../reference/page.html">Reference</a>' in text_of(
        tmp_path / "book" / "solutions" / "01_short.html"
    )


# nbconvert, and slides


def converted(kind, notebook, environment, out):
    """What ``jupyter nbconvert`` makes of a notebook in an environment that was set up."""
    set_up(environment)
    places = {"JUPYTER_CONFIG_PATH": str(environment / "etc" / "jupyter"), "JUPYTER_PREFER_ENV_PATH": "0"}
    command = [sys.executable, "-m", "nbconvert", "--to", kind, "--output-dir", str(out), str(notebook)]
    subprocess.run(command, env=os.environ | places, check=True, capture_output=True)
    (page,) = out.glob("*.html")
    return text_of(page)


@pytest.mark.parametrize("kind", ["html", "slides"])
def test_nbconvert_s_page_of_a_lesson_holds_all_it_needs(kind, tmp_path):
    lesson = ROOT / "notebooks" / "06_gan.ipynb"
    page = converted(kind, lesson, tmp_path / "environment", tmp_path / "out")
    assert re.findall(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"(?!data:)[^\"]*\"", page) == []
    assert "<math" in page and "data:image/svg+xml" in page and "data:font/woff" in page
    assert ("Reveal.initialize" in page) == (kind == "slides")


def test_a_view_of_a_widget_without_its_kernel_is_left_out():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Player: 2 frames"}
    cell = new_code_cell("player", outputs=[new_output("display_data", view)])
    page, _ = HTMLExporter(config=Config(SETTINGS)).from_notebook_node(new_notebook(cells=[cell]))
    assert "Player: 2 frames" in page and "widget-view" not in page


def test_nobody_s_own_choice_of_a_template_is_changed(tmp_path):
    path = tmp_path / "etc" / "jupyter" / "jupyter_nbconvert_config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"HTMLExporter": {"template_name": "classic"}}')
    set_up(tmp_path)
    chosen = json.loads(path.read_text())
    assert chosen["HTMLExporter"] == {"template_name": "classic"} and "SlidesExporter" in chosen
    path.write_text("no settings")
    set_up(tmp_path)
    assert path.read_text() == "no settings"


def test_what_an_earlier_version_of_the_course_chose_is_replaced(tmp_path):
    set_up(tmp_path)
    path = tmp_path / "etc" / "jupyter" / "jupyter_nbconvert_config.json"
    now = path.read_text()
    path.write_text(now.replace("book.converting", "book.moved"))
    set_up(tmp_path)
    assert path.read_text() == now


def test_a_section_is_a_slide_and_goes_down_where_it_is_long():
    long = "\n\n".join(f"Paragraph {number}. " + "Words and words. " * 20 for number in range(6))
    slides = as_slides(new_notebook(cells=[new_markdown_cell(f"# Title\n\nOne.\n\n## Section\n\n{long}")]))
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in slides.cells]
    assert kinds[:2] == ["slide", "slide"] and "subslide" in kinds[2:] and "slide" not in kinds[2:]


def test_slides_leave_out_what_is_for_readers():
    cells = [
        new_markdown_cell("## Look\n\nHere."),
        new_code_cell("assert 1 == 1", metadata={"tags": ["claims"]}),
        new_markdown_cell("## Exercises\n\nWrite."),
        new_code_cell("..."),
        new_markdown_cell("## You have\n\nSeen it."),
    ]
    assert [cell.source for cell in pieces(new_notebook(cells=cells))] == [
        "## Look\n\nHere.",
        "## You have\n\nSeen it.",
    ]


def test_what_is_folded_is_not_cut():
    folded = "<details><summary>Hint</summary>\n\n```python\na = 1\n\nb = 2\n```\n\n</details>"
    assert paragraphs(f"Before.\n\n{folded}\n\nAfter.") == ["Before.", folded, "After."]


def test_a_picture_goes_to_the_next_slide_when_there_is_no_room():
    png = base64.b64encode(image_png(torch.rand(1, 50, 50), 10)).decode()  # 500 pixels high
    picture = new_code_cell("\n".join(["show()"] * 12), outputs=[new_output("display_data", {"image/png": png})])
    slides = as_slides(new_notebook(cells=[new_markdown_cell("## Look"), picture]))
    assert [cell.metadata["slideshow"]["slide_type"] for cell in slides.cells] == ["slide", "-", "subslide"]
    assert slides.cells[1].outputs == [] and slides.cells[2].metadata["transient"]["remove_source"]


def test_the_command_makes_slides_whose_widgets_run(monkeypatch, course, book, tmp_path):
    monkeypatch.setattr(command, "CHECKOUT", course)
    done = CliRunner().invoke(
        command.main, ["--slides", "--out", str(tmp_path / "slides"), "--cache", str(course / "cache")]
    )
    assert done.exit_code == 0, done.output
    page = text_of(tmp_path / "slides" / "01_short.html")
    assert page.count('class="mount"') == 6 and "book[" in page and "</script>\n<script>book" in page
