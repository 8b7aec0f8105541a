"""Do the notebooks' claims hold elsewhere, and by what margin? Changes one thing at a time; a row takes minutes.

    python tests/stress/other_machines.py --notebooks 01 04 --rows "seed 0" "seed 1"   # what is not kept yet is run
    python tests/stress/other_machines.py --write results/other_machines.md            # all notebooks, the eight rows
    python tests/stress/other_machines.py --rows avx2 "seed 3" --fresh                 # what ``make elsewhere`` runs

Every finished row is kept (``--kept``, by default runs/other_machines) and is good as long as the notebook's cells are
the same, claims aside: changed limits are judged from the kept values. After a change to the package that changes
numbers, delete that folder. Rows that keep the notebook's settings are also compared, strictly, with the committed
outputs; what differs stands in the row's .log beside. ``--python PATH`` (again and again) names interpreters of other
environments: another Python, the oldest torch. The exit code is 1 if a claim fails or an output differs; a thin margin
is only pointed out.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "notebooks")]

import nbformat
from claim_values import Side, comparisons, instrumented, sides
from execute_notebooks import Refused, execute, notebooks
from notebook_rules import code_cells, read, with_settings

PLAIN = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
VERSIONS = "import platform, torch; print(f'Python {platform.python_version()}, torch {torch.__version__}')"


class Row(NamedTuple):
    """What differs: the environment, settings of the notebook, busy neighbours, the interpreter."""

    name: str
    environment: Mapping[str, str] = MappingProxyType({})
    settings: Mapping[str, int] = MappingProxyType({})
    neighbours: int = 0
    python: str = sys.executable


ROWS = (
    Row("seed 0"),
    *(Row(f"seed {seed}", settings={"seed": seed}) for seed in range(1, 5)),
    Row("2 threads", {"OMP_NUM_THREADS": "2"}),
    Row("avx2", AVX2),
    Row("default", {"ATEN_CPU_CAPABILITY": "default"}),
)
MORE_ROWS = (
    Row("locale C, time zone of Kathmandu", {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}),
    Row("busy neighbours", neighbours=os.cpu_count() or 1),
)


class Kept(NamedTuple):
    """What one notebook gave in one row: its claims, the values compared, the strict comparison and its cost."""

    claims: dict[tuple[str, str], bool]
    compared: dict[tuple[str, tuple[str, ...]], list]
    same_outputs: bool | None
    seconds: float
    error: str

    def values(self, cell: str, atoms: tuple[str, ...]) -> list[list]:
        """The values of a comparison's atoms, in whatever order they stood when the notebook ran."""
        for (where, known), rows in self.compared.items():
            if where == cell and sorted(known) == sorted(atoms):
                return [[row[known.index(atom)] for atom in atoms] for row in rows]
        return []


# --- running -------------------------------------------------------------------------------------------------------


