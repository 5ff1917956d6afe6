"""A selection of works, counted in the database: ten million works take no more memory than ten.

    select_works(connection, "SELECT * FROM asset WHERE data_set_id = 1")
    licences, in_all = count_licences(connection, most=100)

The selection lies in temporary tables: ``selected_work``; ``selected_rights``, these works' rows of
``asset_rights``; and ``co_owner``, the further rightsholders of works with several. A connection
has one selection at a time.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from registry.storage.current_rights import rightsholders_among
from reports.content.hosts import authority_of, host_of, prepare_odd_hosts
from reports.content.texts import one_line

COLUMNS = (
    "id, identity, data_set_id, rightsholder_id, licence_id, permission, media_type, url, byte_size, sha256, width, height, "
    "missing_since, declared_id, verified_id, registered_at"
)
"""Columns of ``asset`` in a selection."""

FORBIDDEN = "permission IN ('prohibited', 'withdrawn')"
WORKS = f"count(*)::BIGINT AS works, count(*) FILTER ({FORBIDDEN})::BIGINT AS forbidden"
"""SQL for the two counts of every table: works, and works that may not be trained on."""

_SEVERAL = rightsholders_among(
    "(FROM selected_work WHERE id IN (SELECT asset_id FROM co_rightsholder))", "selected_rights"
)
_TABLES = {
    "selected_rights": "SELECT id, rightsholder_id, licence_id, source_url, recorded_from FROM asset_rights "
    "WHERE asset_id IN (SELECT id FROM selected_work)",
    "co_owner": f"SELECT several.asset_id, several.rightsholder_id, permission FROM ({_SEVERAL}) AS several "  # noqa: S608 - constants
    "JOIN selected_work ON id = several.asset_id WHERE several.rightsholder_id IS DISTINCT FROM selected_work.rightsholder_id",
}

LICENCES = f"""
    SELECT licence.id AS licence_id, reference, spdx, licence.url AS url, training, works, forbidden, verified FROM (
        SELECT selected_work.licence_id AS counted_id, {WORKS}, count(verified.id)::BIGINT AS verified FROM selected_work
        LEFT JOIN selected_rights AS verified ON verified.id = verified_id AND verified.licence_id IS NOT NULL GROUP BY 1
    ) LEFT JOIN licence ON licence.id = counted_id
"""  # noqa: S608 - constants
"""A row per licence; ``verified``: works whose licence was verified. All null: no licence."""

RIGHTSHOLDERS = f"""
    SELECT counted_id AS rightsholder_id, name, kind, works, forbidden FROM (
        SELECT rightsholder_id AS counted_id, {WORKS} FROM (
            SELECT rightsholder_id, permission FROM selected_work
            UNION ALL SELECT rightsholder_id, permission FROM co_owner
        ) GROUP BY 1
    ) LEFT JOIN rightsholder ON rightsholder.id = counted_id
    LEFT JOIN (
        SELECT rightsholder_id AS described_id, arg_max(kind, id) AS kind FROM rightsholder_details GROUP BY 1
    ) ON described_id = counted_id
"""  # noqa: S608 - constants
"""A row per rightsholder, of works alone or with others. All null: no rightsholder."""

_ADDRESSES = f"""
    SELECT data_set_id, {host_of("authority")} AS host, sum(works)::BIGINT AS works, sum(forbidden)::BIGINT AS forbidden,
        sum(bytes)::BIGINT AS bytes
    FROM (
        SELECT data_set_id, {authority_of("address")} AS authority, {WORKS}, coalesce(sum(byte_size), 0) AS bytes FROM (
            SELECT coalesce(url, verified.source_url, declared.source_url) AS address, data_set_id, permission, byte_size
            FROM selected_work
            LEFT JOIN selected_rights AS declared ON declared.id = declared_id
            LEFT JOIN selected_rights AS verified ON verified.id = verified_id
        ) GROUP BY ALL
    ) GROUP BY ALL
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Totals:
    """Figures of a selection as a whole."""

    works: int
    bytes: int
    described_only: int
    """Works known by their metadata alone."""
    missing: int
    """Works not found by a later registration of their data set."""
    verified: int
    """Works with verified rights."""
    owners_verified: int
    """Works with a verified rightsholder."""
    licences_verified: int
    without_rightsholder: int
    without_licence: int
    shortest_side: int | None
    longest_side: int | None
    first_registered: datetime.datetime | None
    last_registered: datetime.datetime | None


