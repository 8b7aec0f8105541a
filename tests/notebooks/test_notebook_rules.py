"""Tests of the tests: a notebook doctored in one place must turn exactly the right rule red."""

import copy
import json
import sys

import nbformat
import processes
import pytest
from claim_values import comparisons, instrumented, sides
from execute_notebooks import ROOT, Refused, execute, main
from notebook_rules import (
    code_cells,
    hygiene,
    prose,
    read,
    run_claims,
    unclaimed_numbers,
    untrained_claims,
    with_settings,
    wrong_definitions,
    wrong_mirrors,
    wrong_records,
)
from try_claims import main as try_claims

LESSON = ROOT / "notebooks" / "01_linear_autoencoder.ipynb"
CELLS = (
    ("markdown", "title", "# A small lesson\nThe error falls to 0.25, by 50 %.", ()),
    ("code", "settings", "seed = 0  # any number\nepochs = 4", ("settings",)),
    ("markdown", "training", "It learns.", ()),
    ("code", "error", "error = 1 / (1 + epochs)\nprint(f'{epochs} epochs, error {error:.3f}')", ()),
    ("markdown", "look", "It has learned.", ()),
    ("code", "claims", "assert error < 0.25\nassert 100 * error < 50\nprint('holds')", ("claims", "quality")),
)


def small_notebook(**sources):
    """A tiny lesson, executed; ``sources`` replace the code of cells by id (with _ for -)."""
    notebook = nbformat.v4.new_notebook()
    for kind, name, source, tags in CELLS:
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        source = sources.get(name.replace("-", "_"), source)
        notebook.cells.append(make(source, id=name, metadata={"tags": list(tags)} if tags else {}))
    return notebook


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    return execute(small_notebook(), tmp_path_factory.mktemp("small"))


@pytest.fixture
def lesson():
    return read(LESSON)


def nbval(*paths):
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--nbval")
    return processes.run(*command, *paths, cwd=ROOT)


# --- red, each in its place ----------------------------------------------------------------------------------------


def test_a_changed_output_text_turns_nbval_red_and_other_decimals_do_not(executed, tmp_path):
    other_decimals, other_text = copy.deepcopy(executed), copy.deepcopy(executed)
    other_decimals.cells[3].outputs[0].text = "4 epochs, error 0.201\n"
    other_text.cells[3].outputs[0].text = "5 epochs, error 0.200\n"
    nbformat.write(other_decimals, tmp_path / "decimals.ipynb")
    nbformat.write(other_text, tmp_path / "text.ipynb")
    result = nbval(tmp_path / "decimals.ipynb", tmp_path / "text.ipynb")
    assert result.returncode == 1 and "Cell outputs differ" in result.stdout, result.stdout
    assert "1 failed" in result.stdout and "decimals.ipynb" not in result.stdout, result.stdout


def test_a_stripped_notebook_turns_hygiene_red(lesson):
    assert hygiene(lesson) == []
    for cell in code_cells(lesson):
        cell.outputs, cell.execution_count = [], None
    assert any("execution counts" in complaint for complaint in hygiene(lesson))


def test_stripped_outputs_under_kept_counts_turn_hygiene_red(lesson):
    for cell in code_cells(lesson):
        cell.outputs = []
    assert any("has no output" in complaint for complaint in hygiene(lesson))


def test_a_wrong_number_in_the_prose_turns_red(lesson):
    assert unclaimed_numbers(lesson) == []
    text = next(cell for cell in lesson.cells if cell.cell_type == "markdown")
    text.source += "\nThe error is 0.98765, which is 61 % of it."
    complaints = unclaimed_numbers(lesson)
    assert [number in complaint for number, complaint in zip(("0.98765", "61"), complaints, strict=True)] == [True] * 2


def test_a_changed_definition_turns_red(lesson):
    assert wrong_definitions(lesson) == []
    cell = next(cell for cell in code_cells(lesson, "defines") if "return" in cell.source)
    cell.source = cell.source.replace("return", "0; return", 1)
    assert any("differs from the package's" in complaint for complaint in wrong_definitions(lesson))


@pytest.fixture
def package(tmp_path):
    """A package whose only function has a decorator, a docstring and annotations."""
    source = '@torch.no_grad()\ndef mean(x: Tensor) -> Tensor:\n    """The mean."""\n    return x.mean()\n'
    (tmp_path / "functions.py").write_text(source)
    return tmp_path


def defining(source):
    """A notebook with one cell, which defines something of the package."""
    cell = nbformat.v4.new_code_cell(source, id="mean", metadata={"tags": ["defines"]})
    return nbformat.v4.new_notebook(cells=[cell])


def test_a_decorator_that_only_the_package_has_turns_red(package):
    assert wrong_definitions(defining("@torch.no_grad()\ndef mean(x):\n    return x.mean()"), package) == []
    for decorator in ("", "@torch.inference_mode()\n", "@torch.no_grad()\n@cache\n"):
        notebook = defining(f"{decorator}def mean(x):\n    return x.mean()")
        assert wrong_definitions(notebook, package) == ["cell mean: mean differs from the package's"]


