"""The arrays that the compiled loops of this room read and fill.

Words used here: a code is ``head << low | tail``, with ``low`` bits in the tail. A group is all
codes of one head. Tails are cut into parts of equal width. A code's *form* is b'Hb, its *value* the
form times ``inverse[s]``, s being the members in service that the code names.

Machine code that Numba kept knows a field by its place. Whoever moves or adds a field here changes
:mod:`attribution.ablation.scan.loops` too, so that its loops are compiled anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Word: TypeAlias = Any
"""An unsigned 64-bit integer, or a whole number below 2^63: Numba works with either."""
Best: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Values, numbers and codes of units; filled in place."""


class Exact(NamedTuple):
    """The form in double precision."""

    matrix: np.ndarray
    """H, shape (n, n)."""
    tables: np.ndarray
    """Shape (pairs of parts, 4**WIDTH)."""
    parts: int
    """At least 2."""
    mask: Word
    """The members in service."""
    inverse: np.ndarray
    """Shape (n + 1): by members in service of a code; NaN: all of them."""
    rounding: float
    """No form is wrong by more."""


class Tails(NamedTuple):
    """The form of tails in single precision."""

    low: int
    width: int
    own: np.ndarray
    """Shape (parts, 2**width): each word of a part alone."""
    cross: np.ndarray
    """Shape (pairs of parts, 4**width)."""
    size: float
    """The largest absolute sum of these tables."""


class Groups(NamedTuple):
    """Codes by head."""

    heads: np.ndarray
    starts: np.ndarray
    """Where each group's tails begin in ``tails``; groups may share tails."""
    stops: np.ndarray
    tails: np.ndarray
    numbers: np.ndarray
    """The unit of each tail; empty where units are dealt codes by number."""
    lightest: int
    heaviest: int


class Dealing(NamedTuple):
    """How numbers get codes (:mod:`registry.encodings.codes`)."""

    partners: np.ndarray
    coins: np.ndarray
    size: int
    n: int
    h: int
    orientation: Word
    """Where words have complements, the key of their coins."""
    paired: bool
    binomials: np.ndarray
    units: int
    """Numbers from here on have no unit."""
