"""Pictures on pages: which are embedded without loss, and which show their pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reports.rendering.pictures import picture_of


@pytest.mark.parametrize(("side", "coarse", "exact"), [(16, True, True), (64, False, True), (65, False, False)])
def test_only_coarse_pictures_show_their_pixels(side: int, coarse: bool, exact: bool) -> None:
    """16 pixels a side are seen one by one; a picture of 64 is smoothed, from its own pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    picture = picture_of(pixels)
    assert picture.coarse == coarse
    with Image.open(io.BytesIO(picture.data)) as embedded:
        assert np.array_equal(np.asarray(embedded), pixels) == exact
