"""Hands a widget's script and state over with its output, for pages in which it runs without a kernel.

Only the kernels that execute lessons for the book are told to (``STARTUP``): the notebooks in the repository never hold
what is handed over here.
"""

import base64
import json
from typing import Any

import anywidget

MIME = "application/vnd.ae-utils.widget+json"
STARTUP = f"from {__name__} import install\ninstall()\ndel install\n"
_SCRIPTS = ("_esm", "_css", "_anywidget_id")


def install() -> None:
    """From now on every widget that is shown adds ``MIME`` to its output."""
    plain = anywidget.AnyWidget._repr_mimebundle_

    def with_state(self: anywidget.AnyWidget, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = plain(self, **kwargs) or ({}, {})
        kept = captured(self)
        return ({**data, MIME: kept} if kept else data), metadata

    anywidget.AnyWidget._repr_mimebundle_ = with_state  # type: ignore[method-assign]


def captured(widget: anywidget.AnyWidget) -> dict[str, Any] | None:
    """Name, script, style and synchronised traits of a widget, bytes as ``{"base64": …}``.

    None for a widget that needs its kernel: an explorer whose decoder the page cannot evaluate.
    """
    if getattr(widget, "reason", None):
        return None
    names = set(widget.traits(sync=True)) - set(anywidget.AnyWidget.class_traits()) - set(_SCRIPTS)
    traits = {name: getattr(widget, name) for name in sorted(names)}
    content = json.loads(json.dumps(traits, default=_text))
    return {"widget": type(widget).__name__, "script": widget._esm, "style": widget._css, "traits": content}


def _text(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii")}
