"""The parts of a diagram as SVG text: boxes, arrows, words and small digits, in one style.

All coordinates are those of a sheet 720 wide, with y downwards. Everything is plain text with fixed coordinates, so the
same bytes come out on every machine. A sheet has a white background of its own, to be readable on a dark page too.
"""

import math
from collections.abc import Sequence
from html import escape

WIDTH, SHOWN = 720, 800  # of the sheet: in its own units, and in pixels where nothing else is asked for
FONT, SMALL = 17, 15  # sizes of text
SANS = "Helvetica, Arial, 'Liberation Sans', sans-serif"
MONO = "Menlo, Consolas, 'Liberation Mono', monospace"
INK, MUTED, PAPER, EDGE = "#1f2328", "#57606a", "#ffffff", "#d0d7de"
STYLES = {  # role: fill, stroke and the colour of words
    "image": ("#f6f8fa", "#57606a", INK),
    "encoder": ("#d6e8fa", "#2a6cb0", "#17456f"),
    "code": ("#ffe9b8", "#b07800", "#6b4900"),
    "decoder": ("#d3efdf", "#22835a", "#125238"),
    "loss": ("#fde0dc", "#c23b2e", "#8a2118"),
    "noise": ("#e9e1f8", "#6f52b5", "#47308a"),
    "label": ("#f0f2f4", "#57606a", INK),
    "ink": (PAPER, "#3d444d", INK),
}
GREY = "#57606a"  # of arrows that carry no image
Point = tuple[float, float]


def document(title: str, height: float, *parts: str) -> str:
    """A whole SVG file on a white sheet of the given height; ``title`` is what a screen reader says."""
    sheet = f'<rect x="1" y="1" width="{WIDTH - 2}" height="{_n(height - 2)}" rx="10" fill="{PAPER}" stroke="{EDGE}"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SHOWN}" height="{_n(height * SHOWN / WIDTH)}" '
        f'viewBox="0 0 {WIDTH} {_n(height)}" role="img" font-family="{SANS}" font-size="{FONT}" fill="{INK}">'
    )
    return "\n".join((head, f"<title>{escape(title)}</title>", sheet, *parts, "</svg>")) + "\n"


def text(
    x: float, y: float, words: str, *, size: float = FONT, anchor: str = "middle", colour: str = INK, bold: bool = False
) -> str:
    """One line of text whose baseline is ``y``; names between backticks are set as code."""
    pieces = words.split("`")
    spans = [
        f'<tspan font-family="{MONO}">{escape(piece)}</tspan>' if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    ]
    look = f' font-size="{_n(size)}"' if size != FONT else ""
    look += f' text-anchor="{anchor}"' if anchor != "start" else ""
    look += f' fill="{colour}"' if colour != INK else ""
    look += ' font-weight="bold"' if bold else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{look}>{"".join(spans)}</text>'


def lines(x: float, y: float, *words: str, size: float = FONT, colour: str = INK, anchor: str = "middle") -> str:
    """Lines of text one below the other, centred on ``y``."""
    step = 1.25 * size
    first = y - step * (len(words) - 1) / 2 + 0.35 * size
    rows = (
        text(x, first + step * row, line, size=size, colour=colour, anchor=anchor) for row, line in enumerate(words)
    )
    return "\n".join(rows)


def box(
    x: float, y: float, width: float, height: float, role: str, *words: str, size: float = FONT, dashed: bool = False
) -> str:
    """A rounded rectangle with lines of text in its middle; ``x`` and ``y`` are its upper left corner."""
    fill, stroke, ink = STYLES[role]
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    shape = (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="6" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.5"{dash}/>'
    )
    return shape + "\n" + lines(x + width / 2, y + height / 2, *words, size=size, colour=ink)


def trapezoid(x: float, y: float, width: float, left: float, right: float, role: str, *words: str) -> str:
    """A network, ``left`` and ``right`` high at its ends; ``y`` is its middle."""
    fill, stroke, ink = STYLES[role]
    corners = [(x, y - left / 2), (x + width, y - right / 2), (x + width, y + right / 2), (x, y + left / 2)]
    return polygon(corners, fill, stroke) + "\n" + lines(x + width / 2, y, *words, colour=ink)


def rectangle(
    x: float, y: float, width: float, height: float, fill: str, stroke: str = "none", *, opacity: float = 1
) -> str:
    """A plain rectangle, such as a cell of a matrix."""
    look = f' stroke="{stroke}"' if stroke != "none" else ""
    look += f' fill-opacity="{_n(opacity)}"' if opacity < 1 else ""
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{fill}"{look}/>'


def polygon(corners: Sequence[Point], fill: str, stroke: str = "none") -> str:
    """A filled shape."""
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in corners)
    edge = f' stroke="{stroke}" stroke-width="1.5" stroke-linejoin="round"' if stroke != "none" else ""
    return f'<polygon points="{points}" fill="{fill}"{edge}/>'


def circle(x: float, y: float, radius: float, role: str, words: str = "") -> str:
    """A circle with a sign in it."""
    fill, stroke, ink = STYLES[role]
    shape = f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
    return shape + ("\n" + lines(x, y, words, colour=ink) if words else "")


def line(*points: Point, colour: str = INK, width: float = 1.8, dashed: bool = False) -> str:
    """A line through points."""
    path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{_n(width)}" stroke-linejoin="round"{dash}/>'


def arrow(*points: Point, colour: str = "#3d444d", width: float = 1.8, dashed: bool = False) -> str:
    """A line through points with a head at the last one."""
    (x0, y0), (x, y) = points[-2:]
    length = math.hypot(x - x0, y - y0)
    dx, dy = (x - x0) / length, (y - y0) / length
    back = (x - 9 * dx, y - 9 * dy)
    head = [(x, y), (back[0] - 4.5 * dy, back[1] + 4.5 * dx), (back[0] + 4.5 * dy, back[1] - 4.5 * dx)]
    return line(*points[:-1], (x - 7 * dx, y - 7 * dy), colour=colour, width=width, dashed=dashed) + polygon(
        head, colour
    )


def picture(x: float, y: float, side: float, levels: Sequence[str], *caption: str) -> str:
    """A digit on a black square, from rows of hexadecimal grey levels; the caption stands below it."""
    runs: dict[str, list[str]] = {}
    for row, values in enumerate(levels):
        start = 0
        for column in range(1, len(values) + 1):
            if column == len(values) or values[column] != values[start]:
                runs.setdefault(values[start], []).append(f"M{start} {row}h{column - start}v1H{start}z")
                start = column
    scale = side / len(levels)
    paths = [f'<path fill="#{level * 3}" d="{"".join(runs[level])}"/>' for level in sorted(runs) if level != "0"]
    frame = f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(side)}" height="{_n(side)}" fill="#000"/>'
    group = f'<g transform="translate({_n(x)} {_n(y)}) scale({scale:.5g})" shape-rendering="crispEdges">'
    below = [lines(x + side / 2, y + side + 14 + 0.5 * FONT * (len(caption) - 1), *caption)] if caption else []
    return "\n".join((frame, group + "".join(paths) + "</g>", *below))


def _n(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{round(value, 2) + 0:g}"
