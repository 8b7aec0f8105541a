"""What every notebook of the course must be, as functions from a notebook to a list of complaints (empty: fine).

Cells are marked by tags: ``settings`` (one cell, simple assignments, seed and epochs among them), ``defines`` (what the
package holds under the same name), ``mirrors`` (does by hand what the package does, and asserts the same numbers),
``claims`` (asserts what the prose says) and with it ``quality`` (true of trained models only) or ``recorded`` (about
tables of long trainings), ``your-turn`` (a stub that the learner fills; its check and a folded answer follow),
``picture`` (written as a PNG beside the notebooks, for the README).
"""

import ast
import base64
import copy
import json
import re
import statistics
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import nbformat
from claim_values import instrumented
from execute_notebooks import METADATA, ROOT, execute

MAX_LINES, MAX_MEDIAN, MAX_PICTURE = 25, 8, 200_000
TAGS = {"settings", "defines", "mirrors", "claims", "quality", "picture", "recorded", "your-turn"}
SHOWN = {"text/plain", "text/html", "image/png"}
READABLE = re.compile(r"(?![0-9a-f]{8}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
PLACES = re.compile(r"(?<![\w.:/])/(home|root|Users|tmp|work|private|var|opt|mnt)/|\b[A-Z]:\\")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")
NUMBER = re.compile(r"(?<![\w.,])(?P<number>\d*\.\d+(?![\d.]*\.\d)|\d+(?=\s?%))(?P<percent>\s?%)?")


def read(path: Path):
    """The notebook at ``path``."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook, tag: str | None = None) -> list:
    """The code cells, or those with a tag."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if tag is None or tag in cell.metadata.get("tags", [])]


# --- hygiene -------------------------------------------------------------------------------------------------------


def hygiene(notebook) -> list[str]:
    """Everything a reader on the web, a diff or a strict comparison would stumble over."""
    complaints = _shape(notebook)
    if dict(notebook.metadata) != METADATA:
        complaints.append("the notebook's metadata are not the fixed ones; run `make notebooks`")
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        complaints.append(f"execution counts are {counts}, not 1…{len(counts)}; run `make notebooks`")
    for cell in notebook.cells:
        found = _code(cell) if cell.cell_type == "code" else _markdown(cell.source)
        complaints += [f"cell {cell.id}: {what}" for what in [*_any_cell(cell), *found]]
    return complaints


def _shape(notebook) -> list[str]:
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    ids = [cell.id for cell in notebook.cells]
    complaints = [f"cell id {one} stands twice" for one in sorted(set(ids)) if ids.count(one) > 1]
    if lengths and statistics.median(lengths) > MAX_MEDIAN:
        complaints.append(f"the median code cell has {statistics.median(lengths):g} lines, more than {MAX_MEDIAN}")
    if len(lengths) > len(ids) - len(lengths):
        complaints.append(f"{len(lengths)} code cells, but only {len(ids) - len(lengths)} with text")
    return complaints


def _any_cell(cell) -> list[str]:
    complaints = []
    if not READABLE.fullmatch(cell.id):
        complaints.append("its id is not a readable one (words-with-hyphens)")
    if set(cell.metadata) - {"tags"} or set(cell.metadata.get("tags", [])) - TAGS:
        complaints.append(f"its metadata hold more than the tags {', '.join(sorted(TAGS))}")
    if PLACES.search(cell.source):
        complaints.append("names a place on somebody's machine")
    return complaints


def _markdown(text: str) -> list[str]:
    pictures = re.findall(r"!\[([^\]]*)\]\(", text)
    pictures += [" ".join(re.findall(r'alt="([^"]*)"', image)) for image in re.findall(r"<img[^>]*>", text)]
    return ["a picture has no alt text"] if any(not alt.strip() for alt in pictures) else []


def _code(cell) -> list[str]:
    complaints, lines = [], len(cell.source.splitlines())
    if lines > MAX_LINES:
        complaints.append(f"has {lines} lines, more than {MAX_LINES}")
    if re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
        complaints.append("uses a magic command: plain Python only")
    elif not cell.outputs and any(_prints(statement) for statement in ast.parse(cell.source).body):
        complaints.append("prints, but has no output; run `make notebooks`")
    if cell.source.rstrip().endswith(";"):
        complaints.append("ends in a semicolon, which does not silence it everywhere; give the value a name")
    if not re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
        complaints += _whole_floats(ast.parse(cell.source))
    for output in cell.outputs:
        complaints += _output(output)
    if sum("image/png" in output.get("data", {}) for output in cell.outputs) > 1:
        complaints.append("shows more than one figure")
    return complaints


WITHOUT_DECIMALS = re.compile(r"\.0+[f%eEgG]")
SHOWING = {"print", "display", "Markdown", "set_title", "suptitle", "text", "annotate", "set_xlabel", "set_ylabel"}


def _whole_floats(tree: ast.Module) -> list[str]:
    """Floats that are shown without decimals: rounded elsewhere to another number, which no sanitizer sees."""
    complaints = [
        f"formats a float without decimals ({node.value!r}); on another processor it is rounded to another number"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WITHOUT_DECIMALS.search(node.value)
    ]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) in SHOWING:
            inside = [node for node in ast.walk(call) if isinstance(node, ast.Call)]
            complaints += [
                f"shows {ast.unparse(node)}: a float rounded to a whole number; print it with decimals"
                for node in inside
                if isinstance(node.func, ast.Name)
                and (node.func.id == "int" or (node.func.id == "round" and len(node.args) == 1))
            ]
    return complaints