def test_a_decorator_of_a_method_is_compared_too(package):
    source = "class Norm:\n    @staticmethod\n    def of(x):\n        return x.norm()"
    (package / "functions.py").write_text(source)
    assert wrong_definitions(defining(source), package) == []
    assert len(wrong_definitions(defining(source.replace("    @staticmethod\n", "")), package)) == 1


def test_a_definition_the_package_lacks_turns_red(lesson):
    code_cells(lesson, "defines")[0].source += "\n\ndef nowhere_in_the_package():\n    return 1"
    assert any("is not in the package" in complaint for complaint in wrong_definitions(lesson))


def test_a_mirror_without_an_assert_turns_red(lesson):
    assert wrong_mirrors(lesson) == []
    code_cells(lesson, "mirrors")[0].source = "print('the same')"
    assert len(wrong_mirrors(lesson)) == 1


TABLE = "table = recorded('small')\nworst = table.error.max()\nerror = 1 / (1 + epochs)\nprint('read')"


def recording(claim, *tags):
    """The small lesson with a table, and one more claims cell."""
    notebook = small_notebook(error=TABLE)
    notebook.cells.append(nbformat.v4.new_code_cell(claim, id="records", metadata={"tags": list(tags)}))
    return notebook


@pytest.mark.parametrize(
    ("claim", "tags", "complaint"),
    [
        ("assert worst < 1", ("claims", "recorded"), None),
        ("assert all(row.error < 1 for row in recorded('small').itertuples())", ("claims", "recorded"), None),
        ("limit = 2 * worst\nassert limit > error", ("claims", "recorded"), None),
        ("assert worst < 1", ("claims",), "`worst < 1` is about a recorded table; tag it `recorded`"),
        ("assert worst < 1", ("claims", "quality"), "is about a recorded table; tag it `recorded`"),
        ("for error in [1 / epochs]:\n    assert error < 1", ("claims",), None),
        ("for row in table.error:\n    assert row < 1", ("claims",), "`row < 1` is about a recorded table"),
        ("worst = 0\nassert worst < 1", ("claims",), None),
        ("assert all(worst < 1 for worst in [epochs])", ("claims",), None),
        ("assert epochs > 1", ("claims", "recorded"), "`epochs > 1` is not about a recorded table"),
        ("assert worst < 1", ("claims", "recorded", "quality"), "must be tagged `claims`, and not `quality`"),
        ("assert worst < 1", ("recorded",), "must be tagged `claims`, and not `quality`"),
    ],
)
def test_a_claim_about_a_recorded_table_needs_its_tag_and_no_other_has_it(claim, tags, complaint):
    complaints = wrong_records(recording(claim, *tags))
    assert (complaint is None and complaints == []) or any(complaint in found for found in complaints)


def test_a_lesson_whose_claims_are_all_recorded_turns_red():
    notebook = recording("assert worst < 1", "claims", "recorded")
    notebook.cells = [cell for cell in notebook.cells if cell.id != "claims"]
    assert wrong_records(notebook) == ["all claims about trained models are `recorded`; train something here, too"]


def test_a_claim_that_needs_no_training_turns_red(tmp_path):
    assert untrained_claims(small_notebook(), tmp_path) == []
    empty = small_notebook(claims="assert error < 0.25\nassert error > 0")
    assert untrained_claims(empty, tmp_path) == ["cell claims: `error > 0` holds without training"]


def test_a_claim_about_quality_without_its_tag_turns_red(tmp_path):
    notebook = small_notebook()
    notebook.cells[-1].metadata.tags = ["claims"]
    assert "cell claims: `error < 0.25` fails without training" in untrained_claims(notebook, tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda cell: cell.update(id="0f3a9c1e"), "not a readable one"),
        (lambda cell: cell.metadata.update(collapsed=True), "metadata hold more"),
        (lambda cell: cell.update(source="x = 1\n" * 26), "26 lines"),
        (lambda cell: cell.update(source="%time x = 1"), "magic"),
        (lambda cell: cell.update(source="print(1);"), "semicolon"),
        (lambda cell: cell.update(source="print(f'{106.4:.0f} nats')"), "without decimals"),
        (lambda cell: cell.update(source="print(table.map('{:,.0f}'.format))"), "without decimals"),
        (lambda cell: cell.update(source="print(round(106.4))"), "rounded to a whole number"),
        (lambda cell: cell.update(source="axes.set_title(f'{int(106.4)} nats')"), "rounded to a whole number"),
        (lambda cell: cell.update(source="open('/home/ada/digits.csv')"), "somebody's machine"),
        (lambda cell: cell.outputs[0].update(text="<Model object at 0x7f12ab>"), "memory address"),
        (lambda cell: cell.outputs[0].update(name="stderr"), "stderr"),
        (lambda cell: cell.update(outputs=[nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]), "E"),
        (lambda cell: cell.update(outputs=[picture("A" * 400_000)]), "kB"),
        (lambda cell: cell.update(outputs=[picture(), picture()]), "more than one figure"),
        (lambda cell: cell.update(outputs=[picture(kind="image/svg+xml")]), "shows image/svg+xml"),
        (lambda cell: cell.update(cell_type="markdown", source="![](plot.png)"), "alt text"),
    ],
)
def test_hygiene_sees(executed, change, complaint):
    assert hygiene(executed) == []
    doctored = copy.deepcopy(executed)
    change(doctored.cells[3])
    assert any(complaint in found for found in hygiene(doctored)), hygiene(doctored)


