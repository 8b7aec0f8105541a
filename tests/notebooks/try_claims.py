"""Do a notebook's claims hold under other settings? Run by hand before claiming something.

    PYTHONPATH=tests python tests/notebooks/try_claims.py NOTEBOOK seed=1
    ATEN_CPU_CAPABILITY=default PYTHONPATH=tests python tests/notebooks/try_claims.py NOTEBOOK

Prints every assert of the claims cells and whether it holds, and below it both sides' values of each comparison and
the margin between them; the notebook is left alone. Exit code 1 if one fails. Many settings at once, and how far the
values move between them: tests/stress/other_machines.py.
"""

import ast
import json
import sys
import tempfile
from pathlib import Path

from claim_values import comparisons, instrumented, sides
from execute_notebooks import execute
from notebook_rules import code_cells, read, with_settings


def main(name: str, *settings: str) -> int:
    """Run the notebook ``name`` with settings such as ``seed=1``; returns the exit code."""
    path = Path(name)
    values = {key: ast.literal_eval(value) for key, _, value in (setting.partition("=") for setting in settings)}
    notebook = with_settings(read(path), **values)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.json"
        execute(instrumented(notebook, file), path.parent)
        noted = json.loads(file.read_text(encoding="utf-8"))
    holds = {(cell, text): held for cell, text, _, held in noted["claims"]}
    compared = {(cell, tuple(atoms)): rows for cell, atoms, rows in noted["compared"]}
    for cell in code_cells(notebook, "claims"):
        for text, found in comparisons(cell.source).items():
            print("holds" if holds[cell.id, text] else "FAILS", text)
            for comparison in found:
                for pair, side in sides(comparison, compared.get((cell.id, comparison.atoms), [])).items():
                    print(f"        {pair}: {side.left:.6g}, {side.right:.6g}, margin {side.margin:.3g}")
    return int(not all(holds.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
