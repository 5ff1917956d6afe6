"""Encodings: from a unit kind, n, h and seed to units with codes. An encoding never changes.

Units are numbered in a fixed order: works by id, rightsholders and groups by name. Later works, and
works without a unit, are outside: :func:`registry.works.queries.works_outside` counts them. The
same units give the same encoding, because its id is a hash over them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.encodings import codes, words
from registry.errors import NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ids import content_id
from registry.permissions.rule import FORBIDDEN, Permission
from registry.storage.current_rights import ASSET_RIGHTS, attribute_names, column_expression
from registry.storage.database import Registry
from registry.storage.row_hash import digest_of
from registry.storage.tables import Encoding
from registry.text import stated_reason

UNIT_KINDS = ("asset", "rightsholder", "column")


@dataclass(frozen=True, eq=False)
class UnitTable:
    """An encoding with its N units and their A works."""

    encoding: Encoding
    codes: NDArray[np.uint64]
    """Shape (N,), by unit number; bit i set: member i trains on the unit."""
    keys: list[str]
    labels: list[str]
    asset_ids: NDArray[np.int64]
    """Shape (A,), ascending."""
    unit_numbers: NDArray[np.int64]
    """Shape (A,): the unit of each work in ``asset_ids``."""

    @property
    def asset_codes(self) -> NDArray[np.uint64]:
        """Shape (A,): the code of each work's unit."""
        return self.codes[self.unit_numbers]

    @property
    def membership(self) -> NDArray[np.bool_]:
        """Shape (N, n): whether member i trains on the unit."""
        return words.bits(self.codes, self.encoding.n)

    def assets_of_member(self, index: int) -> NDArray[np.int64]:
        """Ids of the works that member ``index`` trains on, ascending."""
        return self.asset_ids[words.bits(self.asset_codes, self.encoding.n)[:, index]]


LAWFUL = frozenset(Permission) - frozenset(FORBIDDEN)
"""Permissions of the works that are encoded by default."""

METADATA_ONLY, MISSING, NO_UNIT = "metadata only", "missing", "no unit"
"""Reasons to leave works out, besides their permission."""


