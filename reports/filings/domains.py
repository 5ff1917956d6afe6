"""Sites that training content came from: hosts of the works' addresses, counted in the database."""

from __future__ import annotations

import math
from collections.abc import Collection

import duckdb

from reports.facts import Facts
from reports.rendering.hosts import authority_of, host_of, prepare_odd_hosts

SMALL_PROVIDER_DOMAINS = 1_000
"""Domains that a small or medium-sized provider lists at most."""


class DomainFacts(Facts):
    """A site with its works."""

    domain: str
    works: int
    bytes: int


def count_domains(connection: duckdb.DuckDBPyConnection) -> int:
    """The table ``site``: works and bytes by data set and host; returns how many hosts there are.

    A work's own address counts, else that of its source. A host stands without ``www.`` before it.
    """
    address = "coalesce(asset.url, verified.source_url, declared.source_url)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE site AS SELECT data_set_id, {host_of('authority')} AS host, sum(works)::BIGINT AS works, "  # noqa: S608 - constants
        "sum(bytes)::BIGINT AS bytes FROM ("
        f"SELECT data_set_id, {authority_of('address')} AS authority, count(*) AS works, "
        "coalesce(sum(byte_size), 0) AS bytes FROM ("
        f"SELECT content.data_set_id, content.byte_size, {address} AS address FROM content JOIN asset ON asset.id = work_id "
        "LEFT JOIN asset_rights AS declared ON declared.id = asset.declared_id AND declared.asset_id = asset.id "
        "LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id AND verified.asset_id = asset.id"
        ") GROUP BY ALL) GROUP BY ALL HAVING host IS NOT NULL"
    )
    prepare_odd_hosts(connection, "site")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE site AS SELECT data_set_id, coalesce(normal, host) AS host, "
        "sum(works)::BIGINT AS works, sum(bytes)::BIGINT AS bytes FROM site LEFT JOIN odd_host ON odd = host "
        "WHERE odd IS NULL OR normal IS NOT NULL GROUP BY ALL"
    )
    return int(connection.execute("SELECT count(DISTINCT host) FROM site").fetchall()[0][0])


def top_domains_of(
    connection: duckdb.DuckDBPyConnection, crawled: Collection[str], *, small_provider: bool
) -> tuple[list[DomainFacts], int]:
    """The domains that a filing lists, the largest first, and how many there are, of data sets of
    these names.

    The largest 10 % by bytes; of a small provider the largest 5 %, or
    :data:`SMALL_PROVIDER_DOMAINS` if that is fewer.
    """
    sites = (
        "SELECT host, sum(works)::BIGINT AS works, sum(bytes)::BIGINT AS bytes FROM site "
        "JOIN data_set ON data_set.id = data_set_id WHERE list_contains(?, name) GROUP BY host"
    )
    names = sorted(crawled)
    count = int(connection.execute(f"SELECT count(*) FROM ({sites})", [names]).fetchall()[0][0])  # noqa: S608 - a constant
    wanted = min(math.ceil(count / 20), SMALL_PROVIDER_DOMAINS) if small_provider else math.ceil(count / 10)
    rows = connection.execute(f"{sites} ORDER BY bytes DESC, works DESC, host LIMIT ?", [names, wanted]).fetchall()
    return [DomainFacts(domain=host, works=works, bytes=size) for host, works, size in rows], count