def _name(function) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def _prints(statement) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("print", "display")


def _output(output) -> list[str]:
    if output.output_type == "error":
        return [f"raised {output.ename}"]
    if output.get("name") == "stderr":
        return ["wrote to stderr"]
    data = output.get("data", {"text/plain": output.get("text", "")})
    complaints = [f"shows {kind}" for kind in sorted(set(data) - SHOWN)]
    if output.get("metadata"):
        complaints.append("its output has metadata")
    text = "".join(part for kind, part in data.items() if kind.startswith("text/"))
    if PLACES.search(text) or ADDRESS.search(text):
        complaints.append("prints a place on somebody's machine or a memory address")
    picture = base64.b64decode(data.get("image/png", ""))
    if len(picture) > MAX_PICTURE:
        complaints.append(f"its picture has {len(picture) // 1000} kB, more than {MAX_PICTURE // 1000}")
    if any(stamp in picture for stamp in (b"tEXt", b"tIME", b"iTXt")):
        complaints.append("its picture carries a software stamp; run `make notebooks`")
    return complaints


# --- the notebook's code is the package's --------------------------------------------------------------------------


def wrong_definitions(notebook, package: Path = ROOT / "ae_utils") -> list[str]:
    """Functions and classes in ``defines`` cells that are not, statement for statement, the package's of that name.

    Docstrings and annotations are ignored, nothing else: a decorator is compared too.
    """
    complaints = []
    for cell in code_cells(notebook, "defines"):
        definitions = _definitions(cell.source)
        if not definitions:
            complaints.append(f"cell {cell.id} is tagged `defines` but defines nothing")
        for name, ours in definitions.items():
            theirs = _in_package(package, name)
            if ours not in theirs:
                where = "differs from the package's" if theirs else "is not in the package"
                complaints.append(f"cell {cell.id}: {name} {where}")
    return complaints


def wrong_mirrors(notebook) -> list[str]:
    """``mirrors`` cells without an assert: the cell itself must compare its numbers with the package's."""
    cells = code_cells(notebook, "mirrors")
    mute = [cell.id for cell in cells if not any(isinstance(node, ast.Assert) for node in ast.walk(_tree(cell)))]
    return [f"cell {name} is tagged `mirrors` but asserts nothing" for name in mute]


FOLDED = re.compile(r"<details>\s*<summary>One way to write it</summary>\s*```python\n(.*?)```\s*</details>", re.DOTALL)


