"""Files that turn up for works that a list had registered without a file.

Rows are never rewritten, so the file is a new work. The listed work is marked as missing, and an
event names the work that replaces it. Rights, reviews, claims and withdrawals of the listed work
are copied to the new one: a withdrawal must not be lost because a file was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import duckdb
import pyarrow as pa

from registry.event_log.events import Change
from registry.ingest.findings import KEPT, Finding
from registry.ingest.store.captions import store_captions
from registry.ingest.store.contradictions import OWNERS, OWNERS_OF_ROWS, append_further, conflicts_among
from registry.permissions.derived_columns import recompute
from registry.works.identity import identity_of


def supersede_listed(change: Change, works: Mapping[str, int]) -> list[tuple[int, int]]:
    """Mark works listed with these hashes as superseded by the works (ids) with the files.

    Call it in the transaction that registers the files, after their declarations were recorded: the
    list's declarations are further ones where the new source states its own.

    Returns:
        Ids of the former and the new work, by the former.
    """
    connection = change.connection
    listed = sorted(works)
    found = {
        "new_sha256": pa.array(listed, pa.string()),
        "new_identity": pa.array(map(identity_of, listed), pa.uint64()),
        "new_id": pa.array([works[sha256] for sha256 in listed], pa.int64()),
    }
    connection.register("found_files", pa.table(found))
    pairs = connection.execute(
        # Materialised: DuckDB cannot push bounds above 2**63 of a join into an Arrow table.
        "WITH found AS MATERIALIZED (FROM found_files) "
        "SELECT id AS old_id, new_id FROM found JOIN asset ON identity = new_identity AND sha256 = new_sha256 "
        "WHERE byte_size IS NULL AND missing_since IS NULL AND id <> new_id ORDER BY id"
    ).to_arrow_table()
    connection.unregister("found_files")
    if not pairs.num_rows:
        return []
    connection.register("superseded", pairs)
    connection.execute("UPDATE asset SET missing_since = ? FROM superseded WHERE id = old_id", [change.now])
    for table, statement in _TAKEN_OVER.items():
        numbers = [change.next_id(table)]
        if table == "co_rightsholder":
            numbers.append(change.next_id("asset_rights"))
        connection.execute(statement, numbers)
    connection.unregister("superseded")
    _declare_further(change, pairs)
    _take_over_captions(change, pairs)
    recompute(change, [*pairs.column("old_id").to_pylist(), *pairs.column("new_id").to_pylist()])
    ids = list(zip(pairs.column("old_id").to_pylist(), pairs.column("new_id").to_pylist(), strict=True))
    change.record(
        "works superseded", f"{len(ids)} works that were listed without a file", after=[list(pair) for pair in ids]
    )
    return ids


def _declare_further(change: Change, pairs: pa.Table) -> None:
    """Record what the list declared beside what is declared for the file."""
    connection = change.connection
    connection.register("superseded", pairs)
    stated = connection.execute(
        "SELECT new_id AS asset_id, stated.id AS row_number, stated.rightsholder_id, licence_id, title, creator, source_url, "  # noqa: S608 - constants
        f"attributes, recorded_from, {OWNERS} AS owners FROM superseded "
        f"JOIN asset_rights AS stated ON stated.asset_id = old_id AND basis <> 'verified' {OWNERS_OF_ROWS}"
    ).to_arrow_table()
    connection.unregister("superseded")
    if not stated.num_rows:
        return
    recorded = append_further(change, stated)
    connection.register("recorded_rows", recorded)
    connection.execute(
        "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share) "
        "SELECT ? + row_number() OVER (ORDER BY recorded_rows.id, position) - 1, recorded_rows.id, recorded_rows.asset_id, "
        "position, shared.rightsholder_id, role, share FROM recorded_rows JOIN co_rightsholder AS shared "
        "ON rights_id = row_number",
        [change.next_id("co_rightsholder")],
    )
    connection.unregister("recorded_rows")


def _take_over_captions(change: Change, pairs: pa.Table) -> None:
    """Record the captions of the listed works where nothing is stated for their files."""
    change.connection.register("superseded", pairs)
    stated = change.connection.execute(
        "SELECT new_id AS asset_id, said.id AS row_number, said.text AS caption, said.source AS caption_source, "
        "said.recorded_from AS recorded_from FROM superseded JOIN asset ON asset.id = old_id "
        "JOIN caption AS said ON said.id = asset.caption_id AND said.asset_id = asset.id"
    ).to_arrow_table()
    change.connection.unregister("superseded")
    none = stated.slice(0, 0)
    store_captions(change, none, none, stated)


def conflicts_with_listed(
    connection: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[int, int]], place: Callable[[int], str]
) -> tuple[Finding, ...]:
    """The files that are declared otherwise than the listed works (former and new id) were.

    ``place`` gives the path of a file, by its work.
    """
    if not pairs:
        return ()
    connection.register("superseded", _table(pairs))
    found = connection.execute(
        "SELECT new_id AS asset_id, new_id AS row_number, said.rightsholder_id, said.licence_id, former.id AS last_id, "
        "former.rightsholder_id AS former_rightsholder_id, former.licence_id AS former_licence_id FROM superseded "
        "JOIN asset ON asset.id = old_id JOIN asset_rights AS former ON former.id = asset.declared_id "
        "JOIN asset_rights AS said ON said.asset_id = new_id AND said.basis = 'declared' "
        "QUALIFY row_number() OVER (PARTITION BY new_id, old_id ORDER BY said.id DESC) = 1"
    ).to_arrow_table()
    connection.unregister("superseded")
    return conflicts_among(connection, found, place, KEPT).findings


def take_over_signals(change: Change, pairs: Sequence[tuple[int, int]]) -> int:
    """Copy site policies' signals from listed works to their files; returns how many.

    ``pairs``: former and new id. The file has no address if only the list knew one. Call it after
    the policies were applied to the new works, so that nothing is copied twice.
    """
    if not pairs:
        return 0
    change.connection.register("superseded", _table(pairs))
    rows = change.connection.execute(
        """
        INSERT INTO rights_signal (id, asset_id, protocol, category, use, condition, raw, found_in, policy_id, seen_at)
        SELECT ? + row_number() OVER (ORDER BY former.id) - 1, new_id, protocol, category, use, condition, raw, found_in,
            policy_id, seen_at
        FROM superseded JOIN rights_signal AS former ON asset_id = old_id
        WHERE policy_id IS NOT NULL AND NOT EXISTS (
            FROM rights_signal AS said WHERE said.asset_id = new_id AND said.policy_id = former.policy_id
        )
        ORDER BY former.id
        """,
        [change.next_id("rights_signal")],
    ).fetchall()
    change.connection.unregister("superseded")
    return int(rows[0][0])


def _table(pairs: Sequence[tuple[int, int]]) -> pa.Table:
    return pa.table({"old_id": pa.array([old for old, _ in pairs]), "new_id": pa.array([new for _, new in pairs])})


_RIGHTS = "rightsholder_id, licence_id, title, creator, source_url, attributes, recorded_from, recorded_by, recorded_at"

_STATEMENTS = {
    "co_rightsholder": """
        INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share)
        SELECT ? + row_number() OVER (ORDER BY rights.place, position) - 1,
            ? + rights.place, new_id, position,
            further.rightsholder_id, role, share
        FROM ({rights}) AS rights JOIN co_rightsholder AS further ON further.rights_id = rights.id
    """,
    "asset_rights": f"""
        INSERT INTO asset_rights (id, asset_id, basis, {_RIGHTS})
        SELECT ? + place, new_id, basis, {_RIGHTS} FROM ({{rights}}) ORDER BY place
    """,  # noqa: S608 - constants
    "review": """
        INSERT INTO review (id, scope, subject_id, permission, condition, reason, evidence, recorded_by, recorded_at)
        SELECT ? + row_number() OVER (ORDER BY review.id) - 1, scope, new_id, permission, condition, reason, evidence,
            recorded_by, recorded_at
        FROM superseded JOIN review ON scope = 'asset' AND subject_id = old_id ORDER BY review.id
    """,
    "claim_work": """
        INSERT INTO claim_work (id, claim_id, asset_id, matched_by, distance)
        SELECT ? + row_number() OVER (ORDER BY claim_work.id) - 1, claim_id, new_id, 'sha256', NULL
        FROM superseded JOIN claim_work ON asset_id = old_id ORDER BY claim_work.id
    """,
    "withdrawal_work": """
        INSERT INTO withdrawal_work (id, withdrawal_id, asset_id)
        SELECT ? + row_number() OVER (ORDER BY withdrawal_work.id) - 1, withdrawal_id, new_id
        FROM superseded JOIN withdrawal_work ON asset_id = old_id ORDER BY withdrawal_work.id
    """,
}
# Verified rights are copied in any case, declared ones where nothing is declared for the file.
_RIGHTS_OF_FORMER = f"""
    SELECT stated.id, basis, {_RIGHTS}, new_id, row_number() OVER (ORDER BY stated.id) - 1 AS place
    FROM superseded JOIN asset_rights AS stated ON stated.asset_id = old_id
    WHERE stated.id = (SELECT verified_id FROM asset WHERE asset.id = old_id) OR (
        basis <> 'verified' AND new_id NOT IN (SELECT asset_id FROM asset_rights WHERE basis = 'declared')
    )
"""  # noqa: S608 - constants
_TAKEN_OVER = {table: statement.replace("{rights}", _RIGHTS_OF_FORMER) for table, statement in _STATEMENTS.items()}
