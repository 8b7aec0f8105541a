"""The package keeps its layers: no import goes up, no circle, none hidden in a function, functions stay short."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ae_utils"
LAYERS = (  # a room imports from those above it in this list, and from itself
    {"errors"},
    {"files", "seeds", "protocols"},
    {"data", "networks", "plots", "embedding"},
    {"losses"},
    {"training", "models"},
    {"metrics", "widgets"},
    {"recipes"},
    {"runs"},
    {"course"},
    {"__main__"},
)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def layer_of(module: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if module.split(".")[0] in rooms)


def imported_modules(tree: ast.AST) -> set[str]:
    """The modules of the package that are imported somewhere in a tree, in functions too."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ae_utils":
            inside = node.module.split(".")[1:]
            for alias in node.names:
                file = PACKAGE.joinpath(*inside, alias.name).with_suffix(".py")
                modules.add(".".join((*inside, alias.name) if file.is_file() else inside))
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("ae_utils.")]
            modules |= {name.removeprefix("ae_utils.") for name in names}
    return modules


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path):
    module = module_of(path)
    room = module.split(".")[0]
    for imported in imported_modules(ast.parse(path.read_text())):
        below = layer_of(imported) < layer_of(module)
        assert below or imported.split(".")[0] == room, f"{module} must not import {imported}"


def test_modules_do_not_import_in_circles():
    graph = {module_of(path): imported_modules(ast.parse(path.read_text())) for path in FILES}
    try:
        assert len(list(TopologicalSorter(graph).static_order())) >= len(FILES)
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__main__.py"], ids=module_of)
def test_no_import_of_the_package_hides_in_a_function(path):
    """The command line alone may: it answers `--help` before torch has been loaded."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not imported_modules(function), f"{function.name} imports {imported_modules(function)}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_functions_stay_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 40, f"{node.name} is too long"


def test_no_star_imports_and_no_re_exports():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert path.name != "__init__.py", f"{path} re-exports"
                assert all(alias.name != "*" for alias in node.names), f"{path} imports a star"
