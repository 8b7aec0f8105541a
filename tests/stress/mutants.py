"""Do the tests notice a mistake? Makes mutants of losses, metrics and training, and runs their rooms' tests on each.

    python -m pip install cosmic-ray
    python tests/stress/mutants.py --count 300 --seed 0 --write results/mutants.md

Mutants come from cosmic-ray's operators (arithmetic, comparisons, numbers, booleans, loops, decorators …) and from the
field's own mistakes (sum for mean, max for min, train for eval, a missing detach). Those that change annotations only
are left out. A seed draws ``--count`` of all there are. Each is tried in a process of its own, forked from one that has
loaded the libraries, on a copy of the package: the checkout is left alone. Finished mutants are kept in ``--kept``.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.json")  # what changes nothing that is promised, and why
TIMEOUT = 300  # seconds; a mutant that runs longer is noticed, too
TESTS = {  # the tests of a room, the quick ones first
    "losses/autoencoder.py": "test_oracles test_training test_properties",
    "losses/classification.py": "test_oracles test_vae test_metrics_samples test_properties",
    "losses/flow.py": "test_flow",
    "losses/gan.py": "test_oracles test_gan test_properties",
    "losses/regularized.py": "test_oracles test_regularized test_properties",
    "losses/vae.py": "test_oracles test_vae test_metrics_likelihood test_properties",
    "metrics/classifier.py": "test_oracles test_metrics_samples test_metrics_conditional test_gan test_properties",
    "metrics/conditional.py": "test_oracles test_metrics_conditional test_conditional test_properties",
    "metrics/images.py": "test_oracles test_metrics_images test_photo test_properties",
    "metrics/latent.py": "test_oracles test_metrics_latent test_regularized test_properties",
    "metrics/likelihood.py": "test_oracles test_metrics_likelihood test_vae test_properties",
    "metrics/samples.py": "test_oracles test_metrics_samples test_flow test_gan test_properties",
    "training/auxiliary_classifier.py": "test_oracles test_conditional",
    "training/averaged.py": "test_flow",
    "training/gan.py": "test_oracles test_gan",
    "training/loop.py": "test_oracles test_training test_devices test_properties test_parallel",
    "training/schedules.py": "test_oracles test_training test_flow test_properties",
    "training/step.py": "test_oracles test_training test_devices test_errors test_properties test_parallel",
}
SWAPS = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "train": "eval", "eval": "train"}


class Mutant(NamedTuple):
    """A file of the package, what was changed in it, where, and the changed source."""

    file: str
    change: str
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What the mutant is known by in the kept results."""
        return f"{self.file}:{self.line} {self.change}: {self.before} → {self.after}"

    @property
    def reason(self) -> str:
        """Why no test need notice the mutant, as ``equivalent_mutants.json`` says; empty where one should."""
        return _reasons().get(f"{self.file} {self.change}: {self.before} → {self.after}", "")


@cache
def _reasons() -> dict[str, str]:
    return json.loads(EQUIVALENT.read_text(encoding="utf-8"))


def mutants(file: str) -> Iterator[Mutant]:
    """Every mutant of a file that changes more than annotations."""
    source = (ROOT / "ae_utils" / file).read_text(encoding="utf-8")
    bare = _without_annotations(source)
    for change, mutated in (*_by_operators(source), *_by_the_field(source)):
        try:
            changed = _without_annotations(mutated) != bare
        except SyntaxError:
            continue
        if changed:
            yield _described(file, change, source, mutated)


def _by_operators(source: str) -> Iterator[tuple[str, str]]:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    for name in sorted(operator_names()):
        operator = get_operator(name)
        for arguments in operator.arguments() or [{}] if hasattr(operator, "arguments") else [{}]:
            for occurrence in range(1000):
                try:
                    mutated = mutate_code(source, operator(**arguments), occurrence)
                except TypeError:  # an operator that wants arguments of its own
                    break
                if mutated is None:
                    break
                yield name.removeprefix("core/"), mutated


