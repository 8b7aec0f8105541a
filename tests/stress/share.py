"""How many cases run: a fast share with all other tests, the whole where ``STRESS`` is set (``make stress``)."""

import os

WHOLE = bool(os.environ.get("STRESS"))


def share(whole: int, fast: int) -> range:
    """The seeds of the cases: ``whole`` of them, or only the first ``fast``."""
    return range(whole if WHOLE else fast)
