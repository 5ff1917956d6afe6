"""The identities of the works of the registry, kept from batch to batch of a long list.

A batch of a list looks for works of the registry. Reading the identities of all works for every
batch would take time in proportion to the square of the list. So they are kept here, sorted, 8
bytes each: a row whose identity is not among them is a new work, without a query.

Another process may add works between two batches. They get higher ids, and works are never removed,
so only the works past the last known id are read before each batch.
"""

from __future__ import annotations

import duckdb
import numpy as np
from numpy.typing import NDArray

Identities = NDArray[np.uint64]


class KnownIdentities:
    """A growing set of identities; :meth:`read` comes before each use, in the same transaction."""

    def __init__(self) -> None:
        self._next_id = 0
        # Each run is sorted, and at least twice as long as the one behind it: a number is moved
        # about log2(runs) times, and a search looks into few runs.
        self._runs: list[Identities] = []

    def read(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add the works that the registry has got since."""
        found = connection.execute("SELECT id, identity FROM asset WHERE id >= ?", [self._next_id]).to_arrow_table()
        if not found.num_rows:
            return
        self._next_id = int(found["id"].to_numpy().max()) + 1
        self._runs.append(np.sort(found["identity"].to_numpy()))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            joined = np.concatenate([self._runs.pop(), self._runs.pop()])
            joined.sort(kind="stable")  # merges sorted runs
            self._runs.append(joined)

    def among(self, identities: Identities) -> NDArray[np.bool_]:
        """Mask of the identities that a work of the registry has."""
        found = np.zeros(len(identities), np.bool_)
        order = np.argsort(identities)  # in order, the search goes through a run once
        asked = identities[order]
        for run in self._runs:
            places = np.searchsorted(run, asked)
            found[order] |= run[np.minimum(places, len(run) - 1)] == asked
        return found
