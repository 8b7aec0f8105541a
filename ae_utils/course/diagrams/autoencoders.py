"""Diagrams of lessons 01 to 03: the hourglass, the convolutional encoder, the transposed convolution, the penalties."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ae_utils.course.diagrams.digits import digits
from ae_utils.course.diagrams.svg import (
    EDGE,
    INK,
    MUTED,
    SMALL,
    STYLES,
    arrow,
    box,
    circle,
    document,
    line,
    lines,
    picture,
    polygon,
    rectangle,
    text,
    trapezoid,
)

RED = STYLES["loss"][1]


def hourglass() -> str:
    """784 → 128 → 64 → 12 → 3 and back, as in lesson 01, with a digit and its reconstruction from three numbers."""
    middle, heights = 128, {784: 188, 128: 136, 64: 108, 12: 80, 3: 54}
    widths = (784, 128, 64, 12, 3, 12, 64, 128, 784)
    places = [144 + 54 * number for number in range(9)]
    parts = [
        picture(18, middle - 44, 88, digits()["x"], "`x`"),
        arrow((108, middle), (134, middle)),
        *_layers(middle, places, [heights[width] for width in widths]),
        arrow((584, middle), (610, middle)),
        picture(614, middle - 44, 88, digits()["linear"], "`x_hat`"),
    ]
    for x, width in zip(places, widths, strict=True):
        parts.append(text(x, middle - heights[width] / 2 - 11, f"{width}", size=SMALL))
    for x, name, words in ((252, "encoder", "encoder"), (360, "code", "code `z`"), (468, "decoder", "decoder")):
        parts.append(text(x, 252, words, colour=STYLES[name][2], bold=True))
    parts.append(line((places[4], middle + 34), (places[4], 234), colour=STYLES["code"][1]))
    parts += _compared(middle, 272, "loss: mean of (`x_hat` − `x`)²")
    return document("An autoencoder as an hourglass", 324, *parts)


def _compared(middle: float, y: float, words: str, ends: tuple[float, float] = (62, 658)) -> Iterator[str]:
    """The loss at height ``y``, with arrows from the pictures at ``ends``, whose middle is given."""
    yield box(170, y, 380, 34, "loss", words)
    for x, end in zip(ends, (168, 552), strict=True):
        yield arrow((x, middle + 74), (x, y + 17), (end, y + 17), colour=RED)


def _layers(middle: float, places: Sequence[float], heights: Sequence[float]) -> Iterator[str]:
    """Layers as bars, the weights between them as shaded areas, the code as three circles."""
    for number, ((x0, x1), (h0, h1)) in enumerate(zip(pairwise(places), pairwise(heights), strict=True)):
        corners = [(x0, middle - h0 / 2), (x1, middle - h1 / 2), (x1, middle + h1 / 2), (x0, middle + h0 / 2)]
        yield polygon(corners, STYLES["encoder" if number < 4 else "decoder"][0])
    for number, (x, height) in enumerate(zip(places, heights, strict=True)):
        colour = STYLES["image" if number in (0, 8) else "encoder" if number < 4 else "decoder"][1]
        if number != 4:
            yield line((x, middle - height / 2), (x, middle + height / 2), colour=colour, width=8)
    yield from (circle(places[4], middle + 19 * row, 8, "code") for row in (-1, 0, 1))


# --- lesson 02 -----------------------------------------------------------------------------------------------------


def convolutional_encoder() -> str:
    """The encoder of lesson 02 as blocks of tensors, with a kernel's place and the number it gives shaded."""
    middle, blocks = 128, [Block(22, 28, 0), Block(284, 14, 34), Block(476, 7, 58), Block(630, 1, 84)]
    shapes = ((92, "1 × 28 × 28"), (334, "16 × 14 × 14"), (517, "32 × 7 × 7"), (664, "64 × 1 × 1"))
    parts = [picture(22, middle - 70, 140, digits()["x"])]
    for number, block in enumerate(blocks[1:], 1):
        parts += _cuboid(block, middle, "code" if number == 3 else "encoder")
    parts += _kernel(middle, (blocks[0], 17, 7, 3), (blocks[1], 9, 4))
    parts += _kernel(middle, (blocks[1], 7, 9, 3), (blocks[2], 4, 5))
    parts += _kernel(middle, (blocks[2], 0, 0, 7), (blocks[3], 0, 0))
    parts += [text(92, 44, "`x`"), text(648, 64, "`z`: 64 numbers", size=SMALL, colour=STYLES["code"][2])]
    parts += [text(x, 228, shape, size=SMALL) for x, shape in shapes]
    layers = ((150, 278, "16 kernels 3 × 3", "stride 2"), (390, 470, "32 kernels 3 × 3", "stride 2"))
    for left, right, *words in (*layers, (565, 615, "64 kernels 7 × 7", "one place each")):
        parts.append(arrow((left, 223), (right, 223)))
        after = "then ReLU" if left < 500 else "no activation"
        words = ["`Conv2d`", *words, after]
        parts.append(lines((left + right) / 2, 284, *words, size=SMALL, colour=STYLES["encoder"][2]))
    mirrored = "The decoder is the mirror image, with transposed convolutions and a sigmoid at the end."
    parts.append(text(360, 356, mirrored, size=SMALL, colour=MUTED))
    return document("The convolutional encoder as blocks of tensors", 376, *parts)


