"""All recipes by name. A published system has its published settings; names that end in ``-fast`` are our variants."""

import difflib

from ae_utils.errors import InvalidInput
from ae_utils.recipes import altered, classifier, conditional, convolutional, flow, gan, linear, regularized, vae
from ae_utils.recipes.base import Recipe

FAMILIES = (linear, convolutional, regularized, vae, classifier, conditional, altered, gan, flow)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for family in FAMILIES for recipe in family.RECIPES}


def get(name: str) -> Recipe:
    """The recipe of that name; raises ``InvalidInput`` with the nearest names for an unknown one."""
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`python -m ae_utils list` shows the names."
    raise InvalidInput(f"there is no recipe {name!r}; {hint}")


def overview() -> str:
    """A table of all recipes: name, number of epochs, summary and the published system."""
    lines = [f"{'recipe':<16} {'epochs':>6}  what it is"]
    for recipe in RECIPES.values():
        system = f" (system {recipe.system})" if recipe.system else ""
        lines.append(f"{recipe.name:<16} {recipe.epochs:>6}  {recipe.summary}{system}")
    return "\n".join(lines)
