"""Letters drawn for lesson 07: as large as MNIST's digits, where they lie, and the same each time."""

import pytest
import torch

from ae_utils.course.letters import letters
from ae_utils.errors import InvalidInput


@pytest.fixture(scope="module")
def drawn():
    return letters("AO", ("DejaVu Sans",))


def test_letters_have_the_shape_and_range_of_digits(drawn):
    assert drawn.shape == (8, 1, 28, 28) and drawn.min() == 0 and drawn.max() == 1
    assert torch.equal(drawn, letters("AO", ("DejaVu Sans",)))


def test_they_lie_as_mnist_s_digits_do(drawn):
    middle = torch.arange(28) - 13.5
    for axis in (2, 3):
        ink = drawn.sum(5 - axis).squeeze(1)
        assert ((ink @ middle) / ink.sum(1)).abs().max() < 0.1
        assert ((ink > 0).sum(1) <= 21).all()


def test_a_ring_has_a_hole_and_an_a_stands_on_its_feet(drawn):
    a, o = drawn[0, 0], drawn[4, 0]
    assert o[13:15, 13:15].sum() == 0 and o[13:15, :10].sum() > 0
    columns = [row.nonzero() for row in a if row.any()]
    assert columns[0].max() - columns[0].min() < columns[-1].max() - columns[-1].min() - 8


def test_a_blank_leaves_no_ink():
    with pytest.raises(InvalidInput, match="leave ink, but got ' '"):
        letters(" ")
