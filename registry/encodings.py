"""Encodings: from a choice of unit kind, n, h and seed to units with codes. An encoding never changes.

Units are numbered in an order that does not depend on the run: works by id, rightsholders and groups by name. A work
that is registered later, or has no value for the unit, is not in the encoding; :func:`registry.queries.works_outside`
counts such works. Asking again for the same units gives the same encoding, because its id is a hash over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry import codes
from registry.database import Registry
from registry.errors import NotFoundError, UsageError
from registry.ids import content_id, sha256_of
from registry.models import Encoding
from registry.rights import ASSET_RIGHTS, attribute_names, column_expression

UNIT_KINDS = ("asset", "rightsholder", "column")


@dataclass(frozen=True, eq=False)
class UnitTable:
    """An encoding with its N units and the A works that they are made of."""

    encoding: Encoding
    codes: NDArray[np.uint64]
    """Shape (N,), in order of unit number; bit i set: member i trains on the unit."""
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
        return codes.bits(self.codes, self.encoding.n)

    def assets_of_member(self, index: int) -> NDArray[np.int64]:
        """Ids of the works that member ``index`` trains on, ascending."""
        return self.asset_ids[codes.bits(self.asset_codes, self.encoding.n)[:, index]]


def create_encoding(
    registry: Registry, unit_kind: str, column: str | None, n: int, h: int, seed: int, now: datetime
) -> Encoding:
    """Give every unit of the registered works a code, or return the encoding that already does exactly that.

    Args:
        registry: where the works are and the encoding goes.
        unit_kind: ``asset``, ``rightsholder`` or ``column``.
        column: the column whose values are the units, where ``unit_kind`` is ``column``; else None.
        n: number of members, 2 to 64.
        h: number of members that train on each unit, 1 to n-1.
        seed: which of the possible assignments; any 64-bit integer.
        now: the time to record.

    Raises:
        UsageError: the choice is not possible.
        NotFoundError: no work has such a unit.
        CapacityError: more units than C(n, h).
    """
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"got the seed {seed}, expected a 64-bit integer")
    codes.capacity(n, h)
    with registry.connection() as connection:
        works = unit_works(connection, unit_kind, column)
        numbers = works["unit_number"].to_numpy()
        unit_count = int(numbers.max()) + 1
        codes.decoys_available(n, h, unit_count)
        choice = {"unit_kind": unit_kind, "unit_column": column, "n": n, "h": h, "seed": seed}
        encoding_id = content_id(
            "encoding", {**choice, "units_sha256": _units_sha256(works, named=unit_kind != "asset")}
        )
        if not connection.execute("SELECT 1 FROM encoding WHERE id = ?", [encoding_id]).fetchone():
            connection.execute(
                "INSERT INTO encoding (id, unit_kind, unit_column, n, h, seed, unit_count, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [encoding_id, unit_kind, column, n, h, seed, unit_count, now],
            )
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
    with registry.session() as session:
        return session.get_one(Encoding, encoding_id)


def idle_members(unit_codes: NDArray[np.uint64], n: int) -> list[int]:
    """The members, in order, to which no unit's code gives any work: there are some where units are few."""
    seen = codes.bits(np.bitwise_or.reduce(unit_codes), n)[0]
    return [int(index) for index in np.flatnonzero(~seen)]


def load_units(registry: Registry, encoding_id: str) -> UnitTable:
    """The units of an encoding, their codes and their works.

    Raises:
        NotFoundError: there is no such encoding.
    """
    with registry.session() as session:
        encoding = session.get(Encoding, encoding_id)
    if encoding is None:
        raise NotFoundError(f"no encoding {encoding_id}; `creditline status` lists what there is")
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


def unit_works(connection: duckdb.DuckDBPyConnection, unit_kind: str, column: str | None) -> pa.Table:
    """The works that have a unit of this kind, as a table (asset_id, sha256, unit_number, key, label), by asset id.

    Raises:
        UsageError: no such kind of unit.
        NotFoundError: no work has one.
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
        f"WHERE missing_since IS NULL AND {key} IS NOT NULL AND {key} <> '' ORDER BY asset_id"
    ).to_arrow_table()
    if not works.num_rows:
        known = ", ".join(attribute_names(connection)) or "none"
        reasons = {
            "asset": "no works are registered; run `creditline register FOLDER` first",
            "rightsholder": "no registered work has a rightsholder; register them with `--owners FILE` first",
            "column": f"no registered work has a value in the column {column!r}; the columns there are: {known}",
        }
        raise NotFoundError(reasons[unit_kind])
    return works


def _units_sha256(works: pa.Table, *, named: bool) -> str:
    """A hash over what the units are, free of this registry's own ids: the same works have the same hash anywhere."""
    names = works["label"].to_pylist() if named else [""] * works.num_rows
    rows = zip(works["unit_number"].to_pylist(), names, works["sha256"].to_pylist(), strict=True)
    return sha256_of([list(row) for row in rows])
