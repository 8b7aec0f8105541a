"""What a caller got wrong has a class of its own; a mistake of ours is never taken for it."""

import ast
from pathlib import Path

import pytest

import ae_utils.runs.use as use
from ae_utils.__main__ import main
from ae_utils.errors import CheckpointError, InvalidInput
from ae_utils.training.step import Diverged
from ae_utils.widgets.graph import Unsupported

PACKAGE = Path(__file__).parents[1] / "ae_utils"


@pytest.mark.parametrize("kind", [CheckpointError, Diverged, Unsupported])
def test_every_refusal_is_invalid_input(kind):
    assert issubclass(kind, InvalidInput) and issubclass(InvalidInput, ValueError)


@pytest.mark.parametrize(
    "mistake", [ValueError("of ours"), KeyError("of ours")], ids=lambda error: type(error).__name__
)
def test_a_mistake_of_ours_keeps_its_traceback(mistake, tmp_path, monkeypatch):
    def wrong(folder):
        raise mistake

    monkeypatch.setattr(use, "load_model", wrong)
    with pytest.raises(type(mistake), match="of ours"):
        main(["explore", str(tmp_path)])


@pytest.mark.parametrize("error", [InvalidInput("no such thing."), OSError("no such place.")])
def test_what_was_asked_wrongly_gets_one_line(error, tmp_path, monkeypatch, capsys):
    def refuse(folder):
        raise error

    monkeypatch.setattr(use, "load_model", refuse)
    assert main(["explore", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"ae_utils: {error}\n"


def raised(path):
    """The plain ``ValueError``s that a file raises, by the function that does."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            calls = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
            names = [call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)]
            yield from (function.name for name in names if name == "ValueError")


def test_nothing_is_refused_with_a_plain_value_error():
    rooms = [path for path in PACKAGE.rglob("*.py") if PACKAGE / "course" / "checks" not in path.parents]
    assert not [name for path in rooms for name in raised(path)]
