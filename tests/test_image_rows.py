"""Rows of images: what stands above and beside them, and at which size."""

import pytest
import torch

from ae_utils.errors import InvalidInput
from ae_utils.plots import image_rows

ROWS = [torch.rand(3, 1, 28, 28), torch.rand(2, 1, 28, 28)]


def titles(figure):
    return [axis.get_title() for axis in figure.axes]


def test_a_title_stands_above_each_column():
    assert titles(image_rows(ROWS, columns=("a", "b", "c"))) == ["a", "b", "c", "", "", ""]


def test_images_keep_their_size_whatever_stands_around_them():
    plain, titled = image_rows(ROWS), image_rows(ROWS, ("first", "second"), columns=("a", "b", "c"), title="digits")
    sizes = [axis.get_window_extent().size for figure in (plain, titled) for axis in figure.axes]
    assert all(size == pytest.approx(sizes[0], rel=0.05) for size in sizes)


def test_a_title_is_missing_for_no_row_and_no_column():
    with pytest.raises(InvalidInput, match="2 titles, one for each row, but got 1"):
        image_rows(ROWS, ("first",))
    with pytest.raises(InvalidInput, match="3 columns, a title above each, but got 2"):
        image_rows(ROWS, columns=("a", "b"))
