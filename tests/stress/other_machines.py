"""Do the notebooks' claims hold elsewhere? Changes one thing at a time and prints a table in Markdown.

    PYTHONPATH=tests python tests/stress/other_machines.py --notebooks 01 02 > results/other_machines.md
    PYTHONPATH=tests python tests/stress/other_machines.py --notebooks 01 --rows default "2 threads" --nbval

``--python PATH`` (again and again) names interpreters of other environments: another Python, the oldest torch. With
``--nbval`` each notebook is also run strictly against its committed outputs. A notebook takes minutes in each row.
"""

import argparse
import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
VERSIONS = "import platform, torch; print(f'Python {platform.python_version()}, torch {torch.__version__}')"
ELSEWHERE = "another Python, the oldest torch"


class Row(NamedTuple):
    """What differs from the default: the environment, settings of the notebook, a busy neighbour, the interpreter."""

    name: str
    environment: Mapping[str, str] = MappingProxyType({})
    settings: tuple[str, ...] = ()
    neighbours: int = 0
    python: str | None = sys.executable


ROWS = (
    Row("default"),
    Row("2 threads", {"OMP_NUM_THREADS": "2"}),
    Row("no AVX in torch", {"ATEN_CPU_CAPABILITY": "default"}),
    Row("seed 1", settings=("seed=1",)),
    Row("seed 2", settings=("seed=2",)),
    Row("locale C, time zone of Kathmandu", {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}),
    Row("busy neighbours", neighbours=os.cpu_count() or 1),
)


def versions(python: str) -> str:
    """Which Python and torch an interpreter has."""
    return subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def busy(count: int):
    """So many processes beside ours that never rest."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run(row: Row, *words: str) -> subprocess.CompletedProcess:
    """A command of the row's interpreter, in its environment."""
    environment = {**os.environ, **PLAIN, **row.environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with busy(row.neighbours):
        return subprocess.run([row.python, *words], cwd=ROOT, env=environment, capture_output=True, text=True)


def claims(row: Row, notebook: Path) -> tuple[str, list[str]]:
    """How many claims hold, such as "12 of 12", and those that fail."""
    done = run(row, "tests/notebooks/try_claims.py", str(notebook), *row.settings)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("holds ", "FAILS "))]
    if not lines:
        return "does not run", [(done.stderr.strip() or "no output").splitlines()[-1]]
    failing = [line.removeprefix("FAILS ") for line in lines if line.startswith("FAILS ")]
    return f"{len(lines) - len(failing)} of {len(lines)}", failing


def strictly(row: Row, notebook: Path) -> str:
    """Whether the outputs are the committed ones but for decimals; with other settings they need not be."""
    if row.settings:
        return ""
    done = run(row, "-m", "pytest", "-q", "--nbval", "-p", "no:cacheprovider", str(notebook))
    return ", same outputs" if done.returncode == 0 else ", OTHER OUTPUTS"


def main(arguments: list[str] | None = None) -> int:
    """Print the table; the exit code is 1 if a claim fails or an output differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", nargs="+", required=True, help="01, 02 …")
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], help="only these")
    parser.add_argument("--python", action="append", default=[], help="interpreter of another environment")
    parser.add_argument("--nbval", action="store_true", help="compare outputs strictly, too")
    options = parser.parse_args(arguments)
    notebooks = [path for name in options.notebooks for path in sorted(ROOT.glob(f"notebooks/{name}*.ipynb"))]
    rows = [row for row in ROWS if not options.rows or row.name in options.rows]
    rows += [Row(versions(python), python=python) for python in options.python]
    rows += [] if options.python or options.rows else [Row(ELSEWHERE, python=None)]
    print(f"Claims that hold, one thing changed at a time. Default: {versions(sys.executable)}, one thread, seed 0, on")
    print(f"{platform.machine()} with {os.cpu_count()} processors, {platform.system()}.\n")
    print("| | " + " | ".join(path.stem[:2] for path in notebooks) + " |")
    print("|---|" + "---|" * len(notebooks), flush=True)
    complaints = []
    for row in rows:
        cells = []
        for notebook in notebooks if row.python else ():
            held, failing = claims(row, notebook)
            cells.append(held + (strictly(row, notebook) if options.nbval else ""))
            complaints += [f"- {row.name}, {notebook.stem[:2]}: `{text}`" for text in failing]
            complaints += [f"- {row.name}, {notebook.stem[:2]}: outputs differ"] if "OTHER" in cells[-1] else []
        print(f"| {row.name} | " + " | ".join(cells or ["not obtainable here"] * len(notebooks)) + " |", flush=True)
    print("\n" + ("\n".join(["Failing:", *complaints]) if complaints else "No claim fails."))
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
