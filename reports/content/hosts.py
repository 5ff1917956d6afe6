"""Hosts of works' addresses, as SQL: parsing ten million addresses in Python would take minutes.

Python looks only at hosts that are not plain names, at each once. The normal form of a host: lower
case, no leading ``www.``, no trailing dot, IPv6 without brackets, punycode if not ASCII.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from registry.site_policies.hosts import normal_host

# A name, or IPv6 in brackets.
_NAME = "rtrim(regexp_extract({authority}, '^(?:[^?#@]*@)?([^?#:@\\[]+|\\[[^\\]?#]*\\])', 1), '.')"


def authority_of(address: str) -> str:
    """SQL for the part between the slashes of an http(s) address, in lower case; else null.

    Authorities are cheap to compute: group by them before :func:`host_of`.
    """
    web = f"lower(left({address}, 7)) = 'http://' OR lower(left({address}, 8)) = 'https://'"
    return f"CASE WHEN {web} THEN lower(split_part({address}, '/', 3)) END"


def host_of(authority: str) -> str:
    """SQL for the host in an :func:`authority_of`; null if it has none."""
    found = _NAME.format(authority=authority)
    short = (
        f"CASE WHEN starts_with({found}, 'www.') AND contains(({found})[5:], '.') THEN ({found})[5:] ELSE {found} END"
    )
    return f"nullif({short}, '')"


def prepare_odd_hosts(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make the table ``odd_host``: hosts that are not plain names, each with its ``normal`` form.

    A null ``normal`` means: not a host. ``table`` has a column ``host``, made by :func:`host_of`.
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
