"""``Predict``: its arguments, what readers without a kernel get, what is escaped, and ``choice`` from Python."""

from html.parser import HTMLParser

import nbformat
import pytest
from execute_notebooks import tidy
from traitlets import TraitError

from ae_utils.errors import InvalidInput
from ae_utils.widgets.predict import Predict

CHOICES = ("it grows", "`x < y` & more", "a <b> in **bold**")


def predict(**changes):
    arguments = {
        "question": "What does `z` do?",
        "choices": CHOICES,
        "answer": 1,
        "why": '`beta` > 1, "so" it\'s that.',
    }
    return Predict(**arguments | changes)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"choices": ["one"], "answer": 0}, "two or more"),
        ({"choices": [], "answer": 0}, "two or more"),
        ({"choices": "yes", "answer": 0}, "two or more"),
        ({"answer": 3}, "answer must be an index from 0 to 2, but got 3"),
        ({"answer": -1}, "answer must be an index"),
        ({"answer": 0.5}, "answer must be an index"),
        ({"answer": "it grows"}, "answer must be an index"),
        ({"answer": None}, "answer must be an index"),
    ],
)
def test_arguments_that_do_not_fit_get_a_sentence(changes, words):
    with pytest.raises(InvalidInput, match=words):
        predict(**changes)


def test_the_choice_is_read_set_and_observed():
    widget, seen = predict(), []
    widget.observe(lambda change: seen.append(change["new"]), "choice")
    assert widget.choice is None
    widget.choice = 2
    for wrong in (3, -1):
        with pytest.raises(InvalidInput, match="choice must be None or from 0 to 2"):
            widget.choice = wrong
    with pytest.raises(TraitError):
        widget.choice = "it grows"
    widget.choice = None
    assert seen == [2, None]


def test_code_becomes_an_element_and_all_else_is_escaped():
    state = predict()._state
    assert state["question"] == "What does <code>z</code> do?"
    assert state["choices"] == ["it grows", "<code>x &lt; y</code> &amp; more", "a &lt;b&gt; in **bold**"]
    assert state["why"] == '<code>beta</code> &gt; 1, "so" it\'s that.'
    assert [predict(question=text)._state["question"] for text in ("a ` alone", "`` empty")] == [
        "a ` alone",
        "`` empty",
    ]
    assert predict(question="`<i>`")._state["question"] == "<code>&lt;i&gt;</code>"


def test_readers_without_a_kernel_get_text_and_html():
    bundle, _ = predict()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == (
        "What does `z` do?\n- it grows\n- `x < y` & more\n- a <b> in **bold**\nRun the notebook to commit to an answer."
    )
    assert bundle["text/html"] == (
        "<p>What does <code>z</code> do?</p>\n"
        "<ul>\n"
        "<li>it grows</li>\n"
        "<li><code>x &lt; y</code> &amp; more</li>\n"
        "<li>a &lt;b&gt; in **bold**</li>\n"
        "</ul>\n"
        "<details>\n"
        "<summary>answer</summary>\n"
        "<p><strong><code>x &lt; y</code> &amp; more</strong></p>\n"
        '<p><code>beta</code> &gt; 1, "so" it\'s that.</p>\n'
        "</details>"
    )


def test_what_readers_get_never_changes():
    widget = predict()
    before, _ = widget._repr_mimebundle_()
    widget.choice = 0
    for other in (widget, predict()):
        after, _ = other._repr_mimebundle_()
        assert all(after[kind] == before[kind] for kind in ("text/plain", "text/html"))


def test_a_tidied_notebook_keeps_text_and_html():
    bundle, _ = predict()._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=bundle)
    tidied = tidy(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))
    assert tidied.cells[0].outputs[0].data == {kind: bundle[kind] for kind in ("text/plain", "text/html")}


def test_the_answer_is_folded_away():
    """Whatever tells it stands inside <details>, after its summary."""

    class Reader(HTMLParser):
        depth, seen, folded = 0, "", ""

        def handle_starttag(self, tag, attributes):
            self.depth += tag == "details"
            assert attributes == []

        def handle_endtag(self, tag):
            self.depth -= tag == "details"

        def handle_data(self, text):
            if self.depth:
                self.folded += text
            else:
                self.seen += text

    reader = Reader()
    reader.feed(predict(why="Because.")._repr_mimebundle_()[0]["text/html"])
    assert "Because." in reader.folded and "Because." not in reader.seen
    assert all(text in reader.seen for text in ("What does z do?", "it grows", "x < y & more", "a <b> in **bold**"))
