"""Ten marker shapes, one for each class: as paths for matplotlib, and the same paths as SVG data for the page."""

import numpy as np
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

SHAPES = (  # matplotlib's name, and a factor that makes all of them look equally large
    ("o", 1.0), ("s", 0.88), ("^", 1.08), ("v", 1.08), ("D", 0.82),
    ("P", 1.1), ("ring", 1.05), ("*", 1.4), ("bar", 1.2), ("X", 1.1),
)  # fmt: skip
HOLE, THICKNESS = 0.5, 0.36  # of the ring and the bar, as fractions of their width
SVG_COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def marker_paths() -> list[Path]:
    """Each shape around 0, about 1 wide; filled with the nonzero rule, the ring has a hole."""
    return [Affine2D().scale(factor).transform_path(_shape(name)) for name, factor in SHAPES]


def svg_data(path: Path) -> str:
    """The path as data for SVG and ``Path2D``, where y points down."""
    pieces = []
    for vertices, code in path.iter_segments(simplify=False, curves=True):
        numbers = np.round(vertices.reshape(-1, 2) * (1, -1), 4) + 0.0  # no −0
        places = "" if code == Path.CLOSEPOLY else " ".join(f"{x:g} {y:g}" for x, y in numbers)
        pieces.append(SVG_COMMANDS[code] + places)
    return "".join(pieces)


def _shape(name: str) -> Path:
    if name == "ring":
        angles = np.linspace(0, 2 * np.pi, 33)
        circle = 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        parts = [Path(vertices, closed=True) for vertices in (circle, HOLE * circle[::-1])]
        return Path.make_compound_path(*parts)
    if name == "bar":
        return Affine2D().translate(-0.5, -0.5).scale(1, THICKNESS).transform_path(Path.unit_rectangle())
    style = MarkerStyle(name)
    return style.get_transform().transform_path(style.get_path())
