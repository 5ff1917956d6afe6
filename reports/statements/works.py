"""The rightsholder's works, by the registry's facts now, in tables that every other part joins."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from registry.encodings.probes import PROBE_OF
from registry.permissions.history import prepare_changes, prepare_permissions_at_training
from registry.permissions.reasons import REASONS
from registry.permissions.rule import deciding_grounds
from registry.storage.current_rights import effective_rights_id, rights_among, rightsholders_among
from registry.storage.results import number_of
from registry.storage.selection import selected_by
from registry.withdrawals.record import WORKS_OF_RIGHTSHOLDER
from registry.works.listings import BLOCK
from reports.facts import PermissionGround
from reports.rendering.wording import clipped
from reports.statements.facts import Count, SignalCount, WorkItem, WorksPart

LISTED = 24
"""Works that the page shows with their pictures."""
MOST_COUNTS = 20

_PERMISSION_THEN = """
    SELECT asset_id, list_sort(list(DISTINCT coalesce(permission, 'not known'))) AS permissions
    FROM permission_at_training GROUP BY asset_id
"""

TABLE = f"""
    SELECT rights.asset_id AS asset_id, rights.data_set AS data_set, rights.path AS path, rights.url AS url,
        rights.sha256 AS sha256, rights.title AS title, rights.creator AS creator, rights.source_url AS source_url,
        rights.rightsholder AS rightsholder, rights.basis AS rights_basis, stated.name AS stated_rightsholder,
        coalesce(shares.role, '') AS role, shares.share AS share, coalesce(others.names, []) AS other_rightsholders,
        rights.licence AS licence, rights.licence_spdx AS licence_spdx, rights.licence_url AS licence_url,
        rights.permission AS permission_now, coalesce(permissions, []) AS permission_at_training,
        coalesce(signals, []) AS rights_signals,
        coalesce(members, 0) AS members_that_saw_it, coalesce(newest, 0) AS newest_members_that_saw_it,
        coalesce(outputs_tested, 0) AS outputs_tested, coalesce(outputs_found, 0) AS outputs_found,
        coalesce(outputs_group_found, 0) AS outputs_group_found,
        rights.registered_at AS registered_at, rights.missing_since AS missing_since, withdrawn_at,
        rights.caption AS caption, rights.caption_source AS caption_source,
        permission_reason.reason AS permission_reason, signs AS synthetic, coalesce(probe_of, []) AS probe_of
    FROM ({rights_among("their_asset", "their_rights", "their_caption")}) AS rights
    JOIN their_asset AS asset ON asset.id = rights.asset_id
    LEFT JOIN their_rights AS verified ON verified.asset_id = asset.id AND verified.id = asset.verified_id
    LEFT JOIN their_rights AS counting ON counting.asset_id = asset.id AND counting.id = {effective_rights_id("asset")}
    LEFT JOIN rightsholder AS stated ON stated.id = counting.rightsholder_id
    LEFT JOIN their_share AS shares ON shares.asset_id = rights.asset_id
    LEFT JOIN other_owner AS others ON others.asset_id = rights.asset_id
    LEFT JOIN permission_then ON permission_then.asset_id = rights.asset_id
    LEFT JOIN (
        SELECT asset_id, list_sort(list(DISTINCT protocol || ': ' || category || ' ' || use
            || CASE WHEN condition IS NULL THEN '' ELSE ' (' || condition || ')' END)) AS signals
        FROM their_signal GROUP BY asset_id
    ) AS signalled ON signalled.asset_id = rights.asset_id
    LEFT JOIN (
        SELECT asset_id, count(*) AS members, count(*) FILTER (newest) AS newest FROM saw GROUP BY asset_id
    ) AS seen ON seen.asset_id = rights.asset_id
    LEFT JOIN work_found ON work_found.asset_id = rights.asset_id
    LEFT JOIN permission_reason ON permission_reason.asset_id = rights.asset_id
    LEFT JOIN their_synthetic ON their_synthetic.asset_id = rights.asset_id
    LEFT JOIN their_probe ON their_probe.asset_id = rights.asset_id
    LEFT JOIN (
        SELECT asset_id, arg_min(recorded_at, withdrawal_id) AS withdrawn_at FROM withdrawn_work
        WHERE asset_id IN (SELECT asset_id FROM their_work) GROUP BY asset_id
    ) AS withdrawn ON withdrawn.asset_id = rights.asset_id
    ORDER BY rights.asset_id