def _by_the_field(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        end = _offset(source, node.func.end_lineno, node.func.end_col_offset)
        name = node.func.attr
        if name in SWAPS:
            yield f"{SWAPS[name]} for {name}", source[: end - len(name)] + SWAPS[name] + source[end:]
        if name == "detach":
            close = _offset(source, node.end_lineno, node.end_col_offset)
            yield "detach left out", source[: end - len(".detach")] + source[close:]


def _offset(source: str, line: int, column: int) -> int:
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _without_annotations(source: str) -> str:
    from notebook_rules import _Bare

    return ast.dump(_Bare().visit(ast.parse(source)))


def _described(file: str, change: str, source: str, mutated: str) -> Mutant:
    lines, others = source.splitlines(), mutated.splitlines()
    first = next((n for n, pair in enumerate(zip(lines, others, strict=False)) if pair[0] != pair[1]), 0)
    first += next(n for n, line in enumerate(lines[first:]) if line.strip())  # a decorator goes with blank lines before
    after = others[first].strip() if len(lines) == len(others) else "…"
    return Mutant(file, change, first + 1, lines[first].strip(), after, mutated)


# --- trying one ----------------------------------------------------------------------------------------------------


def preload() -> None:
    """Import what every test needs, once, before processes fork: nothing of ours."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    import hypothesis  # noqa: F401
    import IPython.display  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import skimage.metrics  # noqa: F401
    import sklearn.linear_model
    import sklearn.neighbors  # noqa: F401
    import torch
    import torchvision  # noqa: F401

    torch.set_num_threads(1)


def noticed(mutant: Mutant) -> bool:
    """Whether a test of its room turns red (or never ends) on the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder)
        shutil.copytree(ROOT / "ae_utils", copied / "ae_utils", ignore=shutil.ignore_patterns("__pycache__"))
        (copied / "ae_utils" / mutant.file).write_text(mutant.source, encoding="utf-8")
        child = os.fork()
        if child == 0:
            _run_tests(copied, TESTS[mutant.file].split())
        _, status = os.waitpid(child, 0)
    return status != 0


def refuse_red(files: list[str]) -> None:
    """End with a sentence unless every room's tests are green before anything is changed."""
    for file in files:
        source = (ROOT / "ae_utils" / file).read_text(encoding="utf-8")
        if noticed(Mutant(file, "no change", 0, "", "", source)):
            sys.exit(f"The tests of {file} fail without a mutant: see pytest {TESTS[file]}.")


def _run_tests(package: Path, names: list[str]) -> None:
    """In the forked process: pytest on the copied package; ends the process with its exit code."""
    import pytest

    signal.alarm(TIMEOUT)  # ends the process
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.chdir(ROOT)
    os.environ |= {"AE_UTILS_DATA": str(ROOT / "data"), "PYTHONPATH": str(package)}
    sys.path.insert(0, str(package))
    words = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", *(f"tests/{name}.py" for name in names)]
    os._exit(int(pytest.main(words)))


# --- the table -----------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Try the mutants that are not kept yet, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="so many at once")
    parser.add_argument("--kept", type=Path, default=ROOT / "runs" / "mutants.json", metavar="FILE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file")
    options = parser.parse_args(arguments)
    everything = [mutant for file in TESTS for mutant in mutants(file)]
    drawn = random.Random(options.seed).sample(everything, len(everything))[: options.count]  # more go on from fewer
    kept = json.loads(options.kept.read_text(encoding="utf-8")) if options.kept.is_file() else {}
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    preload()
    todo = [mutant for mutant in drawn if mutant.name not in kept]
    refuse_red(sorted({mutant.file for mutant in todo}))
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, seen in zip(todo, pool.map(noticed, todo), strict=True):
            kept[mutant.name] = seen
            options.kept.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            print("noticed " if seen else "SURVIVES", mutant.name, flush=True)
    lines = table(drawn, kept, len(everything), options)
    print(*lines, sep="\n")
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def table(drawn: list[Mutant], kept: dict[str, bool], total: int, options: argparse.Namespace) -> list[str]:
    """Markdown: how many mutants of each file were noticed, and those that were not."""
    seen = sum(kept[mutant.name] for mutant in drawn)
    same = sum(bool(mutant.reason) for mutant in drawn if not kept[mutant.name])
    lines = [
        f"{seen} of {len(drawn)} mutants noticed ({seen / len(drawn):.1%}); seed {options.seed}, drawn from {total:,}. "
        f"Of the other {len(drawn) - seen}, {same} change nothing that is promised, for the reason given.",
        "",
        "| file | noticed | tried |",
        "|---|---|---|",
    ]
    for file in TESTS:
        ours = [mutant for mutant in drawn if mutant.file == file]
        lines.append(f"| `{file}` | {sum(kept[mutant.name] for mutant in ours)} | {len(ours)} |")
    lines += ["", "| not noticed | change | line | becomes | why not |", "|---|---|---|---|---|"]
    for mutant in sorted(drawn, key=lambda one: (one.file, one.line)):
        if not kept[mutant.name]:
            before, after = (text.replace("|", "\\|") for text in (mutant.before, mutant.after))
            where = f"| `{mutant.file}:{mutant.line}` | {mutant.change} | `{before}` | `{after}` |"
            lines.append(f"{where} {mutant.reason or 'no test looks at it'} |")
    return lines


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "notebooks")]
    sys.exit(main())
