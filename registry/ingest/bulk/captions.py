"""A column of captions brought into order, as :func:`registry.captions.texts.in_order` does one.

Nearly every caption of a list is in order already, as its bytes show; only the others are read one
by one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.captions.texts import LONGEST_CAPTION, in_order
from registry.ingest.bulk.checks import rows_with
from registry.ingest.bulk.texts import lengths_of, valid

# What `in_order` changes beyond ASCII: controls 80 to 9F, line breaks, marks of direction, lost
# characters.
_UNORDERED = r"[\x{80}-\x{9f}\x{2028}\x{2029}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}\x{fffd}]"
_BLANK, _DELETE, _LAST_OF_ASCII = ord(" "), 0x7F, 0x7F


def ordered(column: pa.Array) -> tuple[pa.Array, Iterator[tuple[int, str]]]:
    """The captions in order, null where one is empty, and notes by the place of their row.

    ``column``: trimmed texts in Unicode's composed form, as
    :func:`registry.ingest.bulk.texts.tidied` leaves them.
    """
    suspected = (lengths_of(column) > LONGEST_CAPTION) | rows_with(column, _unordered)
    others = np.flatnonzero(rows_with(column, _beyond_ascii) & ~suspected & valid(column))
    if len(others):
        matched = pc.match_substring_regex(column.take(pa.array(others)), _UNORDERED)
        suspected[others] = np.asarray(matched.to_numpy(zero_copy_only=False))
    places = np.flatnonzero(suspected & valid(column))
    if not len(places):
        return column, iter(())
    read = [in_order(text) for text in column.take(pa.array(places)).to_pylist()]
    mask = np.zeros(len(column), bool)
    mask[places] = True
    replaced = pc.replace_with_mask(column, pa.array(mask), pa.array([each.text for each in read], column.type))
    return replaced, ((int(place), each.note) for place, each in zip(places, read, strict=True) if each.note)


def _unordered(data: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Mask of control characters and of blanks behind blanks; None if there are none."""
    blanks = data == _BLANK
    found = (data < _BLANK) | (data == _DELETE)
    found[1:] |= blanks[1:] & blanks[:-1]
    return found if found.any() else None


def _beyond_ascii(data: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    found = data > _LAST_OF_ASCII
    return found if found.any() else None
