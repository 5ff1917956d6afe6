"""A column of texts as a sequence."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.storage import text_column
from registry.storage.text_column import TextColumn


@given(st.lists(st.lists(st.text(max_size=3), max_size=5), max_size=4), st.integers(-20, 20), st.integers(1, 4))
def test_it_is_the_list_of_its_texts(parts: list[list[str]], place: int, at_once: int) -> None:
    """However the result was cut: items, slices, order, length, equality."""
    expected = [text for part in parts for text in part]
    column = TextColumn(pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_column, "_AT_ONCE", at_once)
        assert list(column) == expected
        assert column == expected
        assert column != [*expected, "more"]
    assert len(column) == len(expected)
    assert column[place:] == expected[place:]
    assert column[:place:2] == expected[:place:2]
    if -len(expected) <= place < len(expected):
        assert column[place] == expected[place]
    else:
        with pytest.raises(IndexError):
            column[place]
