"""The works that an encoding takes in, with their units and groups, in memory that does not grow.

Temporary tables hold integers for every work: its id, its unit's number, its group's number. They
go to disk beyond DuckDB's limit. Names of units and of groups stand once each. Titles and hashes
stay in the registry's tables, and are read by blocks of ids where they are needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.encodings.works import LAWFUL, USABLE, group_of, refuse_if_all_forbidden, source_of, unit_of
from registry.errors import NotFoundError
from registry.permissions.rule import Permission
from registry.storage.current_rights import attribute_names
from registry.storage.results import number_of
from registry.storage.row_groups import blocks_of_works
from registry.storage.row_hash import digest_of_results

_NO_WORKS = pa.table({"asset_id": pa.array([], pa.int64())})
_NAMES = """
    CREATE OR REPLACE TEMP TABLE {0}_name AS
    SELECT row_number() OVER (ORDER BY label) - 1 AS number, key, label FROM (
        SELECT {0}_label AS label, arg_min({0}_key, asset_id) AS key FROM stated_name
        WHERE {0}_label IS NOT NULL GROUP BY label
    ) ORDER BY label
"""


@dataclass(frozen=True, eq=False)
class UnitWorks:
    """Works with units, in temporary tables of a connection.

    ``taken_work`` has a row per work, by asset id: ``asset_id``, ``unit_number`` and
    ``group_number``, null without a group. ``unit_name`` and ``group_name`` have ``number``,
    ``key`` and ``label``; units that are works have no names there.
    """

    connection: duckdb.DuckDBPyConnection
    works: int
    first: int
    """The number of the first unit."""
    units: int
    are_works: bool
    """Whether every unit is one work: then units are in the order of works."""
    grouped: bool

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First and last id of works that are read together."""
        return blocks_of_works(self.connection)

    def unit_numbers(self) -> NDArray[np.int64]:
        """Shape (works,): the unit of each work, by asset id."""
        return self._numbers("unit_number")

    def group_numbers(self) -> NDArray[np.int64]:
        """Shape (works,): the group of each work, by asset id; -1 without one."""
        return self._numbers("coalesce(group_number, -1)")

    def _numbers(self, column: str) -> NDArray[np.int64]:
        found = np.empty(self.works, np.int64)
        end = 0
        for first, last in self.blocks():
            rows = self.connection.execute(
                f"SELECT {column} AS number FROM taken_work WHERE asset_id BETWEEN ? AND ? ORDER BY asset_id",  # noqa: S608 - constants
                [first, last],
            ).to_arrow_table()
            found[end : end + rows.num_rows] = rows["number"].to_numpy()
            end += rows.num_rows
        return found

    def sha256(self) -> str:
        """Hash over the units without this registry's ids: equal in every registry with these
        works.
        """
        label = "''" if self.are_works else "unit_name.label"
        names = "" if self.are_works else " JOIN unit_name ON unit_name.number = unit_number"
        group = ", group_number, group_name.label AS group_label" if self.grouped else ""
        names += " LEFT JOIN group_name ON group_name.number = group_number" if self.grouped else ""
        # The fragments are chosen above.
        query = (
            f"SELECT unit_number, {label} AS label, sha256{group} "  # noqa: S608
            "FROM (SELECT * FROM taken_work WHERE asset_id BETWEEN $first AND $last) AS taken "
            "JOIN (SELECT id, sha256 FROM asset WHERE id BETWEEN $first AND $last) AS work ON work.id = asset_id"
            f"{names} ORDER BY asset_id"
        )
        return digest_of_results(
            self.connection.execute(query, {"first": first, "last": last}) for first, last in self.blocks()
        ).sha256


