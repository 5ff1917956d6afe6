"""The permissions of works at earlier moments, from the log.

The registry keeps each work's present permission, and every change is an event. Undoing the changes
since a moment, newest first, gives the permission at that moment. Moments are places in the log,
because clocks can go backwards. An event of very many works names none of them: where such an event
may have been about a work, the permission before it is not known.

:class:`PermissionHistory` answers for a page of works; :func:`prepare_permissions_at_training`
answers for any number, in tables of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from registry.errors import IntegrityError
from registry.storage.current_rights import written_out

EVENT = "permission changed"

NEVER = 2**62
"""A place in the log after all others."""

_CHANGES = f"""
    SELECT sequence,
        CASE WHEN json_valid(before) THEN json_extract_string(before, '$.permission') END AS former,
        CASE WHEN json_valid(after) THEN json_extract_string(after, '$.permission') END AS current,
        CASE WHEN NOT json_valid(after) THEN NULL
            WHEN json_exists(after, '$.works') THEN json_type(after, '$.asset_ids') ELSE 'ONE' END AS listed,
        CASE WHEN listed = 'ONE' THEN [TRY_CAST(regexp_extract(subject, '^asset ([0-9]+)$', 1) AS BIGINT)]
            WHEN listed = 'ARRAY' THEN TRY_CAST(json_extract(after, '$.asset_ids') AS BIGINT[]) END AS works,
        CASE WHEN json_valid(before) AND json_valid(after)
            THEN json_type(before, '$.permission') = 'VARCHAR' AND json_type(after, '$.permission') = 'VARCHAR' END AS worded
    FROM event WHERE kind = '{EVENT}'
"""  # noqa: S608 - a constant

_NAMED = "SELECT sequence, former, current, unnest(works) AS asset_id FROM permission_event WHERE works IS NOT NULL"
_UNNAMED = "SELECT sequence, former, current FROM permission_event WHERE works IS NULL"

_AT_TRAINING = f"""
    WITH registered AS (
        SELECT subject[8:] AS member_id, max(sequence) AS sequence FROM event WHERE kind = 'member registered' GROUP BY 1
    ), moments AS (
        SELECT DISTINCT asset_id, sequence FROM {{seen}} JOIN registered USING (member_id)
    ), next_change AS (
        -- The first change after the moment says what was before it; without one, it is what is now.
        SELECT moments.asset_id, moments.sequence, coalesce(change.former, asset.permission) AS permission,
            coalesce(change.sequence, {NEVER}) AS until
        FROM moments ASOF LEFT JOIN permission_change AS change
            ON change.asset_id = moments.asset_id AND moments.sequence < change.sequence
        JOIN asset ON asset.id = moments.asset_id
    ), known AS (
        SELECT next_change.asset_id, next_change.sequence,
            CASE WHEN unnamed.sequence > next_change.sequence THEN NULL ELSE permission END AS permission
        FROM next_change ASOF LEFT JOIN unnamed_permission_change AS unnamed
            ON unnamed.current = permission AND next_change.until > unnamed.sequence
    )
    SELECT seen.asset_id, seen.member_id, known.permission FROM {{seen}} AS seen LEFT JOIN registered USING (member_id)
    LEFT JOIN known ON known.asset_id = seen.asset_id AND known.sequence = registered.sequence
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class _PermissionChange:
    sequence: int
    former: str
    current: str
    works: frozenset[int] | None
    """The requested works; None: the event counts its works without their ids."""


@dataclass(frozen=True)
class PermissionHistory:
    """The present permissions of some works, and all changes that may concern them."""

    now: Mapping[int, str]
    changes: Sequence[_PermissionChange]
    """Newest first."""
    _before: dict[int, dict[int, str | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, asset_ids: Collection[int]) -> PermissionHistory:
        """The history of these works.

        Raises:
            IntegrityError: creditline did not write an event in this form.
        """
        asked = sorted(set(asset_ids))
        now = connection.execute(
            f"SELECT id, permission FROM asset WHERE id IN ({written_out(asked)})"  # noqa: S608 - numbers
        ).fetchall()
        events = connection.execute(
            "SELECT sequence, former, current, works IS NULL AND listed = 'NULL', "  # noqa: S608 - a constant
            "coalesce(worded AND (listed = 'NULL' OR list_count(works) = len(works)), false), "
            f"list_intersect(works, $asked) FROM ({_CHANGES}) ORDER BY sequence DESC",
            {"asked": asked},
        ).fetchall()
        changes = []
        for sequence, former, current, unlisted, whole, works in events:
            if not whole:
                raise IntegrityError(f"event {sequence:,} of the log cannot be read: run `creditline log verify`")
            if unlisted or works:
                changes.append(_PermissionChange(sequence, former, current, None if unlisted else frozenset(works)))
        return cls(dict(now), changes)

    def at(self, sequence: int) -> Mapping[int, str | None]:
        """The permission by work when the log ended with this event; None: the log does not say.

        Works that were registered later have the permission of their registration.
        """
        if sequence not in self._before:
            found: dict[int, str | None] = dict(self.now)
            for change in self.changes:
                if change.sequence <= sequence:
                    break
                if change.works is None:
                    # Any work with the permission after the change may be one of them.
                    found.update({work: None for work, had in found.items() if had == change.current})
                else:
                    found.update({work: change.former for work in change.works if work in found})
            self._before[sequence] = found
        return self._before[sequence]


def prepare_changes(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables ``permission_change`` (sequence, former, current, asset_id) and
    ``unnamed_permission_change``: changes of works without ids in the log.
    """
    for name, query in {
        "permission_event": f"SELECT sequence, former, current, works FROM ({_CHANGES}) WHERE worded",  # noqa: S608 - a constant
        "permission_change": _NAMED,
        "unnamed_permission_change": _UNNAMED,
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def prepare_permissions_at_training(connection: duckdb.DuckDBPyConnection, seen: str) -> None:
    """Make the table ``permission_at_training`` (asset_id, member_id, permission).

    The permission is the work's at the member's registration; null where the log does not say.
    ``seen`` names a table (asset_id, member_id), one row per pair. :func:`prepare_changes` comes
    first.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_at_training AS {_AT_TRAINING.format(seen=seen)}")


def registrations(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The end of the log at each member's registration; by the clock without such an event."""
    rows = connection.execute(
        "SELECT member.id, coalesce(max(registered.sequence), ("
        "    SELECT max(sequence) FROM event WHERE recorded_at <= member.registered_at"
        "), 0) FROM member LEFT JOIN event AS registered "
        "ON registered.kind = 'member registered' AND registered.subject = 'member ' || member.id "
        "GROUP BY member.id, member.registered_at"
    ).fetchall()
    return {str(member): int(sequence) for member, sequence in rows}