def wrong_answers(notebook, package: Path = ROOT / "ae_utils") -> list[str]:
    """``your-turn`` stubs without a check or a folded answer after them, and folded answers unlike the package's own.

    The package's own version of ``f`` is a function or class ``f`` or ``own_f``; only docstrings and annotations may
    differ.
    """
    complaints, cells = [], notebook.cells
    for number, cell in enumerate(cells):
        if "your-turn" not in cell.metadata.get("tags", []):
            continue
        after = cells[number + 1 : number + 5]
        answers = [found[1] for one in after if one.cell_type == "markdown" and (found := FOLDED.search(one.source))]
        stubs = set(_definitions(cell.source))
        if "..." not in cell.source or not stubs:
            complaints.append(f"cell {cell.id} is tagged `your-turn` but is no stub of a function or class")
        checked = {
            name
            for name in stubs
            if any(re.search(rf"^{name} = \w+\.\w+\({name}\)", one.source, re.M) for one in after)
        }
        complaints += [f"cell {cell.id}: no check `{name} = …({name})` follows" for name in sorted(stubs - checked)]
        given = {name: code for answer in answers[:1] for name, code in _definitions(answer).items()}
        complaints += [f"cell {cell.id}: no folded answer for {name} follows" for name in sorted(stubs - set(given))]
        complaints += [
            f"cell {cell.id}: the folded answer {name} is not the package's own"
            for name, code in given.items()
            if code not in _in_package(package, name) and code not in _own_in_package(package, name)
        ]
    return complaints


def _own_in_package(package: Path, name: str) -> list[str]:
    return [code.replace(f"name='own_{name}'", f"name='{name}'") for code in _in_package(package, f"own_{name}")]


def filled(notebook):
    """A copy in which every ``your-turn`` stub is replaced by the folded answer that follows it."""
    changed = copy.deepcopy(notebook)
    for number, cell in enumerate(changed.cells):
        if "your-turn" in cell.metadata.get("tags", []):
            answers = (FOLDED.search(one.source) for one in changed.cells[number + 1 : number + 5])
            cell.source = next(found[1].rstrip() for found in answers if found)
    return changed


