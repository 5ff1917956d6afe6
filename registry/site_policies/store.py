"""Recorded site policies: a file supplied for a domain becomes signals of all works from there.

A policy applies to the works with an address on its host (their own, else their source's), and with
``subdomains`` to works on the hosts below. The newest policy of a kind for a host counts. Later
works get its signals at registration (:func:`apply_policies`); former signals stay on record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.event_log.events import Change, changing
from registry.ids import canonical_json
from registry.permissions.derived_columns import recompute, recompute_permissions, recompute_rights
from registry.permissions.rule import CURRENT_POLICIES
from registry.site_policies import SitePolicy, read_site_policy
from registry.site_policies.matching import HostPolicy, MatchedSignals, signals_of_works
from registry.site_policies.signal_rows import insert_signals
from registry.storage.database import Registry
from registry.storage.results import records
from registry.storage.selection import selected_works
from registry.storage.tables import SitePolicy as PolicyRow


@dataclass(frozen=True)
class PolicyReport:
    """The result of recording a policy."""

    policy_id: int
    kind: str
    domain: str
    subdomains: bool
    recorded: bool
    """False: the same file already counts for the domain, and nothing was changed."""
    superseded: tuple[int, ...]
    """Earlier policies that no longer count."""
    works: int
    """Registered works on its hosts."""
    works_with_signals: int
    """Works with signals from it."""
    permissions_changed: int
    problems: tuple[str, ...]
    """Parts of the file that were not understood."""


def record_policy(
    registry: Registry,
    data: bytes,
    kind: str,
    domain: str,
    file_name: str,
    *,
    agents: Sequence[str] = (),
    subdomains: bool = False,
    now: datetime,
) -> PolicyReport:
    """Record a site's policy; it replaces the earlier one of its kind for the works from there.

    Args:
        registry: with the works.
        data: the whole file.
        kind: one of :data:`registry.site_policies.KINDS`.
        domain: the host that served it.
        file_name: for people.
        agents: the crawlers that collected the works; without them, training crawlers count.
        subdomains: it applies to the hosts below the domain as well.
        now: the time to record.

    Raises:
        InputError: the file is not such a policy, or the domain is no host name.
    """
    named = tuple(sorted({agent.strip() for agent in agents if agent.strip()}))
    policy = read_site_policy(data, kind=kind, domain=domain, file_name=file_name, agents=named)
    with changing(registry, now) as change:
        connection = change.connection
        known = connection.execute(
            "SELECT id, subdomains, sha256, agents FROM site_policy WHERE kind = ? AND domain = ? "  # noqa: S608 - a constant
            f"AND id IN ({CURRENT_POLICIES}) ORDER BY subdomains",
            [kind, policy.domain],
        ).fetchall()
        former = [row for row in known if subdomains or not row[1]]
        stated = (policy.sha256, canonical_json(list(named)))
        if [(sha256, agents_then) for _, _, sha256, agents_then in former] == [stated] * (1 + subdomains):
            works = signals_of_works(
                connection, [HostPolicy(int(row[0]), policy.domain, bool(row[1])) for row in former], None
            )
            return _report(policy, kind, int(former[0][0]), subdomains, works)
        first = change.next_id("site_policy")
        rows = [
            PolicyRow(
                id=first + wide,
                kind=kind,
                domain=policy.domain,
                subdomains=bool(wide),
                agents=list(named),
                file_name=file_name,
                sha256=policy.sha256,
                content=data.decode("utf-8", "replace"),
                seen_at=now,
                recorded_by=change.actor,
            )
            for wide in range(1 + subdomains)
        ]
        change.insert(*rows)
        superseded = tuple(int(row[0]) for row in former)
        works = signals_of_works(connection, [HostPolicy(row.id, row.domain, row.subdomains) for row in rows], None)
        insert_signals(change, works.asset_ids, works.outcomes, works.distinct)
        # An RSL document replaces the references to it in the robots.txt of the same hosts.
        touched = connection.execute(
            "SELECT DISTINCT asset_id FROM rights_signal WHERE list_contains(?, policy_id) OR (? = 'rsl' AND policy_id IN "
            "(SELECT id FROM site_policy WHERE kind = 'robots' AND domain = ?))",
            [[*superseded, *(row.id for row in rows)], kind, policy.domain],
        ).fetchnumpy()["asset_id"]
        with selected_works(connection, touched):
            changed = recompute_permissions(change)
        report = replace(
            _report(policy, kind, first, subdomains, works),
            recorded=True,
            superseded=superseded,
            permissions_changed=changed,
        )
        change.record(
            "policy recorded",
            f"{kind} of {policy.domain}",
            before={"policies": list(superseded)} if superseded else None,
            after={
                "policies": [row.id for row in rows],
                "file": file_name,
                "sha256": policy.sha256,
                "agents": list(named),
                "subdomains": subdomains,
                "works": report.works,
                "works with signals": report.works_with_signals,
            },
        )
    return report


def recompute_with_policies(change: Change, asset_ids: Sequence[int] | NDArray[np.int64]) -> int:
    """Recompute works whose address may be new; returns how many permissions changed."""
    recompute_rights(change.connection, asset_ids)
    apply_policies(change, asset_ids)
    return recompute(change, asset_ids)


def apply_policies(change: Change, asset_ids: Sequence[int] | NDArray[np.int64]) -> int:
    """Give works the signals of their sites' policies; returns how many signals are new.

    The caller recomputes the permissions and records the event. The works' rights must be
    recomputed first, because a work without an address is found by its source's. Signals from a
    former address stay on record and count.
    """
    rows = change.connection.execute(
        f"SELECT id, domain, subdomains FROM site_policy WHERE id IN ({CURRENT_POLICIES}) ORDER BY id"  # noqa: S608 - a constant
    ).fetchall()
    if not rows or not len(asset_ids):
        return 0
    policies = [HostPolicy(int(number), domain, bool(subdomains)) for number, domain, subdomains in rows]
    found = signals_of_works(change.connection, policies, asset_ids)
    return insert_signals(change, found.asset_ids, found.outcomes, found.distinct)


def _report(policy: SitePolicy, kind: str, policy_id: int, subdomains: bool, found: MatchedSignals) -> PolicyReport:
    """The report of a policy that was on record already."""
    return PolicyReport(
        policy_id=policy_id,
        kind=kind,
        domain=policy.domain,
        subdomains=subdomains,
        recorded=False,
        superseded=(),
        works=found.works,
        works_with_signals=len(np.unique(found.asset_ids)),
        permissions_changed=0,
        problems=policy.problems,
    )


def policies(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Policies by domain, kind and id, with the number of their signals and whether they count."""
    rows = records(
        connection.execute(
            "SELECT id AS policy_id, kind, domain, subdomains, agents, file_name, sha256, coalesce(signals, 0) AS signals, "  # noqa: S608 - a constant
            f"id IN ({CURRENT_POLICIES}) AS counts, seen_at, recorded_by FROM site_policy LEFT JOIN (SELECT policy_id, "
            "count(*) AS signals FROM rights_signal WHERE policy_id IS NOT NULL GROUP BY policy_id) ON policy_id = id "
            "ORDER BY domain, kind, id"
        )
    )
    return [{**row, "agents": json.loads(row["agents"])} for row in rows]