def create_encoding(
    registry: Registry,
    unit_kind: str,
    column: str | None,
    n: int,
    h: int,
    seed: int,
    now: datetime,
    *,
    permissions: Collection[Permission] = LAWFUL,
    reason: str | None = None,
) -> Encoding:
    """Give every unit of the registered works a code, or return the encoding that has done so.

    Args:
        registry: where the works are and the encoding goes.
        unit_kind: ``asset``, ``rightsholder`` or ``column``.
        column: with unit kind ``column``, the column with the units; else None.
        n: number of members, 2 to 64.
        h: number of members that train on each unit, 1 to n-1.
        seed: chooses one of the possible assignments; any 64-bit integer.
        now: the time to record.
        permissions: works with one of these are encoded, all others are left out.
        reason: why prohibited works are encoded; it is recorded.

    Raises:
        UsageError: an impossible choice, withdrawn works, or prohibited works without a reason.
        NotFoundError: no work has such a unit.
        CapacityError: more units than C(n, h).
    """
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"got the seed {seed}, expected a 64-bit integer")
    codes.capacity(n, h)
    if Permission.WITHDRAWN in permissions:
        raise UsageError("withdrawn works cannot be encoded; leave 'withdrawn' out of the permissions")
    forbidden = Permission.PROHIBITED in permissions
    stated = None if reason is None else stated_reason(reason)
    if forbidden and stated is None:
        raise UsageError("prohibited works are encoded only with a reason; give --reason")
    if stated is not None and not forbidden:
        raise UsageError(
            "got a reason, but no prohibited works are included; give --include-forbidden or leave --reason out"
        )
    with changing(registry, now) as change:
        connection = change.connection
        works = unit_works(connection, unit_kind, column, permissions)
        numbers = works["unit_number"].to_numpy()
        unit_count = int(numbers.max()) + 1
        codes.decoys_available(n, h, unit_count)
        choice: dict[str, Any] = {"unit_kind": unit_kind, "unit_column": column, "n": n, "h": h, "seed": seed}
        encoding_id = content_id(
            "encoding", {**choice, "units_sha256": _units_sha256(connection, works, named=unit_kind != "asset")}
        )
        if not connection.execute("SELECT 1 FROM encoding WHERE id = ?", [encoding_id]).fetchone():
            encoding = Encoding(
                id=encoding_id,
                unit_count=unit_count,
                left_out=left_out(connection, works, permissions),
                created_at=now,
                **choice,
            )
            change.insert(encoding)
            connection.register("works", works)
            unit_codes = pa.table(
                {"number": np.arange(unit_count), "code": codes.codes_of(seed, n, h, np.arange(unit_count))}
            )
            connection.register("unit_codes", unit_codes)
            connection.execute(
                "INSERT INTO unit (encoding_id, number, key, label, code) "
                "SELECT ?, number, any_value(key), any_value(label), any_value(code) "
                "FROM works JOIN unit_codes ON unit_number = number GROUP BY number ORDER BY number",
                [encoding_id],
            )
            connection.execute(
                "INSERT INTO unit_asset (encoding_id, unit_number, asset_id) "
                "SELECT ?, unit_number, asset_id FROM works ORDER BY unit_number, asset_id",
                [encoding_id],
            )
            facts = encoding.model_dump(mode="json", exclude={"id", "created_at"})
            facts |= {"works": works.num_rows, "permissions": sorted(str(each) for each in permissions)}
            if stated is not None:
                facts["reason"] = stated
            change.record("works encoded", f"encoding {encoding_id}", after=facts)
            for table in ("encoding", "unit", "unit_asset"):
                change.seal(table, encoding_id)
    with registry.session() as session:
        return session.get_one(Encoding, encoding_id)


def idle_members(unit_codes: NDArray[np.uint64], n: int) -> list[int]:
    """Members, ascending, that are in no unit's code; possible if units are few."""
    seen = words.bits(np.bitwise_or.reduce(unit_codes), n)[0]
    return [int(index) for index in np.flatnonzero(~seen)]


def taken_in(connection: duckdb.DuckDBPyConnection, asset_ids: NDArray[np.int64]) -> dict[str, int]:
    """Number of these works by current permission."""
    connection.register("encoded_works", pa.table({"encoded_id": asset_ids}))
    rows = connection.execute(
        "SELECT permission, count(*) FROM asset JOIN encoded_works ON id = encoded_id GROUP BY 1 ORDER BY 1"
    ).fetchall()
    connection.unregister("encoded_works")
    return {str(permission): int(number) for permission, number in rows}


def load_units(registry: Registry, encoding_id: str) -> UnitTable:
    """The units of an encoding, their codes and their works.

    Raises:
        NotFoundError: there is no such encoding.
    """
    with registry.session() as session:
        encoding = session.get(Encoding, encoding_id)
    if encoding is None:
        raise NotFoundError(f"no encoding {encoding_id}; `creditline status` lists them")
    with registry.connection() as connection:
        units = connection.execute(
            "SELECT key, label, code FROM unit WHERE encoding_id = ? ORDER BY number", [encoding_id]
        ).to_arrow_table()
        works = connection.execute(
            "SELECT asset_id, unit_number FROM unit_asset WHERE encoding_id = ? ORDER BY asset_id", [encoding_id]
        ).to_arrow_table()
    return UnitTable(
        encoding=encoding,
        codes=units["code"].to_numpy(),
        keys=units["key"].to_pylist(),
        labels=units["label"].to_pylist(),
        asset_ids=works["asset_id"].to_numpy(),
        unit_numbers=works["unit_number"].to_numpy(),
    )