def code_of(notebook) -> str:
    """A checksum of the code cells that are not claims: what the kept values of claims depend on."""
    claims = {cell.id for cell in code_cells(notebook, "claims")}
    text = "\n\n".join(cell.source for cell in code_cells(notebook) if cell.id not in claims)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes beside ours that never rest."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run_row(row: Row, path: Path, file: Path) -> None:
    """Run a notebook in a row, in processes of its own, and keep what it gave in ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **PLAIN, **row.environment, "PYTHONPATH": str(ROOT)}
    beside = file.with_suffix(".part")
    words = [row.python, __file__, "--one", str(path), json.dumps(dict(row.settings)), str(beside)]
    with busy(row.neighbours):
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed = process.stdout.read().decode(errors="replace").strip().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    done = process.returncode == 0
    content = json.loads(beside.read_text(encoding="utf-8")) if done else {"code": code_of(read(path))}
    file.with_suffix(".log").write_text("\n".join(printed), encoding="utf-8")  # says which outputs differ
    content["seconds"] = usage.ru_utime + usage.ru_stime
    content["error"] = "" if done else (printed or ["no output"])[-1]
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(file)


def run_one(path: Path, settings: dict, file: Path) -> None:
    """Run one notebook here, strictly if its settings are its own, and write claims and values to ``file``."""
    notebook = read(path)
    copied = instrumented(with_settings(notebook, **settings), file)
    same = _strictly(copied, path) if not settings else None
    if settings:
        execute(copied, path.parent)
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "code": code_of(notebook), "same": same}), encoding="utf-8")


def _strictly(notebook, path: Path) -> bool:
    """Whether strict nbval finds the committed outputs; what differs is printed."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}.ipynb")
    try:
        nbformat.write(notebook, beside)
        words = (sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:cacheprovider", str(beside))
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    finally:
        beside.unlink(missing_ok=True)
    print(done.stdout[-20_000:])
    if "exception" in done.stdout and "Cell execution caused an exception" in done.stdout:
        raise SystemExit("a cell raised")
    return done.returncode == 0


# --- judging -------------------------------------------------------------------------------------------------------


def kept(file: Path, notebook) -> Kept | None:
    """What ``file`` keeps of this notebook, or None where it keeps nothing of it as it stands now."""
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if content.get("code") != code_of(notebook):
        return None
    claims = {(cell, text): holds for cell, text, _, holds in content.get("claims", ())}
    compared = {(cell, tuple(atoms)): rows for cell, atoms, rows in content.get("compared", ())}
    found = Kept(claims, compared, content.get("same"), content["seconds"], content["error"])
    return found if found.error or _judged(found, notebook) is not None else None


def _judged(found: Kept, notebook) -> tuple[dict, dict[tuple[str, str], Side]] | None:
    """Each assert of the claims cells and whether it holds, and its comparisons' sides; None if a value is missing."""
    verdicts, margins = {}, {}
    for cell in code_cells(notebook, "claims"):
        for text, parts in comparisons(cell.source).items():
            holding = []
            for comparison in parts:
                known = sides(comparison, found.values(cell.id, comparison.atoms))
                holding += [side.holds for side in known.values()]
                margins |= {(cell.id, name): side for name, side in known.items()}
            held = found.claims.get((cell.id, text))
            if held is None and (not holding or len(holding) < len(parts)):
                return None
            verdicts[cell.id, text] = all(holding) if held is None else held
    return verdicts, margins


class Margin(NamedTuple):
    """One comparison over the rows: where it is thinnest, and how far the difference of its sides moves."""

    cell: str
    text: str
    row: str
    side: Side
    spread: float
    rows: int

    @property
    def thin(self) -> bool:
        """Whether the thinnest margin is below the spread over the rows (exact comparisons have neither)."""
        return self.side.holds and self.side.margin < self.spread

    @property
    def line(self) -> str:
        """The comparison as a row of a table."""
        text = self.text.replace("|", "\\|")
        flag = "FAILS" if not self.side.holds else "THIN" if self.thin else ""
        numbers = f"{self.side.left:.5g} | {self.side.right:.5g} | {self.side.margin:.3g} | {self.spread:.3g}"
        return f"| {self.cell} | `{text}` | {self.row} | {numbers} | {flag} |"


def margins_over(rows: dict[str, Kept], notebook) -> list[Margin]:
    """The margins of a notebook's comparisons over all rows that ran."""
    seen = {}
    for name, found in rows.items():
        if not found.error:
            for key, side in _judged(found, notebook)[1].items():
                seen.setdefault(key, {})[name] = side
    result = []
    for (cell, text), by_row in seen.items():
        row = min(by_row, key=lambda name: by_row[name].margin)
        differences = [side.margin for side in by_row.values()]
        result.append(Margin(cell, text, row, by_row[row], max(differences) - min(differences), len(by_row)))
    return result


# --- the table -----------------------------------------------------------------------------------------------------


def label(path: Path) -> str:
    """Such as "04" or "04 solutions"."""
    return path.stem[:2] + (" solutions" if path.parent.name == "solutions" else "")


def cell_of(found: Kept, notebook) -> tuple[str, list[str]]:
    """What the table says of one notebook in one row, and what is wrong."""
    if found.error:
        return "does not run", [found.error]
    verdicts = _judged(found, notebook)[0]
    failing = [f"`{text}`" for (_, text), holds in verdicts.items() if not holds]
    outputs = {True: ", same outputs", False: ", OTHER OUTPUTS", None: ""}[found.same_outputs]
    complaints = failing + (["outputs differ"] if found.same_outputs is False else [])
    return f"{sum(verdicts.values())} of {len(verdicts)}{outputs}", complaints


def report(
    results: dict[Path, dict[str, Kept]], names: list[str], *, everything: bool, part: bool
) -> tuple[list[str], int]:
    """The lines of the report, and how many things are wrong; where it tells of a ``part``, a lack is not wrong."""
    lines = ["| | " + " | ".join(label(path) for path in results) + " |", "|---|" + "---|" * len(results)]
    wrong, read_once = [], {path: read(path) for path in results}
    for name in names:
        cells = []
        for path, rows in results.items():
            text, complaints = (
                cell_of(rows[name], read_once[path])
                if name in rows
                else ("not run", [] if part else ["not run to its end"])
            )
            cells.append(text)
            wrong += [f"- {name}, {label(path)}: {complaint}" for complaint in complaints]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    cost = (max((found.seconds for found in rows.values()), default=0.0) for rows in results.values())
    lines.append("| CPU-s, at most | " + " | ".join(f"{seconds:.1f}" for seconds in cost) + " |")
    lines += ["", *(["Wrong:", *wrong] if wrong else ["Every claim holds in every row that ran."])]
    for path, rows in results.items():
        margins = margins_over(rows, read_once[path])
        shown = [one for one in margins if everything or one.thin or not one.side.holds]
        if shown:
            head = "| cell | comparison | thinnest in | left | right | margin | spread | |"
            lines += ["", f"## {label(path)}", "", head, "|---|---|---|---|---|---|---|---|"]
            lines += [one.line for one in shown]
    return lines, len(wrong)


def versions(python: str) -> str:
    """Which Python and torch an interpreter has."""
    return subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", nargs="+", default=["0"], help="01, 02 …; with their solutions (all)")
    parser.add_argument("--lessons-only", action="store_true", help="without the solutions")
    known = [row.name for row in (*ROWS, *MORE_ROWS)]
    parser.add_argument("--rows", nargs="+", choices=known, help="only these")
    parser.add_argument("--python", action="append", default=[], help="interpreter of another environment")
    parser.add_argument("--jobs", type=int, default=1, help="so many notebooks at once")
    parser.add_argument("--kept", type=Path, default=ROOT / "runs" / "other_machines", metavar="DIR")
    parser.add_argument("--fresh", action="store_true", help="run everything, whatever is kept")
    parser.add_argument("--no-run", action="store_true", help="only tell what is kept")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the whole table, all margins, to this file")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run what is not kept, and print the table; see the top of this file."""
    options = _options(arguments)
    paths = [path for path in notebooks() if any(path.stem.startswith(name) for name in options.notebooks)]
    paths = [path for path in paths if not options.lessons_only or path.parent.name != "solutions"]
    rows = [row for row in (*ROWS, *MORE_ROWS) if row.name in (options.rows or [one.name for one in ROWS])]
    rows += [Row(versions(python), python=python) for python in options.python]
    tasks = [(row, path, options.kept / f"{label(path)}, {row.name}.json") for row in rows for path in paths]
    todo = [task for task in tasks if options.fresh or kept(task[2], read(task[1])) is None]
    todo = [] if options.no_run else todo
    with ThreadPoolExecutor(options.jobs) as pool:
        for (row, path, file), _ in zip(todo, pool.map(lambda task: run_row(*task), todo), strict=True):
            found = kept(file, read(path))
            text, complaints = cell_of(found, read(path)) if found else ("changed while it ran", [])
            print(f"{label(path)}, {row.name}: {text}", *complaints, sep="\n  ", flush=True)
    results = {path: {} for path in paths}
    for row, path, file in tasks:
        if found := kept(file, read(path)):
            results[path][row.name] = found
    lines, wrong = report(results, [row.name for row in rows], everything=bool(options.write), part=options.no_run)
    head = f"Default: {versions(sys.executable)}, one thread, on {platform.machine()} ({platform.system()})."
    print("\n" + head, *lines, sep="\n")
    if options.write:
        options.write.write_text("\n".join((INTRODUCTION, head, "", *lines)) + "\n", encoding="utf-8")
    whole = [(one, read(path)) for path, rows in results.items() for one in rows.values() if not one.error]
    held = sum(sum(_judged(one, notebook)[0].values()) for one, notebook in whole)
    print(f"\n{held} passed, {wrong} failed")
    return int(bool(wrong))


INTRODUCTION = """# The claims of the notebooks under other settings

Made by `python tests/stress/other_machines.py --write results/other_machines.md`: one thing changed at a time. "12 of
12" counts assertions in cells tagged `claims`; "same outputs" means that strict nbval found the committed ones. Below,
for each comparison: the row in which it is thinnest, both sides there, its margin, and the spread of that margin over
all rows (largest minus smallest). THIN: the margin is below the spread. `avx2` sets `ATEN_CPU_CAPABILITY=avx2
ONEDNN_MAX_CPU_ISA=AVX2 MKL_CBWR=COMPATIBLE`, `default` sets `ATEN_CPU_CAPABILITY=default`.
"""

if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        try:
            run_one(Path(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
        except (Refused, KeyError) as error:
            sys.exit(str(error))
        sys.exit(0)
    sys.exit(main())
