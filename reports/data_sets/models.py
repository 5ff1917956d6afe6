"""Opt-outs since training: works in a member's manifest that may no longer be trained on.

What a member saw follows from the codes and from the last withdrawal that its training heeded, as
everywhere. So a withdrawn work in its manifest was withdrawn after that. Of a prohibited one the
log says what it was when the member was registered, unless a change since then was of more works
than an event names. A work may have been prohibited, permitted and prohibited again, so the moment
of the last change says nothing: what counted at that of the registration does.
"""

from __future__ import annotations

import duckdb

from registry.members.seen import seen_by_any, withdrawals_applied_through
from registry.members.serving import Service
from registry.storage.tables import Member
from reports.data_sets.facts import MemberOptOuts, ModelPart
from reports.statements.permissions import prepare_moves

_END = 2**62

_FORBIDDEN = "('prohibited', 'withdrawn')"


def prepare_models(connection: duckdb.DuckDBPyConnection) -> None:
    """Have the table ``opted_out``: the forbidden works of ``corpus``; and ``prohibited_span``.

    That has, for each prohibited work, which permission it had between two events of the log, by
    what is known now and by the named changes. An unnamed change that led to this permission may
    have been of the work: before the last such one, ``doubted_until``, it is not known.
    """
    prepare_moves(connection)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE opted_out AS
        SELECT corpus.id AS asset_id, corpus.permission FROM corpus
        WHERE corpus.permission IN {_FORBIDDEN}
        """  # noqa: S608 - constants
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE prohibited_span AS
        WITH moved AS (
            SELECT asset_id, sequence AS until, former AS permission FROM permission_move
            WHERE asset_id IN (SELECT asset_id FROM opted_out WHERE permission = 'prohibited')
            UNION ALL SELECT asset_id, {_END}, permission FROM opted_out WHERE permission = 'prohibited'
        ), spans AS (
            SELECT asset_id, coalesce(lag(until) OVER (PARTITION BY asset_id ORDER BY until), -1) AS since, until, permission
            FROM moved
        )
        SELECT asset_id, since, until, spans.permission IN {_FORBIDDEN} AS forbidden,
            coalesce(unnamed_move.sequence, -1) AS doubted_until
        FROM spans ASOF LEFT JOIN unnamed_move
            ON unnamed_move.current = spans.permission AND spans.until > unnamed_move.sequence
        """  # noqa: S608 - constants
    )


def read_model(connection: duckdb.DuckDBPyConnection, service: Service) -> ModelPart | None:
    """What the newest members of an ensemble have of ``corpus``; None if its encoding has none of
    it.
    """
    encoding_id = service.encoding.id
    (works,) = connection.execute(
        "SELECT count(*) FROM unit_asset WHERE encoding_id = ? AND asset_id IN (SELECT id FROM corpus)", [encoding_id]
    ).fetchall()[0]
    if not works:
        return None
    registered = {
        str(subject).removeprefix("member "): int(sequence)
        for subject, sequence in connection.execute(
            "SELECT subject, max(sequence) FROM event WHERE kind = 'member registered' GROUP BY subject"
        ).fetchall()
    }
    members = [(state.member, state.serves) for state in service.states]
    seen = _works_seen(connection, encoding_id, [member for member, _ in members])
    return ModelPart(
        ensemble_id=service.ensemble.id,
        works=works,
        members_in_all=service.encoding.n,
        members=[
            _opt_outs(connection, member, serves, registered.get(member.id), count)
            for (member, serves), count in zip(members, seen, strict=True)
        ],
    )


def _works_seen(connection: duckdb.DuckDBPyConnection, encoding_id: str, members: list[Member]) -> list[int]:
    """Works of ``corpus`` in the manifest of each member, in one pass over the codes."""
    if not members:
        return []
    columns = ", ".join(
        f"count(*) FILTER ({seen_by_any([(member.index, withdrawals_applied_through(member))])})" for member in members
    )
    row = connection.execute(
        f"SELECT {columns} FROM encoded_work WHERE encoding_id = ? AND asset_id IN (SELECT id FROM corpus)",  # noqa: S608 - numbers
        [encoding_id],
    ).fetchall()[0]
    return [int(count) for count in row]


def _opt_outs(
    connection: duckdb.DuckDBPyConnection,
    member: Member,
    serves: bool,
    registered: int | None,
    works: int,
) -> MemberOptOuts:
    withdrawn, since, before, unknown = connection.execute(
        """
        SELECT count(*) FILTER (permission = 'withdrawn'), count(*) FILTER (permission = 'prohibited' AND NOT forbidden),
            count(*) FILTER (permission = 'prohibited' AND forbidden),
            count(*) FILTER (permission = 'prohibited' AND forbidden IS NULL)
        FROM opted_out JOIN member_work USING (asset_id)
        LEFT JOIN (
            SELECT asset_id AS told_id, forbidden FROM prohibited_span
            WHERE $sequence >= since AND $sequence < until AND doubted_until <= $sequence
        ) ON told_id = asset_id
        WHERE member_id = $member
        """,
        {"sequence": registered, "member": member.id},
    ).fetchall()[0]
    return MemberOptOuts(
        member=member.id,
        index=member.index,
        generation=member.generation,
        serves=serves,
        works=works,
        withdrawn_since=withdrawn,
        prohibited_since=since,
        prohibited_before=before,
        prohibited_when_unknown=unknown,
    )


OPT_OUTS = """
    SELECT ensemble_id, member_id, member_index, generation, opted_out.asset_id AS asset_id, asset.sha256 AS sha256,
        asset.path AS path, rightsholder.name AS rightsholder, opted_out.permission AS permission_now,
        CASE WHEN opted_out.permission = 'withdrawn' OR NOT forbidden THEN 'since the member was trained'
            WHEN forbidden THEN 'before the member was trained' ELSE 'not known' END AS opted_out_when
    FROM exposure JOIN opted_out USING (asset_id) JOIN asset ON asset.id = opted_out.asset_id
    LEFT JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
    LEFT JOIN (
        SELECT subject[8:] AS registered_id, max(sequence) AS registered FROM event WHERE kind = 'member registered' GROUP BY 1
    ) ON registered_id = member_id
    LEFT JOIN prohibited_span ON prohibited_span.asset_id = opted_out.asset_id
        AND registered >= prohibited_span.since AND registered < prohibited_span.until AND doubted_until <= registered
    WHERE newest ORDER BY ensemble_id, member_index, opted_out.asset_id
"""
"""A row per member of the newest generation and work that it saw and that is forbidden now."""