"""  # noqa: S608 - constants
"""A row per work, for the table beside the page. Columns are documented in docs/statements.md."""


def prepare_works(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> None:
    """Make the tables that a statement's parts join: ``their_work`` and the facts of these works.

    ``their_asset``, ``their_rights`` and ``their_caption`` are the rows of the tables of works;
    ``shared_owner``, ``their_share`` and ``other_owner`` are about works of several;
    ``their_signal``, ``permission_reason`` and ``their_synthetic`` are about what is said of them;
    ``saw``, ``their_probe`` and ``permission_then`` are about training.
    """
    holder = str(int(rightsholder_id))
    chosen = WORKS_OF_RIGHTSHOLDER.replace("$rightsholder", holder)
    for name, query in {
        "their_work": f"SELECT work_id AS asset_id FROM ({chosen}) ORDER BY work_id",  # noqa: S608 - a number
        # By rowid: other conditions would read all columns of each block that may hold a row.
        "their_asset": "SELECT * FROM asset WHERE rowid IN ("
        "SELECT rowid FROM asset WHERE id IN (SELECT asset_id FROM their_work))",
        "their_rights": "SELECT * FROM asset_rights WHERE rowid IN ("
        "SELECT rowid FROM asset_rights WHERE asset_id IN (SELECT asset_id FROM their_work))",
        "their_caption": "SELECT * FROM caption WHERE rowid IN ("
        "SELECT rowid FROM caption WHERE asset_id IN (SELECT asset_id FROM their_work))",
        "shared_owner": rightsholders_among(
            "(FROM their_asset WHERE id IN (SELECT asset_id FROM co_rightsholder))", "their_rights"
        ),
        "their_share": f"SELECT * FROM shared_owner WHERE rightsholder_id = {holder}",  # noqa: S608 - a number
        "other_owner": "SELECT asset_id, list(rightsholder ORDER BY position, rightsholder_id) AS names FROM shared_owner "  # noqa: S608 - a number
        f"WHERE rightsholder_id <> {holder} GROUP BY asset_id",
        "their_signal": "SELECT * FROM current_signal WHERE asset_id IN (SELECT asset_id FROM their_work)",
        "their_synthetic": "SELECT * FROM synthetic_work WHERE asset_id IN (SELECT asset_id FROM their_work)",
        "their_probe": f"SELECT * FROM ({PROBE_OF}) WHERE asset_id IN (SELECT asset_id FROM their_work)",  # noqa: S608 - a constant
        "saw": "SELECT asset_id, member_id, ensemble_id, member_index, generation, newest FROM member_work "
        "WHERE asset_id IN (SELECT asset_id FROM their_work)",
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    with selected_by(connection, "SELECT asset_id FROM their_work"):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_reason AS {REASONS}")
    prepare_changes(connection)
    prepare_permissions_at_training(connection, "saw")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_then AS {_PERMISSION_THEN}")


def works_reader(connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """All works, a row each, for :func:`registry.export.files.write_listing`."""
    return connection.execute(TABLE).to_arrow_reader(BLOCK)


def read_works(connection: duckdb.DuckDBPyConnection, table_sha256: str) -> WorksPart:
    """The counted works, the first of them listed; needs the tables of works and findings."""
    total, shared, withdrawn, missing = connection.execute(
        "SELECT count(*), count(*) FILTER (id IN (SELECT asset_id FROM other_owner)), "
        "count(*) FILTER (permission = 'withdrawn'), count(missing_since) FROM their_asset"
    ).fetchall()[0]
    licences = _counts(
        connection,
        "SELECT licence.reference, count(*) FROM their_asset LEFT JOIN licence ON licence.id = licence_id GROUP BY 1",
    )
    signals = connection.execute(
        "SELECT protocol, category, use, count(DISTINCT asset_id) AS works FROM their_signal "
        "GROUP BY 1, 2, 3 ORDER BY works DESC, 1, 2, 3"
    ).fetchall()
    with_signals = connection.execute("SELECT count(DISTINCT asset_id) FROM their_signal").fetchall()[0][0]
    return WorksPart(
        total=total,
        shared=shared,
        withdrawn=withdrawn,
        missing=missing,
        synthetic=number_of(connection, "SELECT count(*) FROM their_synthetic"),
        kept_out=number_of(connection, "SELECT count(*) FROM their_probe ANTI JOIN saw USING (asset_id)") or None,
        permissions=_counts(connection, "SELECT permission, count(*) FROM their_asset GROUP BY 1"),
        permissions_at_training=_counts(
            connection, "SELECT array_to_string(permissions, ', '), count(*) FROM permission_then GROUP BY 1"
        ),
        licences=licences[:MOST_COUNTS],
        licences_total=len(licences),
        signals=[
            SignalCount(protocol=protocol, category=category, use=use, works=works)
            for protocol, category, use, works in signals[:MOST_COUNTS]
        ],
        signals_total=len(signals),
        with_signals=with_signals,
        listed=_listed(connection),
        table_sha256=table_sha256,
    )


def _counts(connection: duckdb.DuckDBPyConnection, query: str) -> list[Count]:
    rows = connection.execute(f"SELECT * FROM ({query}) AS counted(name, works) ORDER BY works DESC, name").fetchall()  # noqa: S608 - a constant
    return [Count(name=None if name is None else clipped(name), works=works) for name, works in rows]


def _listed(connection: duckdb.DuckDBPyConnection) -> list[WorkItem]:
    chosen: list[dict[str, Any]] = (
        connection.execute(
            "WITH first AS MATERIALIZED (SELECT their_work.asset_id FROM their_work "  # noqa: S608 - constants
            "LEFT JOIN work_found ON work_found.asset_id = their_work.asset_id "
            "ORDER BY coalesce(outputs_found, 0) DESC, coalesce(outputs_group_found, 0) DESC, "
            "coalesce(outputs_tested, 0) DESC, their_work.asset_id "
            f"LIMIT {LISTED}) SELECT * FROM ({TABLE}) SEMI JOIN first USING (asset_id) "
            "ORDER BY outputs_found DESC, outputs_group_found DESC, outputs_tested DESC, asset_id"
        )
        .to_arrow_table()
        .to_pylist()
    )
    grounds = deciding_grounds(connection, [row["asset_id"] for row in chosen])
    return [
        WorkItem(
            asset_id=row["asset_id"],
            title=title_of(row),
            caption=None if row["caption"] is None else clipped(row["caption"]),
            sha256=row["sha256"],
            data_set=clipped(row["data_set"]),
            path=None if row["path"] is None else clipped(row["path"]),
            licence=None if row["licence"] is None else clipped(row["licence"]),
            permission=row["permission_now"],
            permission_grounds=[PermissionGround.of(ground) for ground in grounds[row["asset_id"]]],
            synthetic=row["synthetic"],
            permission_at_training=list(row["permission_at_training"]),
            members=row["members_that_saw_it"],
            probe_of=list(row["probe_of"]) or None,
            outputs_tested=row["outputs_tested"],
            outputs_found=row["outputs_found"],
            outputs_group_found=row["outputs_group_found"],
            withdrawn=row["permission_now"] == "withdrawn",
            missing=row["missing_since"] is not None,
        )
        for row in chosen
    ]


def title_of(row: dict[str, Any]) -> str:
    """The title of a work, else the end of its path or address."""
    place = str(row["path"] or row.get("url") or f"work {row['asset_id']}").rstrip("/")
    return clipped(row["title"] or place.rsplit("/", 1)[-1])
