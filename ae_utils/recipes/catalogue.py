"""The recipes by name. The faithful ones carry the published settings; one that ends in ``-fast`` is our better one."""

import difflib

from ae_utils.errors import InvalidInput
from ae_utils.recipes import adversarial, altered, conditional, convolutional, linear, regularized, variational
from ae_utils.recipes.recipe import Recipe

LESSONS = (linear, convolutional, regularized, variational, conditional, altered, adversarial)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for lesson in LESSONS for recipe in lesson.RECIPES}


def find(name: str) -> Recipe:
    """The recipe of that name; raises ``InvalidInput`` with the nearest names for an unknown one."""
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`python -m ae_utils list` shows the names."
    raise InvalidInput(f"there is no recipe {name!r}; {hint}")
