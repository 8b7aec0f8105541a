"""What the README promises is there, and what it shows works."""

import re
from pathlib import Path

import click
import nbformat
import pandas as pd
import pytest
from execute_notebooks import picture

from ae_utils.__main__ import cli
from ae_utils.course.scoreboard.measure import COLUMNS
from ae_utils.course.scoreboard.page import shown
from ae_utils.recipes.registry import RECIPES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<[^>]*>", " ", TEXT, flags=re.DOTALL)
NOT_MEASURED = r"Python 3\.\d+|BY-SA 3\.0|\d\.\d GB"  # versions and the size of the installation
RESULTS = {path.stem: pd.read_csv(path) for path in (ROOT / "results").glob("*.csv")}
LINKS = [link for link in re.findall(r"(?:\]\(|src=\")([^)#\"]+)[)\"]", TEXT) if "://" not in link]


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_every_lesson_is_on_the_map():
    assert {path.name for path in (ROOT / "notebooks").glob("[!.]*.ipynb")} <= {Path(link).name for link in LINKS}


@pytest.mark.parametrize("line", re.findall(r"-m ae_utils ([^#\n]+)", TEXT))
def test_commands_are_understood(line):
    command, arguments = cli, line.split()
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    options = command.make_context(command.name, arguments).params
    assert set(options.get("names", ())) <= set(RECIPES)


def test_the_ten_lines_for_ones_own_project_run(monkeypatch, train, test, capsys):
    few = {"train": train, "test": test}
    monkeypatch.setattr("ae_utils.data.mnist.mnist", lambda split, root=None: few[split])
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert "train" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "pictures").glob("*.png")), ids=lambda path: path.stem)
def test_pictures_are_the_notebooks_own(path):
    notebooks = (nbformat.read(notebook, as_version=4) for notebook in (ROOT / "notebooks").glob("[!.]*.ipynb"))
    cells = [cell for notebook in notebooks for cell in notebook.cells if "picture" in cell.metadata.get("tags", ())]
    assert path.read_bytes() in [picture(cell) for cell in cells if cell.id == path.stem]


def measured(number):
    """Whether some number of results/ is this one, rounded to as many decimals."""
    decimals = len(number.partition(".")[2])
    values = pd.concat([table.select_dtypes("number").stack() for table in RESULTS.values()])
    return (values.abs().round(decimals) - float(number)).abs().lt(1e-9).any()


@pytest.mark.parametrize("number", re.findall(r"(?<![\w.])\d*\.\d+", re.sub(NOT_MEASURED, "", PROSE)))
def test_every_decimal_number_was_measured(number):
    assert measured(number)


def test_the_short_board_says_what_the_scoreboard_says():
    board = RESULTS["scoreboard"].set_index("recipe")
    columns = {title: name for name, (title, *_) in COLUMNS.items()}
    header, *lines = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in re.search(r"^\| recipe \|.*?\n\n", TEXT, re.DOTALL | re.MULTILINE)[0].strip().splitlines()
    ]
    assert len(lines) > 5
    for name, _, *cells in lines[1:]:
        assert cells == [shown(board.loc[name], columns[title]) for title in header[2:]], name


def test_the_board_has_a_line_for_every_system():
    assert set(RESULTS["scoreboard"]["system"]) >= set(range(1, 17))


def test_the_readme_says_where_bits_and_processes_agree():
    said = " ".join(TEXT.split())
    assert "The same seed gives the same bits on the CPU of the same machine, with the same versions" in said
    assert "so is the KL of `sparse-kl`, whose mean activation is taken over the part" in said
