"""The last line of ``make test``: what passed, read from JUnit reports.

python tests/summary.py tests=.pytest_cache/tests.xml cells=.pytest_cache/cells.xml
"""

import sys
from xml.etree import ElementTree


def main(*reports: str) -> None:
    """Print one line about all ``reports``, each a word for what was counted, ``=`` and the file."""
    passed, skipped, seconds = [], 0, 0.0
    for what, _, path in (report.partition("=") for report in reports):
        suite = next(ElementTree.parse(path).iter("testsuite"))
        all_, left_out, failed = (int(suite.get(name)) for name in ("tests", "skipped", "failures"))
        passed.append(f"{all_ - left_out - failed - int(suite.get('errors')):,} {what}")
        skipped, seconds = skipped + left_out, seconds + float(suite.get("time"))
    print(f"make test: {' and '.join(passed)} passed, {skipped} skipped, in {seconds / 60:.1f} minutes.")


if __name__ == "__main__":
    main(*sys.argv[1:])
