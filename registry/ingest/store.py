"""Putting inspected works and their declarations into the registry, a batch per transaction.

Whoever is killed between two batches has lost nothing: what is in stays, and the next run finds it by its hash. Rows go in
as Arrow tables; the lookups are one query per batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from registry.database import Registry
from registry.errors import UsageError
from registry.ids import canonical_json
from registry.ingest.inspection import KnownWork, Work
from registry.ingest.owners import Declaration
from registry.queries import asset_rights_table

_STATED = ("rightsholder", "licence", "title", "creator", "source_url")


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
    attributes_changed: int = 0
    elsewhere: list[tuple[Work | KnownWork, Declaration, Place]] = field(default_factory=list)
    """Files whose content is registered from another place."""

    def add(self, other: Changes) -> None:
        """Count another batch's changes in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


Item = tuple[Work | KnownWork, Declaration]


class WorkStore:
    """The works of one data set."""

    def __init__(self, registry: Registry, name: str, root: Path, now: datetime) -> None:
        """Find the data set; it is made with its first work.

        Raises:
            UsageError: another folder, which still exists, is registered under this name.
        """
        self.registry = registry
        self.name = name
        self.root = root
        self.now = now
        with registry.connection() as connection:
            row = connection.execute("SELECT id, root FROM data_set WHERE name = ?", [name]).fetchone()
            if row and row[1] != str(root) and Path(row[1]).exists():
                raise UsageError(
                    f"the data set {name!r} is the folder {row[1]}; give {root} another name with --data-set"
                )
            self.data_set_id = int(row[0]) if row else None
            self.former_root = row[1] if row and row[1] != str(root) else None

    def known_hashes(self) -> dict[str, str]:
        """By path, the hash of the work that was last registered from there."""
        with self.registry.connection() as connection:
            rows = connection.execute(
                "SELECT path, arg_max(sha256, id) FROM asset WHERE data_set_id = ? GROUP BY path", [self.data_set_id]
            ).fetchall()
        return dict(rows)

    def add(self, items: Sequence[Item]) -> tuple[Changes, set[int]]:
        """Register a batch; returns what changed and the ids of the works that are where the registry says."""
        changes = Changes()
        with self.registry.connection() as connection:
            data_set_id = self._data_set(connection)
            known = self._known(connection, {found.sha256 for found, _ in items})
            present: dict[int, Declaration] = {}
            new: list[tuple[int, Work, Declaration]] = []
            next_id = _next_id(connection, "asset")
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
                    changes.elsewhere.append((found, declaration, place))
            self._insert_works(connection, data_set_id, new)
            changes.registered = len(new)
            changes.found_again = self._mark_found(connection, present)
            self._declare(connection, present, changes)
        return changes, set(present)

    def move(self, moves: Sequence[tuple[int, str, Declaration]]) -> Changes:
        """Give works (by id) of this data set their new paths, with what is declared for them there."""
        changes = Changes(moved=len(moves))
        if moves:
            with self.registry.connection() as connection:
                table = pa.table({"moved_id": [move[0] for move in moves], "new_path": [move[1] for move in moves]})
                connection.register("moves", table)
                connection.execute(
                    "UPDATE asset SET path = new_path, missing_since = NULL FROM moves WHERE asset.id = moved_id"
                )
                self._declare(connection, {asset_id: declaration for asset_id, _, declaration in moves}, changes)
        return changes

    def absent(self, present: Iterable[int]) -> list[Place]:
        """Works of this data set that are not among those ``present``, by path."""
        with self.registry.connection() as connection:
            connection.register("present", pa.table({"present_id": pa.array(list(present), pa.int64())}))
            rows = connection.execute(
                "SELECT id, path FROM asset WHERE data_set_id = ? AND id NOT IN (SELECT present_id FROM present) "
                "ORDER BY path, id",
                [self.data_set_id],
            ).fetchall()
        return [Place(asset_id, self.name, path) for asset_id, path in rows]

    def mark_missing(self, asset_ids: Sequence[int]) -> None:
        """Record that works were not found; the time of an earlier record stays."""
        with self.registry.connection() as connection:
            connection.register("gone", pa.table({"gone_id": pa.array(asset_ids, pa.int64())}))
            connection.execute(
                "UPDATE asset SET missing_since = ? FROM gone WHERE id = gone_id AND missing_since IS NULL", [self.now]
            )

    def rightsholders_of(self, asset_ids: Sequence[int]) -> dict[int, str | None]:
        """By work, its rightsholder's name."""
        with self.registry.connection() as connection:
            rights = asset_rights_table(connection, asset_ids).select(["asset_id", "rightsholder"]).to_pylist()
        return {row["asset_id"]: row["rightsholder"] for row in rights}

    def _data_set(self, connection: duckdb.DuckDBPyConnection) -> int:
        if self.data_set_id is None:
            self.data_set_id = _next_id(connection, "data_set")
            connection.execute(
                "INSERT INTO data_set (id, name, root, created_at) VALUES (?, ?, ?, ?)",
                [self.data_set_id, self.name, str(self.root), self.now],
            )
        elif self.former_root is not None:
            connection.execute("UPDATE data_set SET root = ? WHERE id = ?", [str(self.root), self.data_set_id])
            self.former_root = None
        return self.data_set_id

    def _known(self, connection: duckdb.DuckDBPyConnection, hashes: set[str]) -> dict[str, Place]:
        connection.register("found", pa.table({"found_sha256": pa.array(sorted(hashes), pa.string())}))
        rows = connection.execute(
            "SELECT sha256, asset.id, name, path FROM asset JOIN found ON sha256 = found_sha256 "
            "JOIN data_set ON data_set.id = data_set_id"
        ).fetchall()
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
                "attributes": [canonical_json(dict(declaration.attributes or {})) for _, _, declaration in new],
            }
        )
        connection.register("works", works)
        connection.execute(
            "INSERT INTO asset (id, data_set_id, path, sha256, byte_size, media_type, width, height, pixel_mode, "
            "attributes, registered_at) SELECT id, ?, path, sha256, byte_size, media_type, width, height, pixel_mode, "
            "attributes::JSON, ? FROM works ORDER BY id",
            [data_set_id, self.now],
        )

    def _mark_found(self, connection: duckdb.DuckDBPyConnection, present: dict[int, Declaration]) -> int:
        connection.register("present", pa.table({"present_id": pa.array(list(present), pa.int64())}))
        rows = connection.execute(
            "UPDATE asset SET missing_since = NULL WHERE missing_since IS NOT NULL "
            "AND id IN (SELECT present_id FROM present) RETURNING id"
        ).fetchall()
        return len(rows)

    def _declare(
        self, connection: duckdb.DuckDBPyConnection, declared: dict[int, Declaration], changes: Changes
    ) -> None:
        """Append a rights row for every work whose declaration is not the one that is recorded last."""
        rows = [
            (asset_id, item.recorded_from, *(getattr(item, name) for name in _STATED), _json(item))
            for asset_id, item in declared.items()
        ]
        names = ("asset_id", "recorded_from", *_STATED, "attributes")
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        types = (pa.int64(), *[pa.string()] * (len(names) - 1))
        stated = {name: pa.array(column, kind) for name, column, kind in zip(names, columns, types, strict=True)}
        connection.register("declared", pa.table(stated))
        for table, column in (("rightsholder", "name"), ("licence", "reference")):
            # Sorted, so that ids do not depend on the order of files. Names are chosen above.
            connection.execute(
                f"INSERT INTO {table} (id, {column}, created_at) "  # noqa: S608
                f"SELECT ? + row_number() OVER (ORDER BY {table}) - 1, {table}, ? FROM (SELECT DISTINCT {table} FROM declared "
                f"WHERE {table} IS NOT NULL AND {table} NOT IN (SELECT {column} FROM {table}))",
                [_next_id(connection, table), self.now],
            )
        updated = connection.execute(
            "UPDATE asset SET attributes = declared.attributes::JSON FROM declared WHERE id = asset_id "
            "AND declared.attributes IS NOT NULL AND asset.attributes::VARCHAR <> declared.attributes RETURNING id"
        ).fetchall()
        changes.attributes_changed += len(updated)
        connection.execute(_FIND_NEWER, [_next_id(connection, "asset_rights")])
        connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, title, creator, source_url, "
            "recorded_from, recorded_at) SELECT id, asset_id, 'declared', rightsholder_id, licence_id, title, creator, "
            "source_url, recorded_from, ? FROM newer ORDER BY id",
            [self.now],
        )
        counts = connection.execute("SELECT count(*) FILTER (is_first), count(*) FILTER (NOT is_first) FROM newer")
        first, changed = counts.fetchall()[0]
        changes.declarations += first
        changes.declarations_changed += changed


