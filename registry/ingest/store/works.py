"""Putting inspected works and their declarations into the registry, a batch per transaction.

Whoever is killed between two batches has lost nothing: what is in stays, and the next run finds it
by its hash. Rows go in as Arrow tables; the lookups are one query per batch, and each batch is one
event of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change, changing
from registry.image_files.inspection import Work
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.data_set import (
    Changes,
    DataSetStore,
    Item,
    Place,
    add_data_set,
    contradictions,
    move_data_set,
)
from registry.ingest.store.declared import declare
from registry.ingest.store.embedded import store_embedded, stored_embedded
from registry.ingest.store.supersede import supersede_listed, take_over_signals
from registry.permissions.derived_columns import refresh, refresh_rights
from registry.site_policies.store import apply_policies, refresh_with_policies
from registry.works.identity import IDENTITY


class WorkStore(DataSetStore):
    """Stores the works of one data set."""

    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """Register a batch in one transaction; see :class:`DataSetStore`."""
        changes = Changes()
        with changing(self.registry, self.now) as change:
            connection = change.connection
            known = self.places_of(connection, {found.sha256 for found, _ in items})
            present: dict[int, Declaration] = {}
            new: list[tuple[int, Work, Declaration]] = []
            next_id = change.next_id("asset")
            for found, declaration in items:
                place = known.get(found.sha256)
                if place is None and isinstance(found, Work):
                    place = Place(next_id + len(new), self.name, found.path)
                    new.append((place.asset_id, found, declaration))
                    known[found.sha256] = place
                    present[place.asset_id] = declaration
                elif place is not None and (place.data_set, place.path) == (self.name, found.path):
                    changes.unchanged += 1
                    present[place.asset_id] = declaration
                elif place is not None:
                    changes.elsewhere.append((found.path, declaration, place))
            self._find_data_set(change)
            if new:  # a source of nothing but what is known leaves no data set without works
                self._insert_works(connection, self._data_set(change), new)
            changes.registered = len(new)
            embedded = {asset_id: work.embedded for asset_id, work, _ in new if work.embedded}
            changes.embedded = len(embedded)
            changes.signals = store_embedded(change, list(embedded.items()))
            here = np.fromiter(present, np.int64, len(present))
            found_again = self._mark_found(connection, here)
            changes.found_again = len(found_again)
            recorded = declare(change, present)
            changes.declarations += recorded.first
            changes.declarations_changed += len(recorded.asset_ids) - recorded.first
            added = np.array([number for number, _, _ in new], np.int64)
            superseded = supersede_listed(change, {work.sha256: asset_id for asset_id, work, _ in new})
            changes.superseded = len(superseded)
            touched = np.union1d(recorded.asset_ids, added)
            # What sites say of a work is found by its address, which may stand in its rights.
            refresh_rights(connection, touched)
            apply_policies(change, touched)
            take_over_signals(change, superseded)
            refresh(change, touched)
            earlier = recorded.asset_ids[recorded.asset_ids < next_id]
            if len(earlier):
                embedded |= stored_embedded(connection, pa.array(earlier))
            paths = {place.asset_id: place.path for place in known.values() if place.asset_id in embedded}
            changes.findings = contradictions(embedded, present, paths)
            facts: dict[str, Any] = {"registered": changes.registered, "declarations": changes.declarations}
            facts |= {"newer declarations": changes.declarations_changed, "found again": found_again}
            if any(facts.values()):
                facts |= {"with metadata": changes.embedded, "rights signals": changes.signals}
                change.record("works registered", f"data set {self.name}", after=facts)
        return changes, here

    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """Record the new paths; see :class:`DataSetStore`."""
        changes = Changes(moved=len(moves))
        if moves:
            with changing(self.registry, self.now) as change:
                table = pa.table({"moved_id": [move[0] for move in moves], "new_path": [move[1] for move in moves]})
                change.connection.register("moves", table)
                former = change.connection.execute(
                    "SELECT id, path FROM asset JOIN moves ON id = moved_id ORDER BY id"
                ).fetchall()
                change.connection.execute(
                    "UPDATE asset SET path = new_path, missing_since = NULL FROM moves WHERE asset.id = moved_id"
                )
                recorded = declare(change, {asset_id: declared for asset_id, _, declared in moves})
                changes.declarations += recorded.first
                changes.declarations_changed += len(recorded.asset_ids) - recorded.first
                refresh_with_policies(change, recorded.asset_ids)
                change.record(
                    "works moved",
                    f"data set {self.name}",
                    before=[list(row) for row in former],
                    after=[[asset_id, path] for asset_id, path, _ in sorted(moves, key=lambda move: move[0])],
                )
        return changes

    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Record it in one event; see :class:`DataSetStore`."""
        with changing(self.registry, self.now) as change:
            change.connection.register("gone", pa.table({"gone_id": pa.array(asset_ids, pa.int64())}))
            rows = change.connection.execute(
                "UPDATE asset SET missing_since = ? FROM gone WHERE id = gone_id AND missing_since IS NULL RETURNING id",
                [self.now],
            ).fetchall()
            if rows:
                change.record("works missing", f"data set {self.name}", after=sorted(number for (number,) in rows))

    def _find_data_set(self, change: Change) -> None:
        """See whether another process has begun with the same source; and that this one has moved,
        if it has.
        """
        if self.data_set_id is None:
            found = change.connection.execute("SELECT id FROM data_set WHERE name = ?", [self.name]).fetchone()
            self.data_set_id = int(found[0]) if found else None
        elif self.former_root is not None:
            move_data_set(change, self.data_set_id, self.name, self.former_root, self.root)
            self.former_root = None

    def _data_set(self, change: Change) -> int:
        if self.data_set_id is None:
            self.data_set_id = add_data_set(change, self.name, self.kind, self.root, self.now)
        return self.data_set_id

    def _insert_works(
        self, connection: duckdb.DuckDBPyConnection, data_set_id: int, new: Sequence[tuple[int, Work, Declaration]]
    ) -> None:
        if not new:
            return
        works = pa.table(
            {
                "id": [asset_id for asset_id, _, _ in new],
                **{
                    name: [getattr(work, name) for _, work, _ in new]
                    for name in ("path", "sha256", "byte_size", "media_type", "width", "height", "pixel_mode")
                },
                "url": pa.array([(work.facts or {}).get("url") for _, work, _ in new], pa.string()),
                "other_hash": pa.nulls(len(new), pa.string()),
            }
        )
        connection.register("works", works)
        connection.execute(
            "INSERT INTO asset (id, data_set_id, path, url, sha256, identity, byte_size, media_type, width, height, "  # noqa: S608 - a constant
            "pixel_mode, registered_at, permission) "
            f"SELECT id, ?, path, url, sha256, {IDENTITY}, byte_size, media_type, width, height, pixel_mode, ?, 'unclear' "
            "FROM (SELECT *, ? AS data_set_id FROM works) ORDER BY id",
            [data_set_id, self.now, data_set_id],
        )

    def _mark_found(self, connection: duckdb.DuckDBPyConnection, present: NDArray[np.int64]) -> list[int]:
        connection.register("present", pa.table({"present_id": pa.array(present, pa.int64())}))
        rows = connection.execute(
            "UPDATE asset SET missing_since = NULL WHERE missing_since IS NOT NULL "
            "AND id IN (SELECT present_id FROM present) RETURNING id"
        ).fetchall()
        return sorted(int(number) for (number,) in rows)