@dataclass(frozen=True)
class LicenceCount:
    """A licence and the number of its works."""

    reference: str
    spdx: str | None
    url: str | None
    training: str
    works: int
    verified: int
    """Works with this licence verified; that of the others is as declared."""

    @property
    def declared(self) -> int:
        """Works with this licence as declared only."""
        return self.works - self.verified


@dataclass(frozen=True)
class RightsholderCount:
    """A rightsholder and the number of their works, owned alone or with others."""

    id: int
    name: str
    kind: str | None
    works: int


def select_works(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> None:
    """Make the tables of a selection.

    ``query``: a SELECT of ``asset`` rows with at least :data:`COLUMNS`; ``values``: parameters.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE selected_work AS SELECT {COLUMNS} FROM ({query})", list(values))  # noqa: S608 - ours
    for name, table in _TABLES.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {table}")


def prepare_hosts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``selected_host``: works, forbidden and bytes by data_set_id and host.

    A work's own address counts, else that of its source; a null host: no web address.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE address_host AS {_ADDRESSES}")
    prepare_odd_hosts(connection, "address_host")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE selected_host AS SELECT data_set_id, "
        "CASE WHEN odd IS NULL THEN host ELSE normal END AS host, sum(works)::BIGINT AS works, "
        "sum(forbidden)::BIGINT AS forbidden, sum(bytes)::BIGINT AS bytes "
        "FROM address_host LEFT JOIN odd_host ON odd = host GROUP BY ALL"
    )


def count_works(connection: duckdb.DuckDBPyConnection) -> Totals:
    """Figures of the whole selection."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(byte_size), 0)::BIGINT, count(*) FILTER (byte_size IS NULL), count(missing_since), "
        "count(verified_id), count(verified.rightsholder_id), count(verified.licence_id), "
        "count(*) FILTER (selected_work.rightsholder_id IS NULL), count(*) FILTER (selected_work.licence_id IS NULL), "
        "min(least(width, height)), max(greatest(width, height)), min(registered_at), max(registered_at) "
        "FROM selected_work LEFT JOIN selected_rights AS verified ON verified.id = verified_id"
    ).fetchall()[0]
    return Totals(*row)


def count_values(connection: duckdb.DuckDBPyConnection, column: str) -> dict[str | None, int]:
    """Works by value of one of :data:`COLUMNS`, most frequent first; None: not recorded."""
    return dict(
        connection.execute(f"SELECT {column}, count(*) FROM selected_work GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()  # noqa: S608 - ours
    )


def count_licences(connection: duckdb.DuckDBPyConnection, most: int) -> tuple[tuple[LicenceCount, ...], int]:
    """The licences with the most works, and the number of all licences."""
    rows = connection.execute(
        "SELECT reference, spdx, url, training, works, verified, count(*) OVER () "  # noqa: S608 - constants
        f"FROM ({LICENCES}) WHERE licence_id IS NOT NULL ORDER BY works DESC, reference, licence_id LIMIT {int(most)}"
    ).fetchall()
    return tuple(LicenceCount(*row[:6]) for row in rows), rows[0][6] if rows else 0


def count_rightsholders(connection: duckdb.DuckDBPyConnection, most: int) -> tuple[tuple[RightsholderCount, ...], int]:
    """The rightsholders with the most works, and the number of all rightsholders."""
    rows = connection.execute(
        "SELECT rightsholder_id, name, kind, works, count(*) OVER () "  # noqa: S608 - constants
        f"FROM ({RIGHTSHOLDERS}) WHERE rightsholder_id IS NOT NULL ORDER BY works DESC, name, rightsholder_id "
        f"LIMIT {int(most)}"
    ).fetchall()
    found = tuple(RightsholderCount(number, one_line(name), kind, works) for number, name, kind, works, _ in rows)
    return found, rows[0][4] if rows else 0
