"""Formulas without a network: LaTeX becomes MathML when a page is made, and the book brings the font to set it in."""

import functools
import importlib.resources
import io

from fontTools import subset
from math_core import LatexError, LatexToMathML

from ae_utils.errors import InvalidInput

ITALIC, ITALIC_GREEK = (*range(0x1D434, 0x1D468), 0x210E), range(0x1D6E2, 0x1D71C)  # what an <mi> of one letter shows
SIGNS = (*range(0x20, 0x7F), 0xA0, *range(0x391, 0x3F7), *range(0x2190, 0x2195), *range(0x2200, 0x2270))
OTHERS = map(ord, "¯·×ˆ˜‖…′⁡⋅⌈⌉⌊⌋⏞⏟⊤⟨⟩ℓℝ𝒩𝔼")
_LATEX = LatexToMathML(unicode_substitution="conventional")


@functools.cache
def mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element. Raises ``InvalidInput`` with what is wrong for LaTeX that is no formula."""
    try:
        return str(_LATEX.convert_with_local_state(latex, displaystyle=display))
    except LatexError as error:
        raise InvalidInput(f"the formula {latex!r} cannot be set: {error}") from None


@functools.cache
def math_font() -> bytes:
    """STIX Two Math (SIL Open Font License), cut down to the signs of such formulas, as WOFF."""
    options = subset.Options(flavor="woff", drop_tables=[])
    with importlib.resources.as_file(importlib.resources.files("ziamath") / "fonts/STIXTwoMath-Regular.ttf") as path:
        font = subset.load_font(str(path), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={*ITALIC, *ITALIC_GREEK, *SIGNS, *OTHERS})
    subsetter.subset(font)
    data = io.BytesIO()
    subset.save_font(font, data, options)
    return data.getvalue()
