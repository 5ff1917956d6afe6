"""A registration that stores nothing: what each batch would come to, from what the registry has and
what the files say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.image_files.inspection import Work
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.data_set import Changes, DataSetStore, Item, Place, contradictions
from registry.ingest.store.embedded import stored_embedded
from registry.metadata import EmbeddedMetadata
from registry.storage.database import Registry
from registry.works.identity import identity_of

FIRST = 5
"""Works that are shown as they would land."""
_SAID = ("creator", "copyright_notice", "credit_line", "rights_url", "usage_terms", "title", "digital_source_type")


@dataclass(frozen=True)
class Landing:
    """A new work as it would land."""

    path: str
    rightsholder: str | None = None
    licence: str | None = None
    title: str | None = None
    creator: str | None = None
    says: dict[str, str] = field(default_factory=dict)
    """What the file says of itself; its rights signals under the name of their protocol."""
    reason: str | None = None
    """Always None: what would not land is in the findings. Rows of lists are shown with one, and
    both read alike."""


class Rehearsal(DataSetStore):
    """Gives the answers of a :class:`registry.ingest.store.works.WorkStore`, and only reads the
    registry.
    """

    def __init__(self, registry: Registry, name: str, root: Path, now: datetime, kind: str) -> None:
        """See :class:`DataSetStore`."""
        super().__init__(registry, name, root, now, kind)
        self.first: list[Landing] = []
        self._new: dict[str, Place] = {}
        self._owners: dict[int, str | None] = {}

    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """What a batch would come to. New works are numbered below zero, so that they are none of
        the registry's.
        """
        changes = Changes()
        with self.registry.connection() as connection:
            known = self.places_of(connection, {found.sha256 for found, _ in items})
            present: dict[int, Declaration] = {}
            paths: dict[int, str] = {}
            new: dict[int, Work] = {}
            for found, declaration in items:
                place = known.get(found.sha256) or self._new.get(found.sha256)
                if place is None and isinstance(found, Work):
                    place = Place(-1 - len(self._new), self.name, found.path)
                    self._new[found.sha256] = place
                    self._owners[place.asset_id] = declaration.rightsholder
                    new[place.asset_id] = found
                elif place is not None and (place.data_set, place.path) == (self.name, found.path):
                    changes.unchanged += 1
                elif place is not None:
                    changes.elsewhere.append((found.path, declaration, place))
                    continue
                else:
                    continue
                present[place.asset_id], paths[place.asset_id] = declaration, found.path
            embedded = {number: work.embedded for number, work in new.items() if work.embedded}
            changes.embedded = len(embedded)
            changes.signals = sum(len(each.signals) for each in embedded.values())
            changes.superseded = _listed(connection, [work.sha256 for work in new.values()])
            before = np.array([number for number in present if number >= 0], np.int64)
            embedded |= stored_embedded(connection, pa.array(before))
        changes.registered = len(new)
        changes.findings = contradictions(embedded, present, paths)
        for number, work in list(new.items())[: FIRST - len(self.first)]:
            self.first.append(_landing(work, present[number]))
        return changes, before

    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """How many works would get new paths."""
        return Changes(moved=len(moves))

    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Nothing: the findings name them."""

    def rightsholders_of(self, asset_ids: Sequence[int]) -> dict[int, str | None]:
        """By work, its rightsholder's name; of new ones, as it is declared."""
        found = super().rightsholders_of([number for number in asset_ids if number >= 0])
        return found | {number: self._owners[number] for number in asset_ids if number < 0}


def _listed(connection: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> int:
    """How many works are known by their metadata alone that have these hashes."""
    table = {
        "new_sha256": pa.array(hashes, pa.string()),
        "new_identity": pa.array(map(identity_of, hashes), pa.uint64()),
    }
    connection.register("found_files", pa.table(table))
    rows = connection.execute(
        "SELECT count(*) FROM asset JOIN found_files ON identity = new_identity AND sha256 = new_sha256 "
        "WHERE byte_size IS NULL AND missing_since IS NULL"
    ).fetchall()
    connection.unregister("found_files")
    return int(rows[0][0])


def _landing(work: Work, declaration: Declaration) -> Landing:
    stated: dict[str, Any] = {
        name: getattr(declaration, name) for name in ("rightsholder", "licence", "title", "creator")
    }
    return Landing(work.path, **stated, says=_said(work.embedded) if work.embedded else {})


def _said(embedded: EmbeddedMetadata) -> dict[str, str]:
    said = {name: str(getattr(embedded, name)) for name in _SAID if getattr(embedded, name)}
    for signal in embedded.signals:
        text = f"{signal.category} {signal.use}"
        name = str(signal.protocol)
        said[name] = f"{said[name]}, {text}" if name in said else text
    return said