class _Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away."""

    def _definition(self, node):
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_ClassDef = _definition

    def visit_FunctionDef(self, node):
        node.returns = None
        return self._definition(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is not None:
            return ast.Assign([node.target], node.value)
        node.annotation = ast.Constant(None)
        return node


def _definitions(source: str) -> dict[str, str]:
    body = ast.parse(source).body
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: ast.dump(_Bare().visit(node)) for node in body if isinstance(node, kinds)}


def _in_package(package: Path, name: str) -> list[str]:
    files = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    return [found[name] for text in files if name in text and name in (found := _definitions(text))]


# --- every number is checked by a cell -----------------------------------------------------------------------------


def unclaimed_numbers(notebook) -> list[str]:
    """Decimals and percentages of the prose that stand in no cell tagged ``claims``.

    Formulas, code, link targets and the references are left out. The same value must stand in the cell's code:
    .034 and 0.034 are the same; 5 % may stand there as 5, 0.05, 1.05 or 0.95.
    """
    claimed = set()
    for cell in code_cells(notebook, "claims"):
        constants = (node.value for node in ast.walk(_tree(cell)) if isinstance(node, ast.Constant))
        claimed |= {Decimal(str(value)) for value in constants if type(value) in (int, float)}
    complaints = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            missing = [found for found in NUMBER.finditer(prose(cell.source)) if not _values(found) & claimed]
            complaints += [f"cell {cell.id} says {found[0]}, which no claims cell checks" for found in missing]
    return complaints


def _values(found: re.Match) -> set[Decimal]:
    number, percent = Decimal(found["number"]), found["percent"]
    return {number, number / 100, 1 + number / 100, 1 - number / 100} if percent else {number}


def prose(markdown: str) -> str:
    """Markdown without references section, code, formulas, link targets and HTML tags."""
    text = re.split(r"^#+ References\b", markdown, maxsplit=1, flags=re.MULTILINE)[0]
    for pattern in (r"```.*?```", r"``[^`]*``|`[^`]*`", r"\$\$.*?\$\$", r"\$[^$\n]*\$", r"\]\([^)]*\)", r"<[^>]*>"):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


# --- claims about tables of long trainings -------------------------------------------------------------------------


def wrong_records(notebook) -> list[str]:
    """Claims tagged ``recorded`` that no table is behind, and claims about tables that lack the tag.

    A table is what ``recorded(NAME)`` returns, and whatever is computed from it. Such claims hold without training, so
    they must not be the only ones: beside them a cell tagged ``claims`` and ``quality`` checks what was trained here.
    """
    complaints, computed = [], set()
    for cell in code_cells(notebook, "recorded"):
        tags = cell.metadata["tags"]
        if "claims" not in tags or "quality" in tags:
            complaints.append(f"cell {cell.id} is tagged `recorded`: it must be tagged `claims`, and not `quality`")
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        for node in _in_order(_tree(cell).body, computed):
            if "claims" in tags and isinstance(node, ast.Assert) and _reads(node, computed) != ("recorded" in tags):
                what = (
                    "is not about a recorded table"
                    if "recorded" in tags
                    else "is about a recorded table; tag it `recorded`"
                )
                complaints.append(f"cell {cell.id}: `{ast.unparse(node.test)}` {what}")
    if code_cells(notebook, "recorded") and not code_cells(notebook, "quality"):
        complaints.append("all claims about trained models are `recorded`; train something here, too")
    return complaints


def _in_order(statements: list, computed: set[str]):
    """Yield statement after statement, and keep in ``computed`` the names of what comes from a recorded table."""
    for node in statements:
        yield node
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value:
            _bind(
                node.targets if isinstance(node, ast.Assign) else [node.target], _reads(node.value, computed), computed
            )
        elif isinstance(node, ast.For):
            _bind([node.target], _reads(node.iter, computed), computed)
        elif isinstance(node, ast.FunctionDef) and _reads(node, computed):
            computed.add(node.name)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from _in_order([*getattr(node, "body", []), *getattr(node, "orelse", [])], computed)


def _bind(targets: list, from_table: bool, computed: set[str]) -> None:
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            _bind(target.elts, from_table, computed)
        elif from_table:
            computed.add(_base(target))
        elif isinstance(target, ast.Name):
            computed.discard(target.id)


def _base(target) -> str:
    while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
        target = target.value
    return getattr(target, "id", "")


def _reads(node, computed: set[str]) -> bool:
    """Whether a table is read in ``node``, or something that comes from one; names of comprehensions are their own."""
    nodes = list(ast.walk(node))
    targets = [part for one in nodes if isinstance(one, ast.comprehension) for part in ast.walk(one.target)]
    own = {part.id for part in targets if isinstance(part, ast.Name)}
    return any(
        (isinstance(one, ast.Call) and _name(one.func) == "recorded")
        or (isinstance(one, ast.Name) and one.id in computed - own)
        for one in nodes
    )


# --- claims about quality fail without training --------------------------------------------------------------------


class Claim(NamedTuple):
    """One assert of a claims cell and whether it held."""

    cell: str
    text: str
    quality: bool
    holds: bool


def with_settings(notebook, **values):
    """A copy whose ``settings`` cell assigns other values; ``KeyError`` for a name it does not assign."""
    changed = copy.deepcopy(notebook)
    left = dict(values)
    for cell in code_cells(changed, "settings"):
        tree = ast.parse(cell.source)
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name in values:
                    node.value = ast.Constant(values[name])
                    left.pop(name, None)
        cell.source = ast.unparse(ast.fix_missing_locations(tree))
    if left:
        raise KeyError(f"no cell tagged `settings` assigns {', '.join(left)}")
    return changed


def epoch_settings(notebook) -> list[str]:
    """The names in the settings cell that are numbers of epochs: ``epochs``, ``epochs_linear`` …"""
    trees = [ast.parse(cell.source) for cell in code_cells(notebook, "settings")]
    nodes = [node.targets[0] for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    return [node.id for node in nodes if isinstance(node, ast.Name) and "epochs" in node.id.split("_")]


def run_claims(notebook, folder: Path) -> list[Claim]:
    """Execute a copy of ``notebook`` in ``folder`` and tell for each assert of its claims cells whether it holds."""
    with tempfile.TemporaryDirectory() as kept:
        file = Path(kept) / "claims.json"
        execute(instrumented(notebook, file), folder)
        return [Claim(*row) for row in json.loads(file.read_text(encoding="utf-8"))["claims"]]


def untrained_claims(notebook, folder: Path) -> list[str]:
    """Run with 0 epochs: a claim tagged ``quality`` that still holds is empty, any other that fails is mistagged.

    Claims about recorded tables hold without training; ``wrong_records`` says what they have to be.
    """
    names = epoch_settings(notebook)
    claims = run_claims(with_settings(notebook, **dict.fromkeys(names, 0)), folder)
    complaints = [
        f"cell {claim.cell}: `{claim.text}` {'holds' if claim.holds else 'fails'} without training"
        for claim in claims
        if claim.holds == claim.quality
    ]
    if not names or not any(claim.quality for claim in claims):
        complaints.append("there is no claim about quality, or no number of epochs in a settings cell")
    return complaints


def _tree(cell) -> ast.Module:
    return ast.parse(cell.source)
