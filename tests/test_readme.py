"""What the README promises is there, and what it shows works."""

import re
from pathlib import Path

import nbformat
import pytest
from execute_notebooks import picture

from ae_utils.__main__ import _parser
from ae_utils.recipes.catalogue import RECIPES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_every_lesson_is_on_the_map():
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= {Path(link).name for link in LINKS}


@pytest.mark.parametrize("line", re.findall(r"-m ae_utils ([^#\n]+)", TEXT))
def test_commands_are_understood(line):
    options = _parser().parse_args(line.split())
    assert set(getattr(options, "names", ())) <= set(RECIPES)


def test_the_ten_lines_for_ones_own_project_run(monkeypatch, train, test, capsys):
    few = {"train": train, "test": test}
    monkeypatch.setattr("ae_utils.data.mnist.mnist", lambda split, root=None: few[split])
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert "train" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "pictures").glob("*.png")), ids=lambda path: path.stem)
def test_pictures_are_the_notebooks_own(path):
    notebooks = (nbformat.read(notebook, as_version=4) for notebook in (ROOT / "notebooks").glob("*.ipynb"))
    cells = [cell for notebook in notebooks for cell in notebook.cells if "picture" in cell.metadata.get("tags", ())]
    assert path.read_bytes() in [picture(cell) for cell in cells if cell.id == path.stem]
