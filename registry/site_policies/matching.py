"""Finds the works that a site's policies apply to, and their signals.

Ten million addresses are too many to parse. The database first compares the part between the
slashes loosely, and only the matches are parsed as URLs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.signals import RightsSignal
from registry.site_policies import SitePolicy, domain_of, path_of, read_site_policy
from registry.storage.selection import selected_works

BATCH = 65_536
"""Works with addresses in memory at a time."""


@dataclass(frozen=True)
class HostPolicy:
    """A current row of site_policy, to find its works."""

    id: int
    domain: str
    subdomains: bool

    def governs(self, host: str) -> bool:
        return host.endswith("." + self.domain) if self.subdomains else host == self.domain


@dataclass(frozen=True, eq=False)
class MatchedSignals:
    """Works on the hosts of policies, with their signals."""

    works: int
    asset_ids: NDArray[np.int64]
    """A work has one entry per outcome."""
    outcomes: NDArray[np.int64]
    """Places in ``distinct``."""
    distinct: list[tuple[int, tuple[RightsSignal, ...]]]
    """Policy id and signals. A site has few distinct ones."""


# A work's own address, else its source's. Rights are joined only for works without an address.
_ADDRESSES = """
    SELECT id AS asset_id, url AS address FROM asset {selected} WHERE url IS NOT NULL
    UNION ALL
    SELECT asset.id, coalesce(
        max(source_url) FILTER (asset_rights.id = verified_id), max(source_url) FILTER (asset_rights.id = declared_id)
    )
    FROM asset {selected} JOIN asset_rights ON asset_rights.asset_id = asset.id
    WHERE url IS NULL AND source_url IS NOT NULL AND asset_rights.id IN (declared_id, verified_id)
    GROUP BY asset.id
"""
_AUTHORITY = "lower(split_part(address, '/', 3))"
# Authorities that urlsplit may read differently; their hosts are parsed in Python.
_ODD = (
    "strlen(authority) <> length(authority) OR contains(authority, chr(9)) OR contains(authority, chr(10)) "
    "OR contains(authority, chr(13)) OR contains(authority, '[')"
)


def signals_of_works(
    connection: duckdb.DuckDBPyConnection,
    policies: Sequence[HostPolicy],
    asset_ids: Sequence[int] | NDArray[np.int64] | None,
) -> MatchedSignals:
    """The signals of these policies for these works (None: all)."""
    with selected_works(connection, asset_ids):
        selected = "" if asset_ids is None else "JOIN selected_works ON asset.id = selected_id"
        addresses = _ADDRESSES.format(selected=selected)
        loosely = f"contains(authority, ?) OR {_ODD}" if len({policy.domain for policy in policies}) == 1 else "true"
        authorities = connection.execute(
            f"SELECT DISTINCT authority FROM (SELECT {_AUTHORITY} AS authority FROM ({addresses})) WHERE {loosely}",  # noqa: S608 - constants
            [policies[0].domain] if loosely != "true" else [],
        ).to_arrow_table()
        by_host = _ByHost(policies)
        hits = [text for text in authorities["authority"].to_pylist() if by_host.of(_host(text))]
        if not hits:
            return MatchedSignals(0, np.zeros(0, np.int64), np.zeros(0, np.int64), [])
        connection.register("hits", pa.table({"hit": pa.array(hits, pa.string())}))
        found = connection.execute(
            f"SELECT asset_id, address FROM ({addresses}) JOIN hits ON {_AUTHORITY} = hit ORDER BY asset_id"  # noqa: S608 - constants
        ).to_arrow_table()
        connection.unregister("hits")
    return _read_all(connection, by_host, found)


class _ByHost:
    """Policies by the host that they apply to."""

    def __init__(self, policies: Iterable[HostPolicy]) -> None:
        self._by_domain: dict[str, list[HostPolicy]] = {}
        for policy in policies:
            self._by_domain.setdefault(policy.domain, []).append(policy)

    def of(self, host: str | None) -> list[HostPolicy]:
        """The policies that apply to a host; those of a domain above may as well."""
        if host is None:
            return []
        labels = host.split(".")
        domains = [".".join(labels[start:]) for start in range(len(labels))]
        return [each for domain in domains for each in self._by_domain.get(domain, ()) if each.governs(host)]


def _host(authority: str) -> str | None:
    return domain_of(f"http://{authority}/")


def _read_all(connection: duckdb.DuckDBPyConnection, by_host: _ByHost, found: pa.Table) -> MatchedSignals:
    read: dict[int, SitePolicy] = {}
    places: dict[tuple[int, tuple[RightsSignal, ...]], int] = {}
    works = 0
    asset_ids: list[NDArray[np.int64]] = []
    outcomes: list[NDArray[np.int64]] = []
    for batch in found.to_batches(BATCH):
        paths: dict[int, tuple[list[int], list[str]]] = {}
        for asset_id, address in zip(batch["asset_id"].to_pylist(), batch["address"].to_pylist(), strict=True):
            governing = by_host.of(domain_of(address))
            path = path_of(address) if governing else None
            works += path is not None
            for policy in governing if path is not None else ():
                ids, listed = paths.setdefault(policy.id, ([], []))
                ids.append(asset_id)
                listed.append(path or "/")
        for policy_id, (ids, listed) in paths.items():
            if policy_id not in read:
                read[policy_id] = _policy(connection, policy_id)
            said = read[policy_id].signals_for(listed)
            matched = [
                (asset_id, places.setdefault((policy_id, signals), len(places)))
                for asset_id, signals in zip(ids, said, strict=True)
                if signals
            ]
            asset_ids.append(np.array([asset_id for asset_id, _ in matched], np.int64))
            outcomes.append(np.array([place for _, place in matched], np.int64))
    none = np.zeros(0, np.int64)
    return MatchedSignals(works, np.concatenate([none, *asset_ids]), np.concatenate([none, *outcomes]), list(places))


def _policy(connection: duckdb.DuckDBPyConnection, policy_id: int) -> SitePolicy:
    query = "SELECT content, kind, domain, file_name, agents FROM site_policy WHERE id = ?"
    content, kind, domain, file_name, agents = connection.execute(query, [policy_id]).fetchall()[0]
    return _read(content, kind, domain, file_name, agents)


@lru_cache(maxsize=64)
def _read(content: str, kind: str, domain: str, file_name: str, agents: str) -> SitePolicy:
    # Every batch of a registration needs the same few policies.
    return read_site_policy(content.encode(), kind=kind, domain=domain, file_name=file_name, agents=json.loads(agents))