PIXEL = 5


class Block(NamedTuple):
    """Feature maps: the left edge of their front, the side in pixels, and how far the channels run to the back."""

    left: float
    side: int
    depth: float


def _cuboid(block: Block, middle: float, role: str) -> Iterator[str]:
    """A block seen from the front: ``side`` high and wide, its channels running to the back."""
    fill, stroke, _ = STYLES[role]
    left, side = block.left, block.side * PIXEL
    top, right, bottom = middle - side / 2, left + side, middle + side / 2
    dx, dy = 0.8 * block.depth, -0.45 * block.depth
    upper = [(left, top), (left + dx, top + dy), (right + dx, top + dy), (right, top)]
    beside = [(right, top), (right + dx, top + dy), (right + dx, bottom + dy), (right, bottom)]
    yield polygon(upper, SHADES[role][0], stroke)
    yield polygon(beside, SHADES[role][1], stroke)
    yield polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, stroke)


SHADES = {"encoder": ("#eaf3fc", "#b9d5f0"), "code": ("#fff5dc", "#fbd98a")}  # of a block's upper side and right side


def _kernel(middle: float, source: tuple[Block, int, int, int], goal: tuple[Block, int, int]) -> Iterator[str]:
    """A kernel's place (row, column, size) on one block, and lines to the number (row, column) that it gives."""
    (block, row, column, size), (onto, to_row, to_column) = source, goal
    x, y = block.left + column * PIXEL, middle + (row - block.side / 2) * PIXEL
    to_x, to_y = onto.left + to_column * PIXEL, middle + (to_row - onto.side / 2) * PIXEL
    colour, side = STYLES["code"][1], size * PIXEL
    for edge, to_edge in ((y, to_y), (y + side, to_y + PIXEL)):
        yield line((x + side, edge), (to_x, to_edge), colour=colour, width=1.2)
    yield rectangle(x, y, side, side, "#ffd166", colour, opacity=0.55)
    if onto.side > 1:
        yield rectangle(to_x, to_y, PIXEL, PIXEL, colour)


CELL = 28
STAMPS = ("#f7c873", "#9cc9f0", "#a6dcc0")  # one colour for each place of the kernel