def unit_works(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission] = LAWFUL,
) -> pa.Table:
    """Works with a unit of this kind: (asset_id, sha256, unit_number, key, label), by asset id.

    Works without a file cannot be trained on, so they have no unit.

    Raises:
        UsageError: no such unit kind.
        NotFoundError: no work has such a unit.
    """
    if unit_kind not in UNIT_KINDS or (unit_kind == "column") != (column is not None):
        raise UsageError(
            f"got units of kind {unit_kind!r} with column {column!r}, expected one of {', '.join(UNIT_KINDS)}"
        )
    key, label, order = {
        "asset": ("asset_id::VARCHAR", "coalesce(title, path)", "asset_id"),
        "rightsholder": ("rightsholder_id::VARCHAR", "rightsholder", "rightsholder"),
        "column": (column_expression(column or ""), column_expression(column or ""), column_expression(column or "")),
    }[unit_kind]
    # The fragments are chosen above; the column's name enters as an escaped literal.
    works = connection.execute(
        f"SELECT asset_id, sha256, dense_rank() OVER (ORDER BY {order}) - 1 AS unit_number, "  # noqa: S608
        f"{key} AS key, {label} AS label FROM ({ASSET_RIGHTS}) "
        f"WHERE {_USABLE} AND list_contains(?, permission) AND {key} IS NOT NULL AND {key} <> '' ORDER BY asset_id",
        [[str(permission) for permission in permissions]],
    ).to_arrow_table()
    if not works.num_rows:
        _refuse_if_all_forbidden(connection, permissions)
        known = ", ".join(attribute_names(connection)) or "none"
        reasons = {
            "asset": "no works are registered; run `creditline register FOLDER` first",
            "rightsholder": "no registered work has a rightsholder; register works with `--owners FILE` first",
            "column": f"no registered work has a value in the column {column!r}; columns: {known}",
        }
        raise NotFoundError(reasons[unit_kind])
    return works


_USABLE = "missing_since IS NULL AND byte_size IS NOT NULL"


def _refuse_if_all_forbidden(connection: duckdb.DuckDBPyConnection, permissions: Collection[Permission]) -> None:
    counts = connection.execute(
        f"SELECT permission, count(*) FROM asset WHERE {_USABLE} GROUP BY 1 ORDER BY 1"  # noqa: S608 - a constant
    ).fetchall()
    if counts and not any(permission in permissions for permission, _ in counts):
        found = ", ".join(f"{number:,} {permission}" for permission, number in counts)
        raise NotFoundError(
            f"no registered work may be encoded: {found}; `creditline rights` says why, `creditline review` records decisions"
        )


def left_out(
    connection: duckdb.DuckDBPyConnection, works: pa.Table, permissions: Collection[Permission] = LAWFUL
) -> dict[str, int]:
    """Number of works outside ``works`` (column asset_id), by the first applicable reason."""
    connection.register("encoded", works.select(["asset_id"]))
    rows = connection.execute(
        "SELECT CASE WHEN byte_size IS NULL THEN ? WHEN missing_since IS NOT NULL THEN ? "
        "WHEN NOT list_contains(?, permission) THEN permission ELSE ? END AS reason, count(*) "
        "FROM asset ANTI JOIN encoded ON asset_id = id GROUP BY 1 ORDER BY 1",
        [METADATA_ONLY, MISSING, [str(permission) for permission in permissions], NO_UNIT],
    ).fetchall()
    return {str(why): int(number) for why, number in rows}


def _units_sha256(connection: duckdb.DuckDBPyConnection, works: pa.Table, *, named: bool) -> str:
    """Hash over the units without this registry's ids: equal in every registry with these works."""
    connection.register("encoded", works)
    label = "label" if named else "''"
    query = f"SELECT unit_number, {label} AS label, sha256 FROM encoded ORDER BY asset_id"  # noqa: S608 - chosen above
    return digest_of(connection.execute(query)).sha256
