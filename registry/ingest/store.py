"""Putting inspected works and their declarations into the registry, a batch per transaction.

Whoever is killed between two batches has lost nothing: what is in stays, and the next run finds it by its hash. Rows go in
as Arrow tables; the lookups are one query per batch, and each batch is one event of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.database import Registry
from registry.errors import UsageError
from registry.events import Change, changing
from registry.identity import IDENTITY, identity_of
from registry.ingest.declared import declare
from registry.ingest.embedded_store import conflicts, store_embedded, stored_embedded
from registry.ingest.findings import Finding, Kind
from registry.ingest.inspection import KnownWork, Work
from registry.ingest.owners import Declaration
from registry.ingest.supersede import supersede_listed, take_over_signals
from registry.metadata import EmbeddedMetadata
from registry.models import DataSet
from registry.queries import asset_rights_table
from registry.site_policies import apply_policies, refresh_with_policies
from registry.state import refresh, refresh_rights


@dataclass(frozen=True)
class Place:
    """Where a work is registered."""

    asset_id: int
    data_set: str
    path: str


@dataclass
class Changes:
    """What a batch did to the registry."""

    registered: int = 0
    unchanged: int = 0
    moved: int = 0
    found_again: int = 0
    declarations: int = 0
    """First declarations."""
    declarations_changed: int = 0
    """Newer declarations, appended beside the earlier ones."""
    superseded: int = 0
    """Works that were known by their metadata alone, of which the file has turned up."""
    embedded: int = 0
    """Works that say something about themselves."""
    signals: int = 0
    """Rights signals in these."""
    elsewhere: list[tuple[str, Declaration, Place]] = field(default_factory=list)
    """Files whose content is registered from another place: their path there."""
    findings: list[Finding] = field(default_factory=list)
    """Where declarations and files contradict each other, and metadata that cannot be read."""

    def add(self, other: Changes) -> None:
        """Count another batch's changes in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


Item = tuple[Work | KnownWork, Declaration]


class WorkStore:
    """The works of one data set."""

    def __init__(self, registry: Registry, name: str, root: Path, now: datetime, kind: str = "folder") -> None:
        """Find the data set; it is made with its first work.

        Raises:
            UsageError: another folder, which still exists, is registered under this name.
        """
        self.registry = registry
        self.name = name
        self.root = root
        self.now = now
        self.kind = kind
        with registry.connection() as connection:
            row = connection.execute("SELECT id, root FROM data_set WHERE name = ?", [name]).fetchone()
            if row and row[1] != str(root) and Path(row[1]).exists():
                raise UsageError(
                    f"the data set {name!r} is the folder {row[1]}; give {root} another name with --data-set"
                )
            self.data_set_id = int(row[0]) if row else None
            self.former_root = row[1] if row and row[1] != str(root) else None
        # From here on there is work to lose: rather wait for another command.
        self.registry = registry.patient()

    def known_hashes(self) -> dict[str, str]:
        """By path, the hash of the work that was last registered from there."""
        with self.registry.connection() as connection:
            rows = connection.execute(
                "SELECT path, arg_max(sha256, id) FROM asset WHERE data_set_id = ? AND byte_size IS NOT NULL GROUP BY path",
                [self.data_set_id],
            ).fetchall()
        return dict(rows)

    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """Register a batch; returns what changed and the ids of the works that are where the registry says."""
        changes = Changes()
        with changing(self.registry, self.now) as change:
            connection = change.connection
            data_set_id = self._data_set(change)
            known = self._known(connection, {found.sha256 for found, _ in items})
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
            self._insert_works(connection, data_set_id, new)
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
            changes.findings = _findings(embedded, present, {asset_id: work.path for asset_id, work, _ in new}, known)
            facts: dict[str, Any] = {"registered": changes.registered, "declarations": changes.declarations}
            facts |= {"newer declarations": changes.declarations_changed, "found again": found_again}
            if any(facts.values()):
                facts |= {"with metadata": changes.embedded, "rights signals": changes.signals}
                change.record("works registered", f"data set {self.name}", after=facts)
        return changes, here

    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """Give works (by id) of this data set their new paths, with what is declared for them there."""
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

    def absent(self, present: NDArray[np.int64]) -> list[Place]:
        """Works of this data set that are not among those ``present``, by path."""
        with self.registry.connection() as connection:
            connection.register("present", pa.table({"present_id": pa.array(present, pa.int64())}))
            rows = connection.execute(
                "SELECT id, path FROM asset ANTI JOIN present ON present_id = id "
                "WHERE data_set_id = ? AND byte_size IS NOT NULL ORDER BY path, id",
                [self.data_set_id],
            ).fetchall()
        return [Place(asset_id, self.name, path) for asset_id, path in rows]

    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Record that works were not found; the time of an earlier record stays."""
        with changing(self.registry, self.now) as change:
            change.connection.register("gone", pa.table({"gone_id": pa.array(asset_ids, pa.int64())}))
            rows = change.connection.execute(
                "UPDATE asset SET missing_since = ? FROM gone WHERE id = gone_id AND missing_since IS NULL RETURNING id",
                [self.now],
            ).fetchall()
            if rows:
                change.record("works missing", f"data set {self.name}", after=sorted(number for (number,) in rows))

    def rightsholders_of(self, asset_ids: Sequence[int]) -> dict[int, str | None]:
        """By work, its rightsholder's name."""
        with self.registry.connection() as connection:
            rights = asset_rights_table(connection, asset_ids).select(["asset_id", "rightsholder"]).to_pylist()
        return {row["asset_id"]: row["rightsholder"] for row in rights}

    def _data_set(self, change: Change) -> int:
        if self.data_set_id is None:
            # Another process may have begun with the same source in the meantime.
            found = change.connection.execute("SELECT id FROM data_set WHERE name = ?", [self.name]).fetchone()
            self.data_set_id = int(found[0]) if found else None
        if self.data_set_id is None:
            self.data_set_id = change.next_id("data_set")
            row = DataSet(id=self.data_set_id, name=self.name, kind=self.kind, root=str(self.root), created_at=self.now)
            change.insert(row)
            change.record("data set added", f"data set {self.name}", after={"kind": self.kind, "root": str(self.root)})
        elif self.former_root is not None:
            change.connection.execute("UPDATE data_set SET root = ? WHERE id = ?", [str(self.root), self.data_set_id])
            change.record(
                "data set moved",
                f"data set {self.name}",
                before={"root": self.former_root},
                after={"root": str(self.root)},
            )
            self.former_root = None
        return self.data_set_id

    def _known(self, connection: duckdb.DuckDBPyConnection, hashes: set[str]) -> dict[str, Place]:
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


def _findings(
    embedded: dict[int, EmbeddedMetadata],
    declared: dict[int, Declaration],
    new: dict[int, str],
    known: dict[str, Place],
) -> list[Finding]:
    paths = {place.asset_id: place.path for place in known.values() if place.asset_id in embedded} | new
    found = []
    for asset_id, metadata in sorted(embedded.items()):
        path = paths[asset_id]
        found += [Finding(path, Kind.CONFLICT, reason) for reason in conflicts(declared[asset_id], metadata)]
        if metadata.problems:
            found.append(Finding(path, Kind.METADATA, "; ".join(metadata.problems)))
    return found
