"""Inspected files and their declarations into the registry: a batch is one transaction and event.

Only files carry embedded metadata, can lie in several places with the same bytes, can be moved or
missing, and can replace a work that a list named. A killed run loses the batch at hand; the next
run finds the other works by their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change, changing
from registry.image_files.inspection import KnownWork, Work
from registry.ingest.findings import KEPT, Finding, Kind
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.data_set import SourceDataSet
from registry.ingest.store.embedded import conflicts, store_embedded, stored_embedded
from registry.ingest.store.file_batches import file_batch, file_rows, known_works_batch, with_captions
from registry.ingest.store.file_captions import CaptionRule, captions_of
from registry.ingest.store.matching import Numbers, match
from registry.ingest.store.supersede import conflicts_with_listed, supersede_listed, take_over_signals
from registry.ingest.store.works import Batch, StoredWorks, store_works
from registry.metadata import EmbeddedMetadata
from registry.permissions.derived_columns import recompute, recompute_rights
from registry.site_policies.store import apply_policies, recompute_with_policies
from registry.storage.database import Registry
from registry.storage.selection import selected_works
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
    further: int = 0
    """Declarations of further files with the bytes of a work, recorded beside that of the work."""
    captions: int = 0
    """Captions that were recorded."""
    captions_changed: int = 0
    """Of these, captions in place of another one."""
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


class FileStore:
    """Stores the works of one data set of files."""

    def __init__(
        self, registry: Registry, data_set: SourceDataSet, now: datetime, captions: CaptionRule | None = None
    ) -> None:
        # Work would be lost if a commit failed: wait longer for other commands.
        self.registry = registry.patient()
        self.data_set = data_set
        self.now = now
        self.captions = captions or CaptionRule()

    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """Register a batch in one transaction.

        Returns:
            The changes, and the ids of the works that are where the registry says.
        """
        changes = Changes()
        with changing(self.registry, self.now) as change:
            connection = change.connection
            files, declarations = [found for found, _ in items], [declared for _, declared in items]
            rows = file_rows(files, declarations)
            found = match(change, rows, self.data_set.expected_id, with_file=True)
            places = self._places(connection, np.unique(found.asset_ids))
            here, known = found.new.copy(), np.zeros(len(items), bool)
            for number, (file, asset_id) in enumerate(zip(files, found.asset_ids.tolist(), strict=True)):
                if here[number]:
                    places[asset_id] = Place(asset_id, self.data_set.name, file.path)
                elif (place := places[asset_id]).data_set == self.data_set.name and place.path == file.path:
                    here[number] = known[number] = True
                else:
                    changes.elsewhere.append((file.path, declarations[number], place))
            # A source of known works alone leaves no data set without works.
            data_set_id = self.data_set.add(change) if found.new.any() else self.data_set.update(change)
            captions, doubts = captions_of(connection, self.captions, files, declarations, found.asset_ids)
            changes.findings += doubts
            rows = with_captions(rows, captions)
            batch = file_batch(rows, found.asset_ids, data_set_id or 0, files, declarations)
            stored = store_works(change, batch, new=np.flatnonzero(found.new), known=np.flatnonzero(known), named=KEPT)
            changes.registered, changes.unchanged = stored.registered, int(known.sum())
            _count(changes, stored)
            embedded = {
                int(found.asset_ids[number]): file.embedded
                for number, file in enumerate(files)
                if found.new[number] and isinstance(file, Work) and file.embedded
            }
            changes.embedded = len(embedded)
            changes.signals = store_embedded(change, list(embedded.items()))
            present = found.asset_ids[here]
            found_again = self._mark_found(connection, present)
            changes.found_again = len(found_again)
            self._finish(change, changes, batch, np.flatnonzero(found.new), stored)
            declared = {int(found.asset_ids[number]): declarations[number] for number in np.flatnonzero(here)}
            if len(stored.declared):
                embedded |= stored_embedded(connection, pa.array(stored.declared))
            paths = {asset_id: places[asset_id].path for asset_id in embedded}
            changes.findings += _contradictions(embedded, declared, paths)
            facts: dict[str, Any] = {"registered": changes.registered, "declarations": changes.declarations}
            facts |= {"newer declarations": changes.declarations_changed, "found again": found_again}
            facts |= {"captions": changes.captions} if changes.captions else {}
            if stored.anything or found_again:
                facts |= {"with metadata": changes.embedded, "rights signals": changes.signals}
                change.record("works registered", f"data set {self.data_set.name}", after=facts)
        return changes, present

    def _finish(self, change: Change, changes: Changes, batch: Batch, new: Numbers, stored: StoredWorks) -> None:
        """Replace listed works by their files, and recompute what follows from the new rows."""
        touched = np.union1d(stored.added, stored.declared)
        files = {int(batch.asset_ids[number]): int(number) for number in new}
        hashes = batch.rows.column("sha256").take(pa.array(new)).to_pylist()
        replaced = supersede_listed(change, dict(zip(hashes, files, strict=True)))
        changes.superseded = len(replaced)
        changes.findings += conflicts_with_listed(change.connection, replaced, lambda work: batch.place(files[work]))
        # A site's policy is found by the work's address, which may be in its rights.
        recompute_rights(change.connection, touched)
        apply_policies(change, touched)
        take_over_signals(change, replaced)
        recompute(change, touched)

    def declare_elsewhere(self, statements: Sequence[tuple[str, Declaration, Place]]) -> Changes:
        """Record what is declared about files with the bytes of a work that lies elsewhere."""
        changes = Changes()
        said = [
            each
            for each in statements
            if each[1].rightsholder or each[1].licence or each[1].captions or self.captions.template
        ]
        if said:
            with changing(self.registry, self.now) as change:
                paths, declarations, places = zip(*said, strict=True)
                batch = self._batch_of(change, changes, paths, declarations, [place.asset_id for place in places])
                stored = store_works(change, batch, again=np.arange(len(said)), named=KEPT)
                _count(changes, stored)
                changes.further = stored.further
                if stored.anything:
                    recompute_with_policies(change, stored.declared)
                    after = {"declarations": stored.further, "works": stored.declared[:KEPT].tolist()}
                    after |= {"captions": changes.captions} if changes.captions else {}
                    change.record("works declared again", f"data set {self.data_set.name}", after=after)
        return changes

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
                asset_ids, paths, declarations = zip(*moves, strict=True)
                batch = self._batch_of(change, changes, paths, declarations, asset_ids)
                stored = store_works(change, batch, known=np.arange(len(moves)), named=KEPT)
                _count(changes, stored)
                recompute_with_policies(change, stored.declared)
                change.record(
                    "works moved",
                    f"data set {self.data_set.name}",
                    before=[list(row) for row in former],
                    after=[[asset_id, path] for asset_id, path, _ in sorted(moves, key=lambda move: move[0])],
                )
        return changes

    def _batch_of(
        self,
        change: Change,
        changes: Changes,
        paths: Sequence[str],
        declarations: Sequence[Declaration],
        asset_ids: Sequence[int],
    ) -> Batch:
        """What is declared about works of the registry at these paths."""
        files = [KnownWork(path, "") for path in paths]
        captions, doubts = captions_of(change.connection, self.captions, files, declarations, asset_ids)
        changes.findings += doubts
        return known_works_batch(files, declarations, asset_ids, captions)

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

    def _places(self, connection: duckdb.DuckDBPyConnection, asset_ids: Numbers) -> dict[int, Place]:
        """The places of works."""
        with selected_works(connection, asset_ids):
            rows = connection.execute(
                "SELECT asset.id, name, path FROM selected_works JOIN asset ON asset.id = selected_id "
                "JOIN data_set ON data_set.id = data_set_id"
            ).fetchall()
        return {asset_id: Place(asset_id, name, path) for asset_id, name, path in rows}

    def places_of(self, hashes: Sequence[str]) -> dict[str, Place]:
        """The places of works that are registered with a file, by hash."""
        listed = sorted(set(hashes))
        identities = pa.array(map(identity_of, listed), pa.uint64())
        with self.registry.connection() as connection:
            connection.register("found", pa.table({"found_sha256": listed, "found_identity": identities}))
            rows = connection.execute(
                # Materialised: DuckDB cannot push bounds above 2**63 of a join into an Arrow table.
                "WITH listed AS MATERIALIZED (FROM found) "
                "SELECT sha256, asset.id, name, path FROM asset JOIN listed ON identity = found_identity "
                "AND sha256 = found_sha256 JOIN data_set ON data_set.id = data_set_id WHERE byte_size IS NOT NULL"
            ).fetchall()
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


def _count(changes: Changes, stored: StoredWorks) -> None:
    changes.declarations, changes.declarations_changed = stored.declarations, stored.changed
    changes.captions, changes.captions_changed = stored.captions.recorded, stored.captions.changed
    changes.findings += stored.findings


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
