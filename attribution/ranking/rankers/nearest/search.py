"""How the features of all works are searched: through an index, or by comparing all of them.

Comparing all is exact and needs nothing. An index is used where there are very many works, the
library is installed, the features are kept in a file, and the index was measured to find enough.
Either way the ranker scores what is found exactly, and neither knows a code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from attribution.ranking.rankers.interface import Candidates, Rows
from attribution.ranking.rankers.nearest import index, library
from attribution.ranking.rankers.nearest.index import WorkIndex
from registry.errors import InputError


def why_exact(works: int, *, wanted: bool) -> str | None:
    """Why all works are compared whatever their features; None: an index may be used."""
    if works < index.FEWEST_WORKS:
        return f"they are fewer than {index.FEWEST_WORKS:,}"
    if not wanted:
        return "the ranker was told to, or always does"
    if not library.installed():
        return f"an index needs {library.NAME}: pip install 'creditline[{library.EXTRA}]'"
    return None


@dataclass(frozen=True, eq=False)
class FeatureSearch:
    """The search of one embedding's features."""

    rows: Rows
    path: Path | None
    """The file of the features; None: they are in memory alone."""
    kind: str
    """The embedding, with all that decides its features."""
    wanted: bool
    """Whether an index may be used."""
    on_progress: Callable[[int, int], object] = lambda _done, _total: None

    @cached_property
    def _index(self) -> WorkIndex | str:
        """The index, or why all works are compared."""
        reason = why_exact(len(self.rows), wanted=self.wanted)
        if reason is not None:
            return reason
        if self.rows.width > library.MOST_VALUES:
            return f"features have more than {library.MOST_VALUES:,} values"
        if self.path is None:
            return "an index needs a folder for its file"
        try:
            found = index.index_of(self.path, self.kind, self.rows, self.on_progress)
        except InputError as error:
            return f"no index can be kept: {error}"
        return found if found.good else f"too little is found: {found.recall.sentence}"

    def candidates(self, features: Float32[np.ndarray, "image value"]) -> Candidates | None:
        """The works that can be among the nearest; None: all."""
        if isinstance(self._index, str):
            return None
        return Candidates(tuple(self._index.near(features)), self._index.drawn)

    def facts(self, *, used: bool) -> Mapping[str, Any]:
        """How the works were searched, for the record; empty: all were compared, as always.

        ``used``: whether :meth:`candidates` named the works.
        """
        if len(self.rows) < index.FEWEST_WORKS:
            return {}
        # Not to be opened, or even built, for a record of its absence.
        opened: WorkIndex | str | None = self.__dict__.get("_index")
        if isinstance(opened, WorkIndex) and used:
            return {"search": "index", **opened.facts, "sentence": opened.recall.sentence}
        reason = opened if isinstance(opened, str) else "a unit has several works, whose scores are added"
        return {"search": "exact", "works": len(self.rows), "sentence": f"all works were compared: {reason}"}
