"""What the registry already has of a source, and what taking in more of it comes to, whoever then
stores it or does not.

:class:`registry.ingest.store.works.WorkStore` stores; :class:`registry.ingest.rehearsal.Rehearsal`
only tells what storing would do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import UsageError
from registry.event_log.events import Change
from registry.image_files.inspection import KnownWork, Work
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.embedded import conflicts
from registry.metadata import EmbeddedMetadata
from registry.storage.database import Registry
from registry.storage.tables import DataSet
from registry.works.identity import identity_of
from registry.works.queries import asset_rights_table


@dataclass(frozen=True, slots=True)
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


def add_data_set(change: Change, name: str, kind: str, root: Path, now: datetime) -> int:
    """Make a data set; returns its number."""
    number = change.next_id("data_set")
    change.insert(DataSet(id=number, name=name, kind=kind, root=str(root), created_at=now))
    change.record("data set added", f"data set {name}", after={"kind": kind, "root": str(root)})
    return number


def move_data_set(change: Change, number: int, name: str, before: str, root: Path) -> None:
    """Record that a data set's source lies elsewhere now."""
    change.connection.execute("UPDATE data_set SET root = ? WHERE id = ?", [str(root), number])
    change.record("data set moved", f"data set {name}", before={"root": before}, after={"root": str(root)})


class DataSetStore(ABC):
    """The works of one data set."""

    def __init__(self, registry: Registry, name: str, root: Path, now: datetime, kind: str = "folder") -> None:
        """Find the data set; it is made with its first work.

        Raises:
            UsageError: another source, which still exists, is registered under this name.
        """
        self.registry = registry
        self.name = name
        self.root = root
        self.now = now
        self.kind = kind
        with registry.connection() as connection:
            row = connection.execute("SELECT id, root, kind FROM data_set WHERE name = ?", [name]).fetchone()
            if row and row[1] != str(root) and Path(row[1]).exists():
                raise UsageError(
                    f"the data set {name!r} is {_A.get(row[2], row[2])} {row[1]}; give {_A.get(kind, kind)} {root} another "
                    "name with --data-set"
                )
            self.data_set_id = int(row[0]) if row else None
            self.former_root = row[1] if row and row[1] != str(root) else None
        # From here on there is work to lose: rather wait for another command.
        self.registry = registry.patient()

    @abstractmethod
    def add(self, items: Sequence[Item]) -> tuple[Changes, NDArray[np.int64]]:
        """Take a batch in; returns what changes and the ids of the works that are where the
        registry says.
        """

    @abstractmethod
    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """Give works (by id) of this data set their new paths, with what is declared for them
        there.
        """

    @abstractmethod
    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Record that works were not found; the time of an earlier record stays."""

    def known_hashes(self) -> dict[str, str]:
        """By path, the hash of the work that was last registered from there."""
        with self.registry.connection() as connection:
            rows = connection.execute(
                "SELECT path, arg_max(sha256, id) FROM asset WHERE data_set_id = ? AND byte_size IS NOT NULL GROUP BY path",
                [self.data_set_id],
            ).fetchall()
        return dict(rows)

    def places_of(self, connection: duckdb.DuckDBPyConnection, hashes: Collection[str]) -> dict[str, Place]:
        """By hash, where the works are that are registered with a file."""
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
                [self.data_set_id],
            ).fetchall()
        return [Place(asset_id, self.name, path) for asset_id, path in rows]

    def rightsholders_of(self, asset_ids: Sequence[int]) -> dict[int, str | None]:
        """By work, its rightsholder's name."""
        with self.registry.connection() as connection:
            rights = asset_rights_table(connection, asset_ids).select(["asset_id", "rightsholder"]).to_pylist()
        return {row["asset_id"]: row["rightsholder"] for row in rights}


_A: Mapping[str, str] = {"folder": "the folder", "archive": "the archive", "shards": "the shards", "list": "the list"}


def name_of_archive(registry: Registry, path: Path) -> str:
    """What an archive's data set is called: as it was registered before, else by its whole file
    name.

    The whole name, because ``good.zip`` and ``good.tar.gz`` are two sources.
    """
    with registry.connection() as connection:
        row = connection.execute(
            "SELECT name FROM data_set WHERE kind = 'archive' AND root = ? ORDER BY id LIMIT 1", [str(path)]
        ).fetchone()
    return str(row[0]) if row else path.name


def contradictions(
    embedded: Mapping[int, EmbeddedMetadata], declared: Mapping[int, Declaration], paths: Mapping[int, str]
) -> list[Finding]:
    """Where works (by asset id) say something else than is declared for them, and what of it cannot
    be read.
    """
    found = []
    for asset_id, metadata in sorted(embedded.items()):
        path = paths[asset_id]
        found += [Finding(path, Kind.CONFLICT, reason) for reason in conflicts(declared[asset_id], metadata)]
        if metadata.problems:
            found.append(Finding(path, Kind.METADATA, "; ".join(metadata.problems)))
    return found
