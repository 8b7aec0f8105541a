"""The diagrams' digits that no weights of the course make: the recipes are trained again, which takes minutes."""

import os
from functools import cache

import pytest

from ae_utils.course.diagrams.digits import LEVELS, digits, grey_levels, images, trained


def levels(rows):
    return [LEVELS.index(level) for level in "".join(rows)]


@pytest.mark.skipif("STRESS" not in os.environ, reason="trains three recipes; `make stress` does")
def test_digits_of_models_without_weights_are_what_a_training_gives(tmp_path):
    """Another processor's training ends elsewhere, so single pixels differ; the pictures must not."""
    found = images(cache(lambda name: trained(name, tmp_path)))
    for name in ("linear", "conditional", "denoised"):
        kept, again = levels(digits()[name]), levels(grey_levels(found[name]))
        error = sum((one - other) ** 2 for one, other in zip(kept, again, strict=True))
        assert error < 0.3 * sum(level**2 for level in kept), name