def picture(data="", kind="image/png"):
    return nbformat.v4.new_output("display_data", {kind: data})


# --- the tools themselves ------------------------------------------------------------------------------------------


def test_prose_leaves_formulas_code_links_and_references_out():
    text = (
        "Says .5 and 3 %, [a page](https://x.org/1.25), $0.75 x$, `0.6`\n\n```\n0.7\n```\n$$0.8$$\n## References\n0.9"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id="text")])
    assert "0.9" not in prose(text)
    assert [complaint.split(",")[0] for complaint in unclaimed_numbers(notebook)] == [
        "cell text says .5",
        "cell text says 3 %",
    ]


def test_settings_are_replaced_and_unknown_ones_refused():
    changed = with_settings(small_notebook(), epochs=0)
    assert changed.cells[1].source == "seed = 0\nepochs = 0"
    with pytest.raises(KeyError, match="colour"):
        with_settings(small_notebook(), colour=1)


def test_each_assert_is_judged_on_its_own(tmp_path):
    notebook = small_notebook(claims="assert error > 1, 'big'\nfor bound in (0.1, 0.3):\n    assert error < bound")
    assert [claim.holds for claim in run_claims(notebook, tmp_path)] == [False, False, True]


def test_claims_can_be_tried_under_other_settings(tmp_path, capsys):
    path = tmp_path / "small.ipynb"
    nbformat.write(small_notebook(), path)
    assert try_claims(str(path)) == 0
    assert try_claims(str(path), "epochs=1", "seed=3") == 1
    printed = capsys.readouterr().out
    assert "FAILS error < 0.25\n" in printed and "error < 0.25: " in printed and "margin" in printed


def test_the_runner_writes_the_same_bytes_twice(tmp_path, capsys):
    path = tmp_path / "small.ipynb"
    nbformat.write(small_notebook(), path)
    assert main([str(path)]) == 0
    first = path.read_bytes()
    assert main([str(path)]) == 0
    assert path.read_bytes() == first and "unchanged" in capsys.readouterr().out


def test_the_runner_refuses_a_notebook_that_raises_and_leaves_it_alone(tmp_path, capsys):
    path = tmp_path / "small.ipynb"
    nbformat.write(small_notebook(error="1 / 0"), path)
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert "cell error: ZeroDivisionError: division by zero (not written)" in capsys.readouterr().err


def test_a_missing_notebook_is_named(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere.ipynb")]) == 1
    assert "nowhere.ipynb does not exist" in capsys.readouterr().err


def test_refused_names_the_cell(tmp_path):
    with pytest.raises(Refused, match="cell error: NameError"):
        execute(small_notebook(error="nobody"), tmp_path)


# --- the values that claims compare --------------------------------------------------------------------------------


@pytest.fixture
def noted(tmp_path):
    """Claims of a notebook noted: two errors, .2 and .4, and a comparison of each with a limit."""
    claims = "assert errors['a'] < errors['b'] < 1\nassert all(abs(error - 0.3) < 0.2 for error in errors.values())"
    cells = [("values", "errors = {'a': 0.2, 'b': 0.4}", []), ("claims", claims, ["claims"])]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id=name, metadata={"tags": tags}) for name, source, tags in cells]
    )
    execute(instrumented(notebook, tmp_path / "claims.json"), tmp_path)
    return json.loads((tmp_path / "claims.json").read_text())


def judged(noted, source):
    """The sides of all comparisons in ``source``, from the values noted."""
    compared = {tuple(atoms): rows for _, atoms, rows in noted["compared"]}
    found = [one for parts in comparisons(source).values() for one in parts]
    return {text: side for one in found for text, side in sides(one, compared[one.atoms]).items()}


def test_both_sides_of_each_comparison_are_noted_with_the_thinnest_margin(noted):
    assert [holds for *_, holds in noted["claims"]] == [True, True]
    found = judged(noted, "assert errors['a'] < errors['b'] < 1")
    assert found["errors['a'] < errors['b']"].margin == pytest.approx(0.2)
    assert found["errors['b'] < 1"][:3] == pytest.approx((0.4, 1, 0.6))
    (each,) = judged(noted, "assert all(abs(error - 0.3) < 0.2 for error in errors.values())").values()
    assert each.margin == pytest.approx(0.1)


def test_a_changed_limit_is_judged_from_noted_values(noted):
    (side,) = judged(noted, "assert all(abs(error - 0.25) < 0.1 for error in errors.values())").values()
    assert not side.holds and side.margin == pytest.approx(-0.05)


def test_an_exact_tie_does_not_hold_strictly(noted):
    (side,) = judged(noted, "assert all(error < 0.4 for error in errors.values())").values()
    assert not side.holds and side.margin == 0
