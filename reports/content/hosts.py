"""Hosts of works' addresses, by expressions of the database: taking ten million addresses apart one
by one would take minutes.

Only hosts that are not plain names are looked at in Python, each of them once. A host is told in
one form: lower case, without ``www.`` before it or a dot after it, IPv6 without brackets, and in
punycode where it is not ASCII.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from registry.site_policies.hosts import normal_host

# A name, or IPv6 in brackets.
_NAME = "rtrim(regexp_extract({authority}, '^(?:[^?#@]*@)?([^?#:@\\[]+|\\[[^\\]?#]*\\])', 1), '.')"


def authority_of(address: str) -> str:
    """SQL: what stands between the slashes of an http or https address, in lower case; null for
    anything else.

    Addresses are far more than hosts: group by this, which is cheap, before :func:`host_of`.
    """
    web = f"lower(left({address}, 7)) = 'http://' OR lower(left({address}, 8)) = 'https://'"
    return f"CASE WHEN {web} THEN lower(split_part({address}, '/', 3)) END"


def host_of(authority: str) -> str:
    """SQL: the host of what :func:`authority_of` gave; null if there is none."""
    found = _NAME.format(authority=authority)
    short = (
        f"CASE WHEN starts_with({found}, 'www.') AND contains(({found})[5:], '.') THEN ({found})[5:] ELSE {found} END"
    )
    return f"nullif({short}, '')"


def prepare_odd_hosts(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Have the table ``odd_host``: each host of a table that is no plain name, with its ``normal``
    form; null: it is no host.

    Args:
        connection: where the table is.
        table: a table of ours with a column ``host``, as :func:`host_of` gives it.
    """
    odd = [
        host
        for (host,) in connection.execute(
            f"SELECT DISTINCT host FROM {table} "  # noqa: S608 - one of our tables
            "WHERE NOT regexp_full_match(host, '[a-z0-9._-]+') OR length(host) > 253"
        ).fetchall()
    ]
    known = pa.table(
        {"odd": pa.array(odd, pa.string()), "normal": pa.array([normal_host(host) for host in odd], pa.string())}
    )
    connection.register("odd_hosts", known)
    connection.execute("CREATE OR REPLACE TEMP TABLE odd_host AS SELECT odd, normal FROM odd_hosts")
    connection.unregister("odd_hosts")
