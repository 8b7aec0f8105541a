"""The book: every lesson, its solutions, the glossary, what was measured, and the reference, as pages in one folder."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jinja2
from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from ae_utils.course.book.cache import executed, has_widgets, read
from ae_utils.course.book.figures import place_outputs
from ae_utils.course.book.formulas import math_font
from ae_utils.course.book.markdown import for_book, plain
from ae_utils.course.book.nbconvert_settings import HERE, SETTINGS, SHARED, STATIC, TEMPLATES
from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write

TITLE = "Autoencoders"
RESULTS = "scoreboard", "speedrun", "turns", "probes"  # the pages of results/ that readers of the book come to


class Extra(NamedTuple):
    """A page that is made elsewhere: its path in the book, what the contents call it, and what writes it there."""

    path: str
    short: str
    write: Callable[[Path], object]


@dataclass
class Page:
    """A page: where it lies, its title, its HTML, whether it shows stills, and its sections (level, name, text)."""

    path: str
    title: str
    body: str
    stills: bool = False
    sections: list[tuple[str, str, str]] = field(default_factory=list)
    short: str = ""  # what the contents call it

    def __post_init__(self) -> None:
        self.short = self.short or re.sub(r"^Lesson (\d+): ", r"\1 ", self.title)


class Book:
    """A book that is made of the course in ``checkout``, in the folder ``out``.

    ``execute``: whether lessons that the ``cache`` lacks are executed; without it they show the outputs they have.
    """

    def __init__(
        self,
        checkout: Path,
        out: Path,
        cache: Path,
        *,
        execute: bool = True,
        fresh: bool = False,
        extras: Sequence[Extra] = (),
    ):
        self.notebooks, self.results = checkout / "notebooks", checkout / "results"
        if not list(self.notebooks.glob("[!.]*.ipynb")):
            raise InvalidInput(f"there are no lessons in {self.notebooks}; make the book in a checkout of the course.")
        self.out, self.cache, self.execute, self.fresh, self.extras = out, cache, execute, fresh, extras
        self._exporter = HTMLExporter(template_name="course", template_file="cells.html.j2", **SHARED)

    def build(self, names: Iterable[str] = ()) -> Iterator[str]:
        """Make the pages; yields a line for each lesson. ``names``: the lessons to make, all by default."""
        self.out.mkdir(parents=True, exist_ok=True)
        lessons, solutions = [], []
        for path in self._chosen(names):
            lessons.append(self._lesson(path, ""))
            yield f"{lessons[-1].path}{': with still pictures' if lessons[-1].stills else ''}"
            answers = path.parent / "solutions" / path.name
            if answers.is_file():
                solutions.append(self._lesson(answers, "solutions/"))
                solutions[-1].short = lessons[-1].short
        more = [self._text(self.notebooks / "glossary.md", "glossary.html")]
        more += [self._text(self.results / f"{name}.md", f"results/{name}.html") for name in RESULTS]
        for extra in self.extras:
            extra.write(self.out / extra.path)
            yield extra.path
        groups = [("Course", [self._cover(lessons)]), ("Lessons", lessons), ("Solutions", solutions), ("More", more)]
        self._copy_files()
        self._write_pages(groups)
        yield f"{self.out / 'index.html'}: open it in a browser; it needs no server and no network"

    def slides(self, names: Iterable[str] = ()) -> Iterator[str]:
        """Make each lesson's slides, one file that holds all it needs; yields a line for each."""
        exporter = SlidesExporter(**SETTINGS["SlidesExporter"])
        for path in self._chosen(names):
            notebook, stills = self._notebook(path)
            resources = {"metadata": {"name": path.stem, "path": str(path.parent)}}
            text, _ = exporter.from_notebook_node(notebook, resources)
            _write(self.out / f"{path.stem}.html", text.encode())
            yield f"{self.out / path.stem}.html{': with still pictures' if stills else ''}"

    def _chosen(self, names: Iterable[str]) -> list[Path]:
        lessons = sorted(self.notebooks.glob("[!.]*.ipynb"))
        wanted = tuple(names)
        for name in wanted:
            if not any(path.stem.startswith(name) for path in lessons):
                raise InvalidInput(f"there is no lesson {name}; name one by its number, such as 05.")
        return [path for path in lessons if not wanted or path.stem.startswith(wanted)]

    def _notebook(self, path: Path) -> tuple[NotebookNode, bool]:
        """The notebook with its widgets' states, and whether it has to do with still pictures."""
        notebook = read(path)
        if not has_widgets(notebook):
            return notebook, False
        alive = executed(path, self.cache, fresh=self.fresh, execute_missing=self.execute)
        return alive or notebook, alive is None

    def _lesson(self, path: Path, folder: str) -> Page:
        notebook, stills = self._notebook(path)
        root = "../" * folder.count("/")

        def write(name: str, data: bytes) -> str:
            place = name if name.startswith("widgets/") else f"pictures/{folder}{path.stem}/{name}"
            _write(self.out / place, data)
            return root + place

        return self._page(f"{folder}{path.stem}.html", place_outputs(notebook, write), stills)

    def _text(self, path: Path, to: str) -> Page:
        return self._page(to, new_notebook(cells=[new_markdown_cell(path.read_text(encoding="utf-8"))]))

    def _page(self, path: str, notebook: NotebookNode, stills: bool = False) -> Page:
        body, _ = self._exporter.from_notebook_node(notebook)
        body = for_book(body)
        title = re.search(r"<h1[^>]*>(.*?)<a [^>]*class=\"anchor", body, re.DOTALL)
        page = Page(path, plain(title[1]) if title else path, body, stills)
        page.sections = headings(body)[1:]  # without the title
        return page

    def _cover(self, lessons: list[Page]) -> Page:
        cards = []
        for lesson in lessons:
            question = re.search(r"<p><strong>(.*?\?)</strong>", lesson.body)
            asked = f"<p>{question[1]}</p>" if question else ""
            cards.append(f'<li><strong><a href="{lesson.path}">{lesson.title}</a></strong>{asked}</li>')
        text = (
            (HERE / "cover.md")
            .read_text(encoding="utf-8")
            .replace("LESSONS", f'<ul class="cards">{"".join(cards)}</ul>')
        )
        page = self._page("index.html", new_notebook(cells=[new_markdown_cell(text)]))
        page.short = "What it is"
        return page

    def _copy_files(self) -> None:
        for path in STATIC.iterdir():
            _write(self.out / "assets" / path.name, path.read_bytes())
        _write(self.out / "assets" / "math.woff", math_font())
        for path in (self.notebooks / "pictures").iterdir():
            _write(self.out / "pictures" / path.name, path.read_bytes())

    def _write_pages(self, groups: list[tuple[str, list[Page]]]) -> None:
        pages = [page for _, group in groups for page in group]
        contents = [*groups[:-1], (groups[-1][0], [*self.extras, *groups[-1][1]])]
        template = _environment().get_template("page.html.j2")
        for place, page in enumerate(pages):
            before, after = pages[place - 1] if place else None, pages[place + 1] if place + 1 < len(pages) else None
            root = "../" * page.path.count("/")
            text = template.render(
                page=page, contents=contents, before=before, after=after, root=root, book_title=TITLE
            )
            _write(self.out / page.path, text.encode())
        index = [entry for page in pages for entry in searched(page)]
        _write(self.out / "assets" / "search.js", f"book.index = {json.dumps(index, ensure_ascii=False)};\n".encode())


