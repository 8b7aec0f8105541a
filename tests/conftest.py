"""What the tests share: small pieces of the real MNIST."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from ae_utils.data.mnist import mnist


@pytest.fixture(scope="session")
def train():
    """The first 2,000 training images."""
    return mnist("train")[:2000]


@pytest.fixture(scope="session")
def test():
    """The first 500 test images."""
    return mnist("test")[:500]