def transposed_convolution() -> str:
    """A convolution of stride 2 with the kernel (1, 2, 3) as a matrix, 7 → 3, and its transpose, 3 → 7."""
    rows = [[0] * 2 * place + [1, 2, 3] + [0] * (4 - 2 * place) for place in range(3)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    given = [[f"x{sub}"] for sub in "₀₁₂₃₄₅₆"]
    sums = ["x₀ + 2x₁ + 3x₂", "x₂ + 2x₃ + 3x₄", "x₄ + 2x₅ + 3x₆"]
    stamped = ["a", "2a", "3a + b", "2b", "3b + c", "2c", "3c"]
    top, middle = 84, 84 + 3.5 * CELL
    parts = [
        text(212, 34, "Convolution with stride 2: 7 → 3", bold=True),
        text(576, 34, "Its transpose: 3 → 7", bold=True),
        text(212, 58, "each row: the kernel (1, 2, 3) at one place", size=SMALL, colour=MUTED),
        text(576, 58, "each column: the kernel at one place", size=SMALL, colour=MUTED),
        line((429, 20), (429, 312), colour=EDGE),
        *_matrix(18, middle - 1.5 * CELL, rows, by_row=True),
        text(224, middle + 6, "·"),
        *_column(236, top, [name for (name,) in given], 30, [PAPER_CELL] * 7),
        text(278, middle + 6, "="),
        *_column(290, middle - 1.5 * CELL, sums, 118, list(STAMPS)),
        *_matrix(452, top, columns, by_row=False),
        text(548, middle + 6, "·"),
        *_column(560, middle - 1.5 * CELL, ["a", "b", "c"], 30, list(STAMPS)),
        text(602, middle + 6, "="),
        *_column(614, top, stamped, 80, [STAMPS[0]] * 2 + ["both"] + [STAMPS[1]] + ["both"] + [STAMPS[2]] * 2),
    ]
    parts += [
        text(116, 310, "`C`, 3 × 7", size=SMALL),
        text(494, 310, "`C.T`, 7 × 3", size=SMALL),
        text(654, 310, "overlaps add up", size=SMALL),
    ]
    return document("A convolution as a matrix, and its transpose", 330, *parts)


PAPER_CELL = "#f6f8fa"


def _matrix(left: float, top: float, rows: list[list[int]], *, by_row: bool) -> Iterator[str]:
    """A matrix whose entries of one place of the kernel share a colour; zeros are pale."""
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            fill = STAMPS[i if by_row else j] if value else PAPER_CELL
            yield from _cell(left + j * CELL, top + i * CELL, CELL, str(value), [fill], INK if value else "#8c959f")


def _column(left: float, top: float, words: list[str], width: float, fills: list[str]) -> Iterator[str]:
    """A vector: one cell per number; a number that two places of the kernel reach has both of their colours."""
    for row, (word, fill) in enumerate(zip(words, fills, strict=True)):
        colours = [STAMPS[row // 2 - 1], STAMPS[row // 2]] if fill == "both" else [fill]
        yield from _cell(left, top + row * CELL, width, word, colours, INK)


def _cell(x: float, y: float, width: float, word: str, fills: list[str], colour: str) -> Iterator[str]:
    part = width / len(fills)
    yield from (rectangle(x + number * part, y, part, CELL, fill) for number, fill in enumerate(fills))
    yield rectangle(x, y, width, CELL, "none", "#8c959f")
    yield lines(x + width / 2, y + CELL / 2, word, size=SMALL, colour=colour)


# --- lesson 03 -----------------------------------------------------------------------------------------------------


def regularizers() -> str:
    """Where the four ways of lesson 03 act on an autoencoder whose code is wider than the image."""
    middle = 172
    parts = [
        picture(18, middle - 37, 74, digits()["x"], "`x`"),
        arrow((94, middle), (106, middle)),
        circle(121, middle, 13, "noise", "+"),
        arrow((136, middle), (148, middle)),
        picture(152, middle - 37, 74, digits()["noisy"], "`corrupt(x)`"),
        arrow((228, middle), (252, middle)),
        trapezoid(254, middle, 108, 92, 118, "encoder", "encoder"),
        arrow((364, middle), (384, middle)),
        box(386, middle - 62, 76, 124, "code", "`z`", "1,024", "units"),
        arrow((464, middle), (484, middle)),
        trapezoid(486, middle, 108, 118, 92, "decoder", "decoder"),
        arrow((596, middle), (624, middle)),
        picture(628, middle - 37, 74, digits()["denoised"], "`x_hat`"),
    ]
    parts += [
        box(18, 20, 206, 56, "noise", "Denoising:", "noise on the input", size=SMALL),
        arrow((121, 78), (121, middle - 16), colour=STYLES["noise"][1]),
        box(
            264,
            20,
            320,
            56,
            "loss",
            "L1: few units active for each image",
            "KL: each unit’s mean activation near `rho`",
            size=SMALL,
        ),
        arrow((424, 78), (424, middle - 65), colour=RED),
        line((189, 240), (189, 254), (424, 254), (424, 238), colour=RED),
        arrow((308, 274), (308, 257), colour=RED),
        box(164, 276, 288, 34, "loss", "Contractive: squared Jacobian ∂`z`/∂`x`", size=SMALL),
        *_compared(middle, 334, "`reconstruction + weight · penalty`", ends=(55, 665)),
        text(360, 392, "The lesson uses one of the four at a time.", size=SMALL, colour=MUTED),
    ]
    return document("Four ways to keep an autoencoder from copying", 410, *parts)