def unit_works(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission] = LAWFUL,
    within: str | None = None,
    probes: pa.Table | None = None,
    *,
    extends: tuple[str, int] | None = None,
) -> UnitWorks:
    """The works with a unit of this kind. The next call on the connection replaces them.

    Works without a file cannot be trained on, so they have no unit. ``within``, a rightsholder or
    the name of a column, gives groups. A work of several rightsholders is in the group of the one
    that its record names first. ``probes``, with the column asset_id, are left out. ``extends``, an
    encoding's id and number of units: only works that it does not have, numbered after its units;
    groups are those of all works.

    Raises:
        UsageError: no such unit kind.
        NotFoundError: no work has such a unit, or no work has a group.
    """
    are_works = unit_kind == "asset"
    _state_names(connection, unit_kind, column, permissions, within, probes)
    if not number_of(connection, "SELECT count(*) FROM stated_name"):
        _refuse(connection, unit_kind, column, permissions)
    if within is not None and not number_of(connection, "SELECT count(group_label) FROM stated_name"):
        # An owner table's own column of this name is an attribute, too.
        known = ", ".join(dict.fromkeys(["rightsholder", *attribute_names(connection)]))
        raise NotFoundError(f"no registered work has a {within!r} for its codes to nest within; there are {known}")
    if not are_works:
        connection.execute(_NAMES.format("unit"))
    if within is not None:
        connection.execute(_NAMES.format("group"))
    former, first_unit = extends or ("", 0)
    works = _take(connection, former, first_unit, are_works=are_works, grouped=within is not None)
    connection.execute("DROP TABLE stated_name")
    units = works if are_works else number_of(connection, "SELECT count(*) FROM unit_name")
    return UnitWorks(connection, works, first_unit, units, are_works, within is not None)


def _state_names(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission],
    within: str | None,
    probes: pa.Table | None,
) -> None:
    """The table ``stated_name``: the works by id, each with the names of its unit and its group."""
    key, label = unit_of(unit_kind, column)
    columns = ["asset_id"]
    if unit_kind != "asset":
        columns += [f"{key} AS unit_key", f"{label} AS unit_label"]
    if within is not None:
        group_key, group_label = group_of(within)
        columns += [f"{group_key} AS group_key", f"{group_label} AS group_label"]
    # The fragments are chosen there; the columns' names enter as escaped literals.
    query = (
        f"SELECT {', '.join(columns)} FROM ({source_of(unit_kind, within)}) "  # noqa: S608
        "ANTI JOIN (SELECT asset_id FROM probes WHERE asset_id BETWEEN $first AND $last) AS kept_out USING (asset_id) "
        f"WHERE asset_id BETWEEN $first AND $last AND {USABLE} AND list_contains($permissions, permission) "
        f"AND {key} IS NOT NULL AND {key} <> '' ORDER BY asset_id"
    )
    connection.register("probes", _NO_WORKS if probes is None else probes)
    verb = "CREATE OR REPLACE TEMP TABLE stated_name AS"
    for first, last in blocks_of_works(connection):
        values = {"first": first, "last": last, "permissions": [str(permission) for permission in permissions]}
        connection.execute(f"{verb} {query}", values)
        verb = "INSERT INTO stated_name"
    connection.unregister("probes")


def _take(
    connection: duckdb.DuckDBPyConnection, former: str, first_unit: int, *, are_works: bool, grouped: bool
) -> int:
    """The table ``taken_work``, without the works of a former encoding; returns how many."""
    number = "$number + row_number() OVER (ORDER BY asset_id) - 1" if are_works else "unit_name.number"
    names = "" if are_works else "JOIN unit_name ON unit_name.label = unit_label "
    names += "LEFT JOIN group_name ON group_name.label = group_label" if grouped else ""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE taken_work (asset_id BIGINT, unit_number BIGINT, group_number BIGINT)"
    )
    # The fragments are chosen above.
    query = (
        f"INSERT INTO taken_work SELECT asset_id, {number}, {'group_name.number' if grouped else 'NULL'} FROM ("  # noqa: S608
        "    SELECT * FROM stated_name WHERE asset_id BETWEEN $first AND $last) AS stated "
        "ANTI JOIN ("
        "    SELECT asset_id FROM unit_asset WHERE encoding_id = $former AND asset_id BETWEEN $first AND $last"
        f") AS known USING (asset_id) {names} ORDER BY asset_id"
    )
    taken = 0
    for first, last in blocks_of_works(connection):
        values = {"first": first, "last": last, "former": former}
        values |= {"number": first_unit + taken} if are_works else {}
        taken += int(connection.execute(query, values).fetchall()[0][0])
    return taken


def _refuse(
    connection: duckdb.DuckDBPyConnection, unit_kind: str, column: str | None, permissions: Collection[Permission]
) -> None:
    refuse_if_all_forbidden(connection, permissions)
    known = ", ".join(attribute_names(connection)) or "none"
    reasons = {
        "asset": "no works are registered; run `creditline register FOLDER` first",
        "rightsholder": "no registered work has a rightsholder; register works with `--owners FILE` first",
        "column": f"no registered work has a value in the column {column!r}; columns: {known}",
    }
    raise NotFoundError(reasons[unit_kind])
