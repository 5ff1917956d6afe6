"""Sites that training content came from: hosts of the works' addresses, counted in the database.

Taking ten million addresses apart one by one would take minutes, so an expression does it; only hosts that are not plain
names are looked at in Python, each of them once.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import duckdb
import pyarrow as pa

from registry.policies.hosts import normal_host
from reports.schema import Part

SMALL_PROVIDER_DOMAINS = 1_000
"""Domains that a small or medium-sized provider lists at most."""


class DomainFacts(Part):
    """A site with its works."""

    domain: str
    works: int
    bytes: int


def count_domains(connection: duckdb.DuckDBPyConnection) -> int:
    """The table ``site``: works and bytes by data set and host; returns how many hosts there are.

    A work's own address counts, else that of its source. A host stands without ``www.`` before it.
    """
    address = "coalesce(asset.url, verified.source_url, declared.source_url)"
    # Addresses are far more than hosts: what they are cut by must be cheap, and the expression comes after the counting.
    host = "regexp_extract(authority, '^(?:[^?#@]*@)?([^?#:@\\[]+|\\[[^\\]?#]*\\])', 1)"  # a name, or IPv6 in brackets
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE site AS SELECT data_set_id, host, sum(works)::BIGINT AS works, "  # noqa: S608 - constants
        "sum(bytes)::BIGINT AS bytes FROM ("
        "SELECT data_set_id, CASE WHEN starts_with(found, 'www.') AND contains(found[5:], '.') THEN found[5:] ELSE found END "
        f"AS host, works, bytes FROM (SELECT data_set_id, rtrim({host}, '.') AS found, works, bytes FROM ("
        "SELECT data_set_id, lower(split_part(address, '/', 3)) AS authority, count(*) AS works, "
        "coalesce(sum(byte_size), 0) AS bytes FROM ("
        f"SELECT content.data_set_id, content.byte_size, {address} AS address FROM content JOIN asset ON asset.id = work_id "
        "LEFT JOIN asset_rights AS declared ON declared.id = asset.declared_id AND declared.asset_id = asset.id "
        "LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id AND verified.asset_id = asset.id"
        ") WHERE lower(left(address, 7)) = 'http://' OR lower(left(address, 8)) = 'https://' GROUP BY ALL"
        "))) WHERE host <> '' GROUP BY ALL"
    )
    odd = [
        host
        for (host,) in connection.execute(
            "SELECT DISTINCT host FROM site WHERE NOT regexp_full_match(host, '[a-z0-9._-]+') OR length(host) > 253"
        ).fetchall()
    ]
    if odd:
        known = pa.table(
            {"odd": pa.array(odd, pa.string()), "normal": pa.array([normal_host(host) for host in odd], pa.string())}
        )
        connection.register("odd_hosts", known)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE site AS SELECT data_set_id, coalesce(normal, host) AS host, "
            "sum(works)::BIGINT AS works, sum(bytes)::BIGINT AS bytes FROM site LEFT JOIN odd_hosts ON odd = host "
            "WHERE odd IS NULL OR normal IS NOT NULL GROUP BY ALL"
        )
        connection.unregister("odd_hosts")
    return int(connection.execute("SELECT count(DISTINCT host) FROM site").fetchall()[0][0])


def top_domains_of(
    connection: duckdb.DuckDBPyConnection, crawled: Collection[str], *, small_provider: bool
) -> tuple[list[DomainFacts], int]:
    """The domains that a filing lists, the largest first, and how many there are, of data sets of these names.

    The largest 10 % by bytes; of a small provider the largest 5 %, or :data:`SMALL_PROVIDER_DOMAINS` if that is fewer.
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