def headings(body: str) -> list[tuple[str, str, str]]:
    """Level, name and HTML of each heading of the first two levels."""
    return re.findall(r'<h([12]) id="([^"]*)">(.*?)<a [^>]*class="anchor', body, re.DOTALL)


def searched(page: Page) -> Iterator[tuple[str, str, str, str, str]]:
    """For each section of a page: path, name, title of the page, heading and prose; code and outputs are left out."""
    prose = re.sub(r'<(pre|style|script)\b.*?</\1>|<div class="wide"><div>.*?</div>', " ", page.body, flags=re.DOTALL)
    parts = re.split(r'<h[1-4] id="([^"]*)">(.*?)<a [^>]*class="anchor.*?</a></h\d>', prose, flags=re.DOTALL)
    for name, heading, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield page.path, name, page.short, plain(heading), " ".join(plain(text).split())


def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES / "book"), autoescape=False, trim_blocks=True)


def _write(path: Path, data: bytes) -> None:
    """Write a file unless it is there with these contents."""
    if not path.is_file() or path.read_bytes() != data:
        with atomic_write(path) as beside:
            beside.write_bytes(data)


def weight(out: Path, page: str) -> tuple[int, int]:
    """Bytes that a page loads: without its widgets' data, and those."""
    body = (out / page).read_text(encoding="utf-8")
    own = len(body.encode()) + sum(
        (out / "assets" / name).stat().st_size for name in ("book.css", "book.js", "mount.js", "math.woff")
    )
    pictures = set(re.findall(r'<img[^>]*src="([^"]+)"', body))
    own += sum((out / page).parent.joinpath(name).stat().st_size for name in pictures)
    files = {name for names in re.findall(r'data-files="([^"]+)"', body) for name in names.split()}
    return own, sum((out / "widgets" / f"{name}.js").stat().st_size for name in files)


def clear(out: Path) -> None:
    """Remove an earlier book, whose pages may be gone. Raises ``InvalidInput`` for a folder that is no book."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / "assets" / "book.js").is_file():
            raise InvalidInput(f"{out} holds something else than a book; name another folder.")
        shutil.rmtree(out)
