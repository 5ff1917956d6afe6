"""Pages of works, rightsholders, licences and data sets.

Each takes a fraction of a second at ten million works. A page of works takes two steps. The first
reads only the columns of numbers that the filter needs, for the total and for the ids of the page,
which are in order already. The second reads the texts of these works alone. Nothing here imports
the models, which would take longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from registry.errors import NotFoundError, UsageError
from registry.permissions.reasons import reasons_of
from registry.storage.current_rights import (
    ASSET_RIGHTS,
    rights_of,
    rights_within,
    with_rightsholders,
    works_shared_by,
    written_out,
)
from registry.storage.results import number_of, records
from registry.storage.row_groups import ROW_GROUP
from registry.works.synthetic import signs_of

if TYPE_CHECKING:
    import pyarrow as pa

PERMISSIONS = ("permitted", "unclear", "constrained", "prohibited", "withdrawn")
"""The values of :class:`registry.permissions.rule.Permission`."""

_THINGS = {"rightsholder_id": "rightsholder", "licence_id": "licence", "data_set_id": "data set"}
_LISTED_BY = {"rightsholder_id": "rightsholders", "licence_id": "licences", "data_set_id": "data-sets"}

BLOCK = 2 * ROW_GROUP
"""Works that are read together, by id. A query for fewer would pass over the others more often."""
PAGE = 1_000
"""Works with texts fetched by one query."""


_EVERY = "true"
"""SQL of a filter that selects every work."""


@dataclass(frozen=True)
class Conditions:
    """SQL over ``asset``, and its values."""

    sql: str
    values: list[Any]
    joined: bool
    """Whether works are looked up in another table, and so come in no order."""


@dataclass(frozen=True)
class WorksFilter:
    """A choice of works; every field is an exact name, None for any."""

    rightsholder: str | None = None
    """A name, or ``#`` and an id."""
    licence: str | None = None
    data_set: str | None = None
    permission: str | None = None
    synthetic: bool | None = None
    """Whether its file says that an AI model made it, wholly or partly."""
    probe: bool | None = None
    """Whether some encoding keeps it out of all members by choice."""

    def conditions(self, connection: duckdb.DuckDBPyConnection) -> Conditions:
        """The filter as SQL: names become ids first, so that only columns of numbers are read.

        A merged rightsholder's name means the record that counts; shared works are found as well.

        Raises:
            UsageError: no such permission.
            NotFoundError: no rightsholder, licence or data set of this name.
        """
        ids = {
            "rightsholder_id": (
                self.rightsholder,
                "SELECT effective_id FROM effective_rightsholder WHERE name = ? OR '#' || id = ?",
            ),
            "licence_id": (self.licence, "SELECT id FROM licence WHERE reference = ? OR spdx = ?"),
            "data_set_id": (self.data_set, "SELECT id FROM data_set WHERE name = ?"),
        }
        terms: list[str] = []
        values: list[Any] = []
        joined = False
        for column, (name, query) in ids.items():
            if name is not None:
                found = connection.execute(query, [name] * query.count("?")).fetchall()
                if not found:
                    # An empty list would mean that it has no works.
                    raise NotFoundError(f"no {_THINGS[column]} {name!r}; `creditline {_LISTED_BY[column]}` lists them")
                listed = ", ".join(str(int(number)) for (number,) in found)
                term = f"{column} IN ({listed})"
                if column == "rightsholder_id":
                    shared = _or_shared(connection, listed)
                    term, joined = f"({term}{shared})", bool(shared)
                terms.append(term)
        if self.permission is not None:
            if self.permission not in PERMISSIONS:
                raise UsageError(f"got the permission {self.permission!r}, expected one of {', '.join(PERMISSIONS)}")
            terms.append("permission = ?")
            values.append(self.permission)
        if self.synthetic is not None:
            terms.append(f"id {'' if self.synthetic else 'NOT '}IN (SELECT asset_id FROM synthetic_work)")  # noqa: S608 - a constant
            joined = True
        if self.probe is not None:
            terms.append(f"id {'' if self.probe else 'NOT '}IN (SELECT asset_id FROM encoding_probe)")  # noqa: S608 - a constant
            joined = True
        return Conditions(" AND ".join(terms) or _EVERY, values, joined)


def _or_shared(connection: duckdb.DuckDBPyConnection, rightsholders: str) -> str:
    """SQL that adds the works shared with others. A few are listed by id, which is faster."""
    # Stored once: the total and each page use it again.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE shared_works AS {works_shared_by(rightsholders)}")
    found = connection.execute(f"SELECT work_id FROM shared_works LIMIT {PAGE + 1}").fetchall()  # noqa: S608 - a number
    if len(found) > PAGE:
        return " OR id IN (SELECT work_id FROM shared_works)"
    return f" OR id IN ({', '.join(str(int(number)) for (number,) in found)})" if found else ""


