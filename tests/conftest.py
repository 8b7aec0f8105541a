"""What the tests share: small pieces of the real MNIST, and short trainings."""

import dataclasses
import functools
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from ae_utils.data.mnist import mnist
from ae_utils.recipes.registry import get
from ae_utils.runs.run import Run


@pytest.fixture(scope="session")
def train():
    """The first 2,000 training images."""
    return mnist("train")[:2000]


@pytest.fixture(scope="session")
def test():
    """The first 500 test images."""
    return mnist("test")[:500]


@pytest.fixture(scope="session")
def short_run(tmp_path_factory):
    """The folder of a short training by the recipe's name, trained when first asked for; its report has no metrics."""
    out = tmp_path_factory.mktemp("runs")

    @functools.cache
    def folder(name):
        recipe = dataclasses.replace(get(name), evaluate=lambda model, test: {}, figures=())
        Run(recipe, out / name, epochs=1, images=300).train()
        return out / name

    return folder
