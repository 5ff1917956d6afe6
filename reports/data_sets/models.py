"""Opt-outs since training: works that a member saw and that may no longer be trained on.

A member saw a withdrawn work only if the withdrawal came after its training. For a prohibited work
the log has its permission when the member was registered. The moment of the last change does not
decide: a work may have been prohibited, permitted and prohibited again.
"""

from __future__ import annotations

import duckdb

from registry.permissions.history import prepare_changes, prepare_permissions_at_training
from reports.content.ensembles import MemberContent, read_member_contents
from reports.content.selection import FORBIDDEN
from reports.data_sets.facts import MemberOptOuts, ModelOptOuts

_FORBIDDEN_NOW = f"""
    SELECT asset_id, member_id, ensemble_id, member_index, generation, permission FROM member_work
    JOIN (SELECT id, permission FROM selected_work WHERE {FORBIDDEN}) ON id = asset_id WHERE newest
"""  # noqa: S608 - constants

_OPTED_OUT = f"""
    SELECT seen_forbidden.*, CASE WHEN seen_forbidden.permission = 'withdrawn' THEN 'since'
        WHEN at_training.permission IS NULL THEN 'not known'
        WHEN at_training.{FORBIDDEN} THEN 'before' ELSE 'since' END AS opted_out
    FROM seen_forbidden JOIN permission_at_training AS at_training USING (asset_id, member_id)
"""  # noqa: S608 - constants

OPT_OUTS = """
    SELECT ensemble_id, member_id, member_index, generation, asset_id, asset.sha256 AS sha256, asset.path AS path,
        rightsholder.name AS rightsholder, opted_out.permission AS permission_now,
        CASE opted_out WHEN 'since' THEN 'since the member was trained' WHEN 'before' THEN 'before the member was trained'
            ELSE opted_out END AS opted_out_when
    FROM opted_out JOIN asset ON asset.id = asset_id LEFT JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
    ORDER BY ensemble_id, member_index, asset_id
"""
"""A row per newest-generation member and work that it saw and that is forbidden now."""


def prepare_models(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``opted_out``: newest members and the selected works they saw, forbidden now.

    It also says whether the work was forbidden before the training.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE seen_forbidden AS {_FORBIDDEN_NOW}")
    prepare_changes(connection)
    prepare_permissions_at_training(connection, "seen_forbidden")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE opted_out AS {_OPTED_OUT}")


def read_models(connection: duckdb.DuckDBPyConnection, data_set_id: int) -> list[ModelOptOuts]:
    """The ensembles whose encoding has works of the data set, the oldest first."""
    ensembles = connection.execute(
        "SELECT ensemble.id, encoding_id, n, works FROM ensemble JOIN encoding ON encoding.id = encoding_id JOIN ("
        "SELECT encoding_id, count(*) AS works FROM unit_asset WHERE asset_id IN (SELECT id FROM selected_work) GROUP BY 1"
        ") USING (encoding_id) ORDER BY ensemble.created_at, ensemble.id"
    ).fetchall()
    counts = {
        str(row[0]): row[1:]
        for row in connection.execute(
            "SELECT member_id, count(*) FILTER (permission = 'withdrawn'), "
            "count(*) FILTER (permission = 'prohibited' AND opted_out = 'since'), "
            "count(*) FILTER (opted_out = 'before'), count(*) FILTER (opted_out = 'not known') FROM opted_out GROUP BY 1"
        ).fetchall()
    }
    return [
        ModelOptOuts(
            ensemble_id=ensemble_id,
            works=works,
            members_in_all=n,
            members=[
                _opt_outs(member, data_set_id, counts.get(member.id, (0, 0, 0, 0)))
                for member in read_member_contents(connection, ensemble_id, encoding_id)
            ],
        )
        for ensemble_id, encoding_id, n, works in ensembles
    ]


def _opt_outs(member: MemberContent, data_set_id: int, counts: tuple[int, ...]) -> MemberOptOuts:
    withdrawn, since, before, not_known = counts
    return MemberOptOuts(
        member=member.id,
        index=member.index,
        generation=member.generation,
        serves=member.serves,
        works=member.works_by_data_set.get(str(data_set_id), 0),
        withdrawn_since=withdrawn,
        prohibited_since=since,
        prohibited_before=before,
        prohibited_when_unknown=not_known,
    )
