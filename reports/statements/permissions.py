"""What the log says about permissions of works over time, for any number of works at once.

The registry keeps each work's present permission and has an event for every change of one. An event
of more than ten thousand works counts them and names none: where such an event may have been about
a work, what was before it is not known.
"""

from __future__ import annotations

import duckdb

NOT_KNOWN = "not known"
"""In place of a permission that the log does not tell."""

_MOVES = """
    SELECT sequence, former, current, unnest(ids) AS asset_id FROM permission_event WHERE ids IS NOT NULL
"""

_EVENTS = """
    SELECT sequence, before::JSON ->> 'permission' AS former, after::JSON ->> 'permission' AS current,
        CASE WHEN starts_with(subject, 'asset ') THEN [TRY_CAST(substr(subject, 7) AS BIGINT)]
            ELSE TRY_CAST(after::JSON -> 'asset_ids' AS BIGINT[]) END AS ids
    FROM event WHERE kind = 'permission changed' AND json_valid(before) AND json_valid(after)
"""


def prepare_moves(connection: duckdb.DuckDBPyConnection) -> None:
    """Have the tables ``permission_move`` (sequence, former, current, asset_id) and
    ``unnamed_move`` (the same without works).
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_event AS {_EVENTS}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_move AS {_MOVES}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unnamed_move AS SELECT sequence, former, current FROM permission_event WHERE ids IS NULL"
    )


def prepare_permissions_then(connection: duckdb.DuckDBPyConnection) -> None:
    """Have the table ``permission_then``: by work of ``saw``, its permissions when the members that
    saw it were registered.

    ``saw`` has ``asset_id`` and ``member_id``. Columns: ``asset_id`` and ``permissions``, each
    different one once, sorted.
    """
    # The first change after the member was registered says what was before it; without one, it is
    # what is now.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE permission_then AS
        WITH registered AS (
            SELECT subject[8:] AS member_id, max(sequence) AS sequence FROM event WHERE kind = 'member registered' GROUP BY 1
        ), moments AS (
            SELECT DISTINCT saw.asset_id, sequence FROM saw LEFT JOIN registered USING (member_id)
        ), told AS (
            SELECT moments.asset_id, moments.sequence, coalesce(permission_move.former, asset.permission) AS permission,
                coalesce(permission_move.sequence, {2**62}) AS until
            FROM moments ASOF LEFT JOIN permission_move
                ON permission_move.asset_id = moments.asset_id AND moments.sequence < permission_move.sequence
            JOIN asset ON asset.id = moments.asset_id
        )
        SELECT asset_id, list_sort(list(DISTINCT CASE
            WHEN told.sequence IS NULL OR unnamed_move.current IS NOT NULL THEN '{NOT_KNOWN}' ELSE permission END
        )) AS permissions
        FROM told LEFT JOIN unnamed_move ON unnamed_move.current = permission
            AND unnamed_move.sequence > told.sequence AND unnamed_move.sequence < until
        GROUP BY asset_id
        """  # noqa: S608 - constants
    )