@dataclass(frozen=True)
class Page:
    """Some rows of a listing, and the total."""

    rows: list[dict[str, Any]]
    total: int
    offset: int


@dataclass(frozen=True)
class Listing:
    """A query that lists things in a stable order."""

    sql: str
    values: Sequence[Any] = ()

    def rows(self, connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        return records(connection.execute(self.sql, list(self.values)))

    def reader(self, connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
        """The rows in batches, for :func:`registry.export.files.write_listing`."""
        return connection.execute(self.sql, list(self.values)).to_arrow_reader(BLOCK)


def count_works(connection: duckdb.DuckDBPyConnection, chosen: WorksFilter) -> int:
    """Number of works that a filter selects."""
    return _count(connection, chosen.conditions(connection))


def works(
    connection: duckdb.DuckDBPyConnection,
    chosen: WorksFilter = WorksFilter(),
    *,
    limit: int | None = None,
    offset: int = 0,
) -> Page:
    """A page of works, see :func:`described`."""
    conditions = chosen.conditions(connection)
    ids = _page_of_ids(connection, conditions, limit, offset)
    return Page(described(connection, ids), _count(connection, conditions), offset)


def described(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> list[dict[str, Any]]:
    """:func:`works_named`, the ``reason`` of the permission, and ``synthetic``: what the file says
    about an AI model, or None.
    """
    signs, reasons = signs_of(connection, asset_ids), reasons_of(connection, asset_ids)
    return [
        {**row, "synthetic": signs.get(row["asset_id"]), "reason": reasons[row["asset_id"]]}
        for row in works_named(connection, asset_ids)
    ]


def works_named(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> list[dict[str, Any]]:
    """These works by asset id: the columns of ``ASSET_RIGHTS``, and ``rightsholders``."""
    found: list[dict[str, Any]] = []
    ids = sorted(set(asset_ids))
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        # Few works have several. For the others, the wide tables need not be read again.
        shared = connection.execute(
            f"SELECT DISTINCT asset_id FROM co_rightsholder WHERE asset_id IN ({written_out(page)})"  # noqa: S608 - numbers
        ).fetchall()
        if shared:
            query = with_rightsholders(rights_of(page), f"IN ({written_out([number for (number,) in shared])})")
            found += records(connection.execute(f"{query} ORDER BY listed.asset_id"))
        else:
            rows = records(connection.execute(f"{rights_of(page)} ORDER BY asset_id"))
            found += [{**row, "rightsholders": [row["rightsholder"]] if row["rightsholder"] else []} for row in rows]
    return found


def works_reader(
    connection: duckdb.DuckDBPyConnection,
    chosen: WorksFilter = WorksFilter(),
    *,
    limit: int | None = None,
    offset: int = 0,
) -> pa.RecordBatchReader:
    """:func:`works` in batches, by asset id, in bounded memory, without ``reason``.

    :func:`registry.permissions.reasons.with_reasons` adds it, which takes as long again.
    """
    import pyarrow as pa

    conditions = chosen.conditions(connection)
    counts = _counts(connection, conditions)
    schema = connection.execute(_with_signs(ASSET_RIGHTS, "IN (NULL)") + " LIMIT 0").to_arrow_table().schema
    left = sum(count for _, count in counts) if limit is None else limit

    def batches() -> Iterator[pa.RecordBatch]:
        skip, needed = offset, left
        for block, count in counts:
            if skip >= count:
                skip -= count
            elif needed > 0:
                within = f"BETWEEN {block * BLOCK} AND {(block + 1) * BLOCK - 1}"
                ids, values = f"SELECT id FROM asset WHERE id {within} AND {conditions.sql}", [*conditions.values]  # noqa: S608 - built above
                if skip or needed < count:
                    # Chosen by their ids alone: rows with texts are sorted once, at the end.
                    ids, values = f"{ids} ORDER BY id LIMIT ? OFFSET ?", [*values, needed, skip]
                rights = rights_within(within)
                if conditions.sql != _EVERY or skip or needed < count:
                    rights += f" AND asset_id IN ({ids})"
                query = _with_signs(rights, within) + " ORDER BY works.asset_id"
                found = connection.execute(query, values).to_arrow_table()
                yield from found.cast(schema).to_batches()
                needed, skip = needed - found.num_rows, 0

    return pa.RecordBatchReader.from_batches(schema, batches())


def _with_signs(rights: str, works: str) -> str:
    """:func:`with_rightsholders`, and ``synthetic``: the view's signs, or None."""
    return f"""
    SELECT works.*, signs AS synthetic FROM ({with_rightsholders(rights, works)}) AS works
    LEFT JOIN (SELECT asset_id AS signed_id, signs FROM synthetic_work WHERE asset_id {works}) ON signed_id = works.asset_id
    """  # noqa: S608 - what the callers wrote


def _counts(connection: duckdb.DuckDBPyConnection, conditions: Conditions) -> list[tuple[int, int]]:
    """Number of works in each block of ids, in order."""
    return connection.execute(
        f"SELECT id // {BLOCK} AS block, count(*) FROM asset WHERE {conditions.sql} GROUP BY block ORDER BY block",  # noqa: S608 - built above
        conditions.values,
    ).fetchall()


def _count(connection: duckdb.DuckDBPyConnection, conditions: Conditions) -> int:
    return number_of(connection, f"SELECT count(*) FROM asset WHERE {conditions.sql}", conditions.values)  # noqa: S608


def _page_of_ids(
    connection: duckdb.DuckDBPyConnection, conditions: Conditions, limit: int | None, offset: int
) -> list[int]:
    # Rows are stored in the order of their ids, and DuckDB keeps that order: nothing is sorted.
    order = "ORDER BY id" if conditions.joined else ""
    rows = connection.execute(
        f"SELECT id FROM asset WHERE {conditions.sql} {order} LIMIT ? OFFSET ?",  # noqa: S608 - built above
        [*conditions.values, limit, offset],
    ).fetchall()
    return [int(number) for (number,) in rows]


def rightsholders(*, matching: str | None = None, limit: int | None = None, offset: int = 0) -> Listing:
    """Rightsholders by name with works, bytes and licences; ``matching``: a part of the name."""
    return Listing(
        """
        WITH page AS MATERIALIZED (
            SELECT id, name FROM rightsholder WHERE merged_into IS NULL AND contains(lower(name), lower(?))
            ORDER BY name, id LIMIT ? OFFSET ?
        ), owned AS MATERIALIZED (
            SELECT rightsholder_id AS owner_id, licence_id, count(*) AS works, coalesce(sum(byte_size), 0) AS bytes
            FROM asset SEMI JOIN page ON page.id = rightsholder_id GROUP BY ALL
        )
        SELECT
            page.id AS rightsholder_id, page.name AS rightsholder, any_value(contact) AS contact,
            coalesce(sum(works), 0)::BIGINT AS works, coalesce(sum(bytes), 0)::BIGINT AS bytes,
            coalesce(list_sort(list(DISTINCT reference) FILTER (reference IS NOT NULL)), []) AS licences
        FROM page
        LEFT JOIN owned ON owner_id = page.id
        LEFT JOIN licence ON licence.id = owned.licence_id
        LEFT JOIN (
            SELECT rightsholder_id AS described_id, arg_max(contact, id) AS contact FROM rightsholder_details GROUP BY 1
        ) ON described_id = page.id
        GROUP BY page.id, page.name ORDER BY page.name, page.id
        """,
        [matching or "", limit, offset],
    )


def count_rightsholders(connection: duckdb.DuckDBPyConnection, *, matching: str | None = None) -> int:
    """Number of rightsholders; merged records count as one."""
    query = "SELECT count(*) FROM rightsholder WHERE merged_into IS NULL AND contains(lower(name), lower(?))"
    return number_of(connection, query, [matching or ""])


def licences(*, limit: int | None = None, offset: int = 0) -> Listing:
    """Licences by reference: how they were understood, and the number of works under each."""
    return Listing(
        """
        SELECT licence.id AS licence_id, reference AS licence, spdx, recognised, training, duties, url, note,
            coalesce(works, 0) AS works, coalesce(bytes, 0)::BIGINT AS bytes
        FROM (SELECT * FROM licence ORDER BY reference, id LIMIT ? OFFSET ?) AS licence
        LEFT JOIN (
            SELECT licence_id, count(*) AS works, sum(byte_size) AS bytes FROM asset GROUP BY licence_id
        ) AS used ON used.licence_id = licence.id
        ORDER BY reference, licence.id
        """,
        [limit, offset],
    )


def data_sets(*, limit: int | None = None, offset: int = 0) -> Listing:
    """Data sets by name, with the number of works and of missing works."""
    return Listing(
        """
        SELECT data_set.id AS data_set_id, name AS data_set, kind, root, coalesce(works, 0) AS works,
            coalesce(bytes, 0)::BIGINT AS bytes, coalesce(missing, 0) AS missing, created_at
        FROM (SELECT * FROM data_set ORDER BY name LIMIT ? OFFSET ?) AS data_set
        LEFT JOIN (
            SELECT data_set_id, count(*) AS works, sum(byte_size) AS bytes, count(missing_since) AS missing
            FROM asset GROUP BY data_set_id
        ) AS held ON held.data_set_id = data_set.id
        ORDER BY name
        """,
        [limit, offset],
    )