_FIND_NEWER = """
    CREATE TEMP TABLE newer AS
    SELECT ? + row_number() OVER (ORDER BY declared.asset_id) - 1 AS id, declared.asset_id AS asset_id,
        rightsholder.id AS rightsholder_id, licence.id AS licence_id, declared.title AS title,
        declared.creator AS creator, declared.source_url AS source_url, declared.recorded_from AS recorded_from,
        last.id IS NULL AS is_first
    FROM declared
    LEFT JOIN rightsholder ON rightsholder.name = declared.rightsholder
    LEFT JOIN licence ON licence.reference = declared.licence
    LEFT JOIN (
        SELECT * FROM asset_rights WHERE basis = 'declared' AND asset_id IN (SELECT asset_id FROM declared)
        QUALIFY row_number() OVER (PARTITION BY asset_id ORDER BY id DESC) = 1
    ) AS last ON last.asset_id = declared.asset_id
    WHERE coalesce(declared.rightsholder, declared.licence, declared.title, declared.creator, declared.source_url)
            IS NOT NULL
        AND (last.id IS NULL
            OR last.rightsholder_id IS DISTINCT FROM rightsholder.id OR last.licence_id IS DISTINCT FROM licence.id
            OR last.title IS DISTINCT FROM declared.title OR last.creator IS DISTINCT FROM declared.creator
            OR last.source_url IS DISTINCT FROM declared.source_url)
"""


def _json(declaration: Declaration) -> str | None:
    return None if declaration.attributes is None else canonical_json(dict(declaration.attributes))


def _next_id(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT coalesce(max(id) + 1, 0) FROM {table}").fetchall()[0]  # noqa: S608 - our tables
    return int(row[0])
