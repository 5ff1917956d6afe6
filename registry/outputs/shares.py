"""Shares of outputs on record, and how a unit's share is divided among rightsholders and others.

An audit divides an output of the members among the units that it tested; what no unit has is
unattributed. An output counts by its newest audit. A unit's share is divided equally among its
works. A work's part goes to its licence, its data set, or its rightsholders: by the parts that were
recorded for all of them, if these sum to 1, and equally if not.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import duckdb

from registry.storage.current_rights import rightsholders_among

By = Literal["rightsholder", "licence", "data-set"]
WAYS: tuple[By, ...] = get_args(By)
EARLIER = "an earlier version made the audit, which divided nothing; audit the output again"


@dataclass(frozen=True)
class Share:
    """A part of an output with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Received:
    """What one rightsholder, licence or data set has of one output."""

    id: int | None
    name: str | None
    """None: none is recorded for the works."""
    share: Share
    """Its ends are the sums of the ends, at most 1: they hold at least as often as the intervals of
    all the units at once."""


def shares_of(test: Mapping[str, Any] | None) -> dict[int, Share] | str:
    """By rank, the shares of an audit's candidates, by its test; or why there are none."""
    shares = (test or {}).get("shares")
    if not isinstance(shares, Mapping):
        return EARLIER
    reason = shares.get("not_measured")
    if isinstance(reason, str):
        return reason
    listed = shares.get("candidates")
    found = {
        each["rank"]: share
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, Mapping) and isinstance(each.get("rank"), int) and (share := _share_in(each)) is not None
    }
    return found or EARLIER


def unattributed_of(test: Mapping[str, Any] | None) -> Share | None:
    """The unattributed part of an audit, by its test."""
    shares = (test or {}).get("shares")
    return _share_in(shares.get("unattributed")) if isinstance(shares, Mapping) else None


def _share_in(entry: object) -> Share | None:
    """A share as an audit keeps it; None: it is not three numbers."""
    if not isinstance(entry, Mapping):
        return None
    values = [entry.get(end) for end in ("share", "low", "high")]
    numbers = [float(each) for each in values if isinstance(each, int | float) and math.isfinite(each)]
    return Share(*numbers) if len(numbers) == len(values) else None


_SHARES_AMONG = """
    SELECT audit_id, entry.rank, entry.share, entry.low, entry.high FROM (
        SELECT id AS audit_id, unnest(TRY_CAST(test::JSON -> 'shares' -> 'candidates'
            AS STRUCT(rank INTEGER, share DOUBLE, low DOUBLE, high DOUBLE)[])) AS entry
        FROM AUDITS
    ) WHERE isfinite(entry.share) AND isfinite(entry.low) AND isfinite(entry.high)
"""
SHARES_OF_CANDIDATES = _SHARES_AMONG.replace("AUDITS", "audit")
"""SQL: the shares of the candidates of all audits that divide their output."""


def received_of(
    connection: duckdb.DuckDBPyConnection, audits: Sequence[str], by: By = "rightsholder"
) -> dict[str, list[Received]]:
    """By audit, what everybody has of the output, the largest first; makes temporary tables."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE settled AS SELECT audit.id AS audit_id, encoding_id, true AS ours FROM audit "
        "JOIN ensemble ON ensemble.id = audit.ensemble_id WHERE list_contains(?, audit.id)",
        [list(audits)],
    )
    connection.execute(_SHARES)
    shares_by(connection, by)
    found: dict[str, list[Received]] = {}
    for audit, number, name, value, low, high in connection.execute(
        "SELECT audit_id, receiver_id, receiver, round(share, 12), round(least(1, low), 12), round(least(1, high), 12) "
        "FROM received ORDER BY audit_id, round(share, 12) DESC, receiver_id NULLS LAST"
    ).fetchall():
        found.setdefault(audit, []).append(Received(number, name, Share(value, low, high)))
    return found


@dataclass(frozen=True)
class Outputs:
    """How many outputs of a period there are, and how many are divided."""

    generated: int
    audited: int
    divided: int
    earlier: int
    """Audited by an earlier version, which divided nothing."""
    not_divided: int
    """Audited by this version, but a prediction was no number."""
    outside: int
    """Images from outside that were audited in the period; they are in no other figure."""


def divided_outputs(
    connection: duckdb.DuckDBPyConnection, since: datetime.datetime | None, before: datetime.datetime | None
) -> Outputs:
    """Make the tables ``settled`` and ``settled_share`` of a period, and count its outputs.

    ``settled`` has the newest audit of every sample that was generated in the period; of an image
    from outside that was audited in it. ``settled_share`` has the shares of the units.

    Args:
        connection: open; the tables are temporary.
        since: the first moment; None: no bound.
        before: the first moment after the period; None: no bound.
    """
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE settled AS
        SELECT audit.id AS audit_id, ensemble.encoding_id, sample.id IS NOT NULL AS ours, audit.test::JSON -> 'shares' AS shares
        FROM audit JOIN audit_order ON audit_order.audit_id = audit.id AND audit_order.newest
        JOIN ensemble ON ensemble.id = audit.ensemble_id LEFT JOIN sample ON sample.id = audit.sample_id
        WHERE coalesce(coalesce(sample.created_at, audit.created_at) >= $since, $since IS NULL)
            AND coalesce(coalesce(sample.created_at, audit.created_at) < $before, $before IS NULL)
        """,
        {"since": since, "before": before},
    )
    connection.execute(_SHARES)
    (generated,) = connection.execute(
        """
        SELECT count(*) FROM sample WHERE coalesce(created_at >= $since, $since IS NULL)
            AND coalesce(created_at < $before, $before IS NULL)
        """,
        {"since": since, "before": before},
    ).fetchall()[0]
    audited, outside, earlier, divided = connection.execute(
        """
        SELECT count(*) FILTER (ours), count(*) FILTER (NOT ours), count(*) FILTER (ours AND shares IS NULL),
            count(*) FILTER (ours AND audit_id IN (SELECT audit_id FROM settled_share))
        FROM settled
        """
    ).fetchall()[0]
    return Outputs(generated, audited, divided, earlier, audited - divided - earlier, outside)


