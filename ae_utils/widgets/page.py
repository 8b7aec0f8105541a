"""One self-contained page with a widget and its trained networks in it: no server, no network, just a file to open."""

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from torch import Tensor

from ae_utils.errors import InvalidInput
from ae_utils.files import atomic_write
from ae_utils.widgets.assets import asset
from ae_utils.widgets.explorer import SCRIPT, STYLE
from ae_utils.widgets.graph import Unsupported
from ae_utils.widgets.state import Decoder, ExplorerState


def write_page(
    path: str | Path,
    decoder: Decoder,
    latent_dim: int | None = None,
    *,
    codes: Tensor | None = None,
    labels: Tensor | None = None,
    label_choices: Iterable[int] = (),
    slider_range: float = 3.0,
    images: Tensor | None = None,
    title: str = "Latent explorer",
) -> Path:
    """Write the explorer of a decoder as one html file and return its path; the arguments are ``LatentExplorer``'s.

    The file is written beside its place and then renamed, so that no half of it is ever seen. Raises ``InvalidInput``
    for arguments that do not fit together and for a decoder that the page cannot run (with the reason), ``OSError``
    for a place that cannot be written.
    """
    state = ExplorerState(decoder, latent_dim, codes, labels, tuple(label_choices or ()), slider_range, images)
    try:
        content = {**state.for_page(), "graph": state.graph()}
    except Unsupported as reason:
        raise InvalidInput(f"This decoder cannot run in a page: {reason}.") from None
    traits = {"z": content["start"], "label": state.label}
    return write_widget_page(path, content, traits, style=STYLE, script=SCRIPT, title=title)


def write_widget_page(
    path: str | Path,
    state: dict[str, Any],
    traits: dict[str, Any],
    *,
    style: str,
    script: str,
    title: str,
    width: str = "60rem",
) -> Path:
    """Write a widget, its script, its ``state`` and other ``traits``, as one html file and return its path.

    Raises ``OSError`` for a place that cannot be written.
    """
    page = Template(asset("page.html")).substitute(
        title=html.escape(title),
        width=width,
        style=style,
        script=script,
        # "<" is written as an escape, because "</script>" would end the element that holds the data
        state=json.dumps(state, default=_text).replace("<", "\\u003c"),
        traits=json.dumps(traits),
    )
    with atomic_write(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return Path(path)


def _text(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii")}
