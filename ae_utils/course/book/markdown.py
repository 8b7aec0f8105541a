"""Markdown as HTML for the book: formulas as MathML, headings that can be linked to, and links between its pages."""

import html
import re
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from ae_utils.course.book.formulas import mathml

NUMBER = re.compile(r"[\d.,± %−+-]+")


def markdown2html(text: str) -> str:
    """The HTML of a Markdown text."""
    return str(MarkdownWithMath(renderer=_Renderer(escape=False)).render(text))


def slug(heading: str) -> str:
    """The name that a heading is linked by, as on GitHub: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", plain(heading)).strip().lower().replace(" ", "-")


def plain(markup: str) -> str:
    """The text of some HTML; a formula is its letters and signs."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def for_book(markup: str) -> str:
    """The same HTML with links to notebooks and Markdown files turned into links to the book's pages."""
    return re.sub(r'href="(?!\w+:)([^"#]+)\.(?:ipynb|md)(#[^"]*)?"', _page, markup)


def _page(link: re.Match[str]) -> str:
    target = link[1].replace("../results/", "results/")  # notebooks/ is the book's top, results/ is beside it
    return f'href="{target}.html{link[2] or ""}"'


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return f'<span class="formula">{mathml(body.strip(), True)}</span>'

    def inline_math(self, body: str) -> str:
        return mathml(body.strip())

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        name = slug(text)
        link = f'<a class="anchor" href="#{name}" aria-label="link to this section">#</a>'
        return f'<h{level} id="{name}">{text}{link}</h{level}>\n'

    def table(self, text: str) -> str:
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        kind = ' class="number"' if NUMBER.fullmatch(plain(text)) else ""
        return f"  <th{kind}>{text}</th>\n" if head else f"  <td{kind}>{text}</td>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f'<img class="paper" src="{html.escape(url)}" alt="{html.escape(text)}" loading="lazy">'

    def block_code(self, code: str, info: str | None = None) -> str:
        return f'<div class="code">{super().block_code(code, info)}</div>'