_SHARES = f"""
    CREATE OR REPLACE TEMP TABLE settled_share AS
    SELECT audit_id, encoding_id, unit_number, share, low, high
    FROM ({_SHARES_AMONG.replace("AUDITS", "(FROM audit SEMI JOIN settled ON audit_id = audit.id AND ours)")})
    JOIN settled USING (audit_id) JOIN candidate USING (audit_id, rank)
"""  # noqa: S608 - constants

_WORKS = """
    SELECT encoding_id, unit_number, asset_id, 1.0 / count(*) OVER (PARTITION BY encoding_id, unit_number) AS part
    FROM unit_asset SEMI JOIN settled_share USING (encoding_id, unit_number)
"""

_OWNERS = f"""
    SELECT asset_id, rightsholder_id AS id, rightsholder AS name,
        CASE WHEN abs(sum(share) OVER work - 1) < 1e-6 AND count(share) OVER work = count(*) OVER work
                AND min(share) OVER work >= 0
            THEN share ELSE 1.0 / count(*) OVER work END AS part
    FROM ({rightsholders_among("settled_asset", "settled_right")})
    WINDOW work AS (PARTITION BY asset_id)
"""  # noqa: S608 - constants

_RECEIVERS: Mapping[By, str] = MappingProxyType(
    {
        "rightsholder": _OWNERS,
        "licence": "SELECT asset.id AS asset_id, licence.id, reference AS name, 1.0 AS part "
        "FROM settled_asset AS asset JOIN licence ON licence.id = asset.licence_id",
        "data-set": "SELECT asset.id AS asset_id, data_set.id, name, 1.0 AS part "
        "FROM settled_asset AS asset JOIN data_set ON data_set.id = asset.data_set_id",
    }
)


def shares_by(connection: duckdb.DuckDBPyConnection, by: By) -> None:
    """Make the table ``received``: the shares of ``settled_share`` by output and receiver.

    Its columns: ``audit_id``, ``receiver_id`` and ``receiver`` (null: none is recorded), ``share``
    and the sums of the ends, ``low`` and ``high``.
    """
    for name, query in {
        "settled_work": _WORKS,
        "settled_asset": "SELECT * FROM asset WHERE id IN (SELECT asset_id FROM settled_work)",
        "settled_right": "SELECT * FROM asset_rights WHERE asset_id IN (SELECT asset_id FROM settled_work)",
        "receiver": _RECEIVERS[by],
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE received AS
        SELECT audit_id, receiver_id, receiver, sum(share * part) AS share, sum(low * part) AS low, sum(high * part) AS high
        FROM (
            SELECT settled_share.*, receiver.id AS receiver_id, receiver.name AS receiver,
                coalesce(settled_work.part, 1.0) * coalesce(receiver.part, 1.0) AS part
            FROM settled_share LEFT JOIN settled_work USING (encoding_id, unit_number)
            LEFT JOIN receiver USING (asset_id)
        ) GROUP BY ALL
        """
    )
