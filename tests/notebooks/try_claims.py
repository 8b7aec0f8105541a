"""Do a notebook's claims hold under other settings? Run by hand before claiming something.

    PYTHONPATH=tests python tests/notebooks/try_claims.py NOTEBOOK seed=1
    ATEN_CPU_CAPABILITY=default PYTHONPATH=tests python tests/notebooks/try_claims.py NOTEBOOK

Prints every assert of the claims cells and whether it holds; the notebook is left alone. Exit code 1 if one fails.
"""

import ast
import sys
from pathlib import Path

from notebook_rules import read, run_claims, with_settings


def main(name: str, *settings: str) -> int:
    """Run the notebook ``name`` with settings such as ``seed=1``; returns the exit code."""
    path = Path(name)
    values = {key: ast.literal_eval(value) for key, _, value in (setting.partition("=") for setting in settings)}
    claims = run_claims(with_settings(read(path), **values), path.parent)
    for claim in claims:
        print("holds" if claim.holds else "FAILS", claim.text)
    return int(not all(claim.holds for claim in claims))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
