"""``Predict``: a question whose answer is shown once the learner has committed to one of the choices."""

import html
import re
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from ae_utils.errors import InvalidInput
from ae_utils.widgets.assets import asset


class Predict(anywidget.AnyWidget):
    """A question with choices as radio buttons; after "Commit" the right one and why it is right.

    ``choice`` is the index of the choice committed to, None before; it can be read, set and observed from Python.
    The learner cannot change it, but "Reset" begins again. It works without a kernel.
    """

    _esm = asset("widget.js", "predict.js")
    _css = asset("widget.css", "predict.css")
    _state = traitlets.Dict().tag(sync=True)
    choice = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self, question: str, choices: Sequence[str], answer: int, why: str):
        """``answer``: the index of the right choice. Texts may hold code in backticks; everything else is literal.

        Raises ``InvalidInput`` for fewer than two choices, or an answer that is not one of their indices.
        """
        if isinstance(choices, str) or len(choices) < 2:
            raise InvalidInput(f"choices must be two or more texts, but got {choices!r}.")
        if answer not in range(len(choices)):
            raise InvalidInput(f"answer must be an index from 0 to {len(choices) - 1}, but got {answer}.")
        self._question, self._choices, self._answer, self._why = question, tuple(choices), int(answer), why
        content = {  # html, so that the rule for code is written once
            "question": _html(question),
            "choices": [_html(text) for text in choices],
            "answer": self._answer,
            "why": _html(why),
        }
        super().__init__(_state=content)

    @traitlets.validate("choice")
    def _index(self, proposal: traitlets.Bunch) -> int | None:
        choice: int | None = proposal["value"]
        if choice is not None and choice not in range(len(self._choices)):
            raise InvalidInput(f"choice must be None or from 0 to {len(self._choices) - 1}, but got {choice}.")
        return choice

    def __repr__(self) -> str:
        choices = (f"- {text}" for text in self._choices)
        return "\n".join((self._question, *choices, "Run the notebook to commit to an answer."))

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for readers without a kernel the question, and its answer folded away."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": repr(self), "text/html": self._static_html()}, metadata

    def _static_html(self) -> str:
        choices = [f"<li>{_html(text)}</li>" for text in self._choices]
        answer = f"<p><strong>{_html(self._choices[self._answer])}</strong></p>\n<p>{_html(self._why)}</p>"
        folded = f"<details>\n<summary>answer</summary>\n{answer}\n</details>"
        return "\n".join((f"<p>{_html(self._question)}</p>", "<ul>", *choices, "</ul>", folded))


def _html(text: str) -> str:
    """The text for an html page: code in backticks becomes an element, everything else is escaped."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
