"""Inspected files and their declarations into the registry: a batch is one transaction and event.

A killed run loses the batch at hand; the next run finds the other works by their hashes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change, changing
from registry.image_files.inspection import KnownWork, Work
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.data_set import SourceDataSet
from registry.ingest.store.embedded import conflicts, store_embedded, stored_embedded
from registry.ingest.store.rights import declare
from registry.ingest.store.rows import insert_rows
from registry.ingest.store.supersede import supersede_listed, take_over_signals
from registry.metadata import EmbeddedMetadata
from registry.permissions.derived_columns import recompute, recompute_rights
from registry.site_policies.store import apply_policies, recompute_with_policies
from registry.storage.database import Registry
from registry.works.identity import identity_of
from registry.works.queries import asset_rights_table


@dataclass(frozen=True, slots=True)
class Place:
    """The place where a work is registered."""

    asset_id: int
    data_set: str
    path: str


@dataclass
class Changes:
    """Changes of a batch to the registry."""

    registered: int = 0
    unchanged: int = 0
    moved: int = 0
    found_again: int = 0
    declarations: int = 0
    """First declarations."""
    declarations_changed: int = 0
    """Newer declarations, appended beside the earlier ones."""
    superseded: int = 0
    """Works that a list had registered without a file, now replaced by their file."""
    embedded: int = 0
    """Works with embedded metadata."""
    signals: int = 0
    """Rights signals in that metadata."""
    elsewhere: list[tuple[str, Declaration, Place]] = field(default_factory=list)
    """Files whose content is registered from another place: path, declaration, and that place."""
    findings: list[Finding] = field(default_factory=list)
    """Contradictions between declarations and files, and metadata that cannot be read."""

    def add(self, other: Changes) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


Item = tuple[Work | KnownWork, Declaration]


class WorkStore:
    """Stores the works of one data set."""

    def __init__(self, registry: Registry, data_set: SourceDataSet, now: datetime) -> None:
        # Work would be lost if a commit failed: wait longer for other commands.
        self.registry = registry.patient()
        self.data_set = data_set
        self.now = now

    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """Register a batch in one transaction.

        Returns:
            The changes, and the ids of the works that are where the registry says.
        """
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
                    place = Place(next_id + len(new), self.data_set.name, found.path)
                    new.append((place.asset_id, found, declaration))
                    known[found.sha256] = place
                    present[place.asset_id] = declaration
                elif place is not None and (place.data_set, place.path) == (self.data_set.name, found.path):
                    changes.unchanged += 1
                    present[place.asset_id] = declaration
                elif place is not None:
                    changes.elsewhere.append((found.path, declaration, place))
            if new:  # a source of known works alone leaves no data set without works
                self._insert_works(change, self.data_set.add(change), new)
            else:
                self.data_set.update(change)
            changes.registered = len(new)
            embedded = {asset_id: work.embedded for asset_id, work, _ in new if work.embedded}
            changes.embedded = len(embedded)
            changes.signals = store_embedded(change, list(embedded.items()))
            here = np.fromiter(present, np.int64, len(present))
            found_again = self._mark_found(connection, here)
            changes.found_again = len(found_again)
            recorded = declare(change, present)
            changes.declarations += recorded.first
            changes.declarations_changed += recorded.changed
            added = np.array([number for number, _, _ in new], np.int64)
            superseded = supersede_listed(change, {work.sha256: asset_id for asset_id, work, _ in new})
            changes.superseded = len(superseded)
            touched = np.union1d(recorded.asset_ids, added)
            # A site's policy is found by the work's address, which may be in its rights.
            recompute_rights(connection, touched)
            apply_policies(change, touched)
            take_over_signals(change, superseded)
            recompute(change, touched)
            earlier = recorded.asset_ids[recorded.asset_ids < next_id]
            if len(earlier):
                embedded |= stored_embedded(connection, pa.array(earlier))
            paths = {place.asset_id: place.path for place in known.values() if place.asset_id in embedded}
            changes.findings = _contradictions(embedded, present, paths)
            facts: dict[str, Any] = {"registered": changes.registered, "declarations": changes.declarations}
            facts |= {"newer declarations": changes.declarations_changed, "found again": found_again}
            if any(facts.values()):
                facts |= {"with metadata": changes.embedded, "rights signals": changes.signals}
                change.record("works registered", f"data set {self.data_set.name}", after=facts)
        return changes, here

    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """Give works (by id) their new paths, with the declarations there."""
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
                changes.declarations_changed += recorded.changed
                recompute_with_policies(change, recorded.asset_ids)
                change.record(
                    "works moved",
                    f"data set {self.data_set.name}",
                    before=[list(row) for row in former],
                    after=[[asset_id, path] for asset_id, path, _ in sorted(moves, key=lambda move: move[0])],
                )
        return changes

    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Record missing works in one event; the time of an earlier record stays."""
        with changing(self.registry, self.now) as change:
            change.connection.register("gone", pa.table({"gone_id": pa.array(asset_ids, pa.int64())}))
            rows = change.connection.execute(
                "UPDATE asset SET missing_since = ? FROM gone WHERE id = gone_id AND missing_since IS NULL RETURNING id",
                [self.now],
            ).fetchall()
            if rows:
                change.record(
                    "works missing", f"data set {self.data_set.name}", after=sorted(number for (number,) in rows)
                )

    def _insert_works(self, change: Change, data_set_id: int, new: Sequence[tuple[int, Work, Declaration]]) -> None:
        columns = {
            "id": pa.array([asset_id for asset_id, _, _ in new], pa.int64()),
            **{
                name: pa.array([getattr(work, name) for _, work, _ in new])
                for name in ("path", "sha256", "byte_size", "media_type", "width", "height", "pixel_mode")
            },
            "url": pa.array([(work.facts or {}).get("url") for _, work, _ in new], pa.string()),
            "identity": pa.array([identity_of(work.sha256) for _, work, _ in new], pa.uint64()),
        }
        constants = {"data_set_id": data_set_id, "registered_at": change.now, "permission": "unclear"}
        insert_rows(change, "asset", columns, constants)

    def _mark_found(self, connection: duckdb.DuckDBPyConnection, present: NDArray[np.int64]) -> list[int]:
        connection.register("present", pa.table({"present_id": pa.array(present, pa.int64())}))
        rows = connection.execute(
            "UPDATE asset SET missing_since = NULL WHERE missing_since IS NOT NULL "
            "AND id IN (SELECT present_id FROM present) RETURNING id"
        ).fetchall()
        return sorted(int(number) for (number,) in rows)

    def known_hashes(self) -> dict[str, str]:
        """The hash of the work that was last registered from each path."""
        with self.registry.connection() as connection:
            rows = connection.execute(
                "SELECT path, arg_max(sha256, id) FROM asset WHERE data_set_id = ? AND byte_size IS NOT NULL GROUP BY path",
                [self.data_set.id],
            ).fetchall()
        return dict(rows)

    def places_of(self, connection: duckdb.DuckDBPyConnection, hashes: Collection[str]) -> dict[str, Place]:
        """The places of works registered with a file, by hash."""
        listed = sorted(hashes)
        found = pa.table(
            {
                "found_sha256": pa.array(listed, pa.string()),
                "found_identity": pa.array(map(identity_of, listed), pa.uint64()),
            }
        )
        connection.register("found", found)
        rows = connection.execute(
            "SELECT sha256, asset.id, name, path FROM asset JOIN found ON identity = found_identity AND sha256 = found_sha256 "
            "JOIN data_set ON data_set.id = data_set_id WHERE byte_size IS NOT NULL"
        ).fetchall()
        connection.unregister("found")
        return {sha256: Place(asset_id, name, path) for sha256, asset_id, name, path in rows}

    def absent(self, present: NDArray[np.int64]) -> list[Place]:
        """Works of this data set that are not among those ``present``, by path."""
        with self.registry.connection() as connection:
            connection.register("present", pa.table({"present_id": pa.array(present, pa.int64())}))
            rows = connection.execute(
                "SELECT id, path FROM asset ANTI JOIN present ON present_id = id "
                "WHERE data_set_id = ? AND byte_size IS NOT NULL ORDER BY path, id",
                [self.data_set.id],
            ).fetchall()
        return [Place(asset_id, self.data_set.name, path) for asset_id, path in rows]

    def rightsholders_of(self, asset_ids: Sequence[int]) -> dict[int, str | None]:
        """The name of each work's rightsholder."""
        with self.registry.connection() as connection:
            rights = asset_rights_table(connection, asset_ids).select(["asset_id", "rightsholder"]).to_pylist()
        return {row["asset_id"]: row["rightsholder"] for row in rights}


def _contradictions(
    embedded: Mapping[int, EmbeddedMetadata], declared: Mapping[int, Declaration], paths: Mapping[int, str]
) -> list[Finding]:
    """Contradictions between declarations and files (by asset id), and unreadable metadata."""
    found = []
    for asset_id, metadata in sorted(embedded.items()):
        path = paths[asset_id]
        found += [Finding(path, Kind.CONFLICT, reason) for reason in conflicts(declared[asset_id], metadata)]
        if metadata.problems:
            found.append(Finding(path, Kind.METADATA, "; ".join(metadata.problems)))
    return found
