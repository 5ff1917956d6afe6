"""Withdrawing works: every model that saw them is out of service once the withdrawal is recorded.

A withdrawal covers one work, or all works of a rightsholder, later ones included. It is never
revoked: a withdrawn work stays withdrawn. The rows show the members that remain in service, see
:mod:`registry.members.serving`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from registry.errors import InputError, NotFoundError, UsageError
from registry.event_log.events import Change, changing
from registry.permissions.derived_columns import recompute
from registry.storage.current_rights import works_shared_by
from registry.storage.database import Registry
from registry.withdrawals.impact import Impact, impacts_of

LONGEST_REASON = 2000
MOST_WORKS = 100_000
"""Works that one call can name; a rightsholder can have any number."""

WORKS_OF_RIGHTSHOLDER = f"""
    SELECT asset.id AS work_id FROM asset WHERE asset.rightsholder_id = $rightsholder
    UNION SELECT work_id FROM ({works_shared_by("$rightsholder")})
"""  # noqa: S608 - constants
"""SQL for the works that a rightsholder owns or has a share in now."""


def works_of_rightsholder(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> list[int]:
    """Ids of the works that a rightsholder owns or has a share in now, ascending."""
    rows = connection.execute(f"{WORKS_OF_RIGHTSHOLDER} ORDER BY work_id", {"rightsholder": rightsholder_id}).fetchall()
    return [int(asset) for (asset,) in rows]


@dataclass(frozen=True)
class WithdrawalReport:
    """The record of a withdrawal, and its consequences."""

    withdrawal_ids: tuple[int, ...]
    """Empty if everything was withdrawn before: then nothing is recorded."""
    newly_withdrawn: tuple[int, ...]
    """Ids of the works that were not withdrawn before."""
    works: tuple[int, ...]
    """Ids of all works asked for, ascending."""
    impacts: tuple[Impact, ...]
    new: bool
    """Whether there was anything to record."""


def withdraw(
    registry: Registry,
    *,
    asset_ids: Sequence[int] = (),
    rightsholder_id: int | None = None,
    reason: str,
    now: datetime,
) -> WithdrawalReport:
    """Withdraw works, or all works of a rightsholder; earlier withdrawals stay as they are.

    Raises:
        UsageError: neither works nor a rightsholder is given, or both, or too many works.
        InputError: the reason is empty or too long.
        NotFoundError: no such work or rightsholder.
    """
    reason = checked_reason(reason)
    with changing(registry, now) as change:
        request = _request(change.connection, asset_ids, rightsholder_id)
        numbers = _record_request(change, request, reason)
    return _report(registry, request, numbers)


def preview(
    registry: Registry, *, asset_ids: Sequence[int] = (), rightsholder_id: int | None = None
) -> WithdrawalReport:
    """What :func:`withdraw` would answer, without ids of withdrawals. Nothing is recorded.

    Raises:
        UsageError: neither works nor a rightsholder is given, or both, or too many works.
        NotFoundError: no such work or rightsholder.
    """
    with registry.connection() as connection:
        request = _request(connection, asset_ids, rightsholder_id)
    return _report(registry, request, ())


@dataclass(frozen=True)
class _Request:
    """The works that a withdrawal is about."""

    works: tuple[int, ...]
    """All of them, ascending."""
    fresh: tuple[int, ...]
    """Those that no withdrawal covers yet."""
    rightsholder_id: int | None
    known: bool
    """Whether the rightsholder was withdrawn before."""

    @property
    def new(self) -> bool:
        """Whether there is something to record: a rightsholder may have no works yet."""
        return bool(self.fresh) or (self.rightsholder_id is not None and not self.known)


def _report(registry: Registry, request: _Request, withdrawal_ids: Sequence[int]) -> WithdrawalReport:
    impacts = impacts_of(registry, request.works, request.fresh)
    return WithdrawalReport(tuple(withdrawal_ids), request.fresh, request.works, tuple(impacts), request.new)


def _request(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int], rightsholder_id: int | None) -> _Request:
    if bool(asset_ids) == (rightsholder_id is not None):
        raise UsageError("expected either works or a rightsholder to withdraw, not both")
    if len(asset_ids) > MOST_WORKS:
        raise UsageError(f"got {len(asset_ids):,} works, at most {MOST_WORKS:,} at once; withdraw them in parts")
    holder, known = None, False
    if rightsholder_id is not None:
        holder = _counted_rightsholder(connection, rightsholder_id)
        works = _works_of(connection, holder)
        known = bool(
            connection.execute(
                "SELECT 1 FROM withdrawal JOIN effective_rightsholder AS stated ON stated.id = subject_id "
                "WHERE scope = 'rightsholder' AND effective_id = ? LIMIT 1",
                [holder],
            ).fetchone()
        )
    else:
        asked = sorted(set(asset_ids))
        covered, fresh = _split(connection, asked)
        missing = sorted(set(asked) - set(covered) - set(fresh))
        if missing:
            raise NotFoundError(f"no work {missing[0]}; `creditline works` lists them")
        works = _with_same_content(connection, asked)
    _, fresh = _split(connection, works)
    return _Request(tuple(works), tuple(fresh), holder, known)


def _record_request(change: Change, request: _Request, reason: str) -> list[int]:
    if not request.new:
        return []
    named, holder = len(request.works), request.rightsholder_id
    if holder is None:
        return _record(change, "asset", request.fresh, {work: work for work in request.fresh}, reason, named=named)
    return _record(change, "rightsholder", [holder], dict.fromkeys(request.fresh, holder), reason, named=named)


def cover_later_works(registry: Registry, now: datetime) -> int:
    """Withdraw works that came after the withdrawal of their rightsholder; returns how many.

    New withdrawals cover them: a manifest names the last withdrawal applied before training, so
    works added to an earlier withdrawal would count as left out of trainings that saw them.
    """
    found = 0
    with changing(registry, now) as change:
        for holder, reason, fresh in _later_works(change.connection):
            later = f"{reason} (works that came later)"
            _record(change, "rightsholder", [holder], dict.fromkeys(fresh, holder), later, named=len(fresh))
            found += len(fresh)
    return found


def has_later_works(registry: Registry) -> bool:
    """Whether :func:`cover_later_works` has works to withdraw."""
    with registry.connection() as connection:
        return any(True for _ in _later_works(connection))


def _later_works(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, str, list[int]]]:
    """Each withdrawn rightsholder with works that no withdrawal covers yet: id, reason, works.

    A work of two rightsholders comes once, if it is withdrawn before the next row is asked for.
    """
    holders = connection.execute(
        "SELECT effective_id, arg_min(reason, withdrawal.id) FROM withdrawal JOIN effective_rightsholder AS stated "
        "ON stated.id = subject_id WHERE scope = 'rightsholder' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    for holder, reason in holders:
        _, fresh = _split(connection, _works_of(connection, int(holder)))
        if fresh:
            yield int(holder), str(reason), fresh


def list_withdrawals(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All withdrawals in order of recording, each with its subject and number of works."""
    rows: list[dict[str, Any]] = (
        connection.execute(
            "SELECT withdrawal.id AS id, scope, subject_id, "
            "CASE scope WHEN 'asset' THEN coalesce(asset.sha256, asset.url, asset.path) ELSE rightsholder.name END AS subject, "
            "coalesce(works, 0) AS works, reason, recorded_by, recorded_at FROM withdrawal "
            "LEFT JOIN asset ON scope = 'asset' AND asset.id = subject_id "
            "LEFT JOIN rightsholder ON scope = 'rightsholder' AND rightsholder.id = subject_id "
            "LEFT JOIN (SELECT withdrawal_id, count(*) AS works FROM withdrawal_work GROUP BY 1) "
            "ON withdrawal_id = withdrawal.id ORDER BY withdrawal.id"
        )
        .to_arrow_table()
        .to_pylist()
    )
    return rows


def _record(
    change: Change, scope: str, subjects: Sequence[int], subject_of_work: Mapping[int, int], reason: str, *, named: int
) -> list[int]:
    """Record one withdrawal per subject, with its works; returns the withdrawals' ids.

    ``named``: how many works the request is about, including those withdrawn before.
    """
    connection = change.connection
    first = change.next_id("withdrawal")
    numbers = {subject: first + place for place, subject in enumerate(subjects)}
    works = sorted(subject_of_work)
    withdrawals = pa.table(
        {"number": pa.array(numbers.values(), pa.int64()), "subject": pa.array(subjects, pa.int64())}
    )
    covered = pa.table(
        {
            "work": pa.array(works, pa.int64()),
            "number": pa.array([numbers[subject_of_work[work]] for work in works], pa.int64()),
        }
    )
    connection.register("withdrawn_now", withdrawals)
    connection.execute(
        "INSERT INTO withdrawal (id, scope, subject_id, reason, recorded_by, recorded_at) "
        "SELECT number, ?, subject, ?, ?, ? FROM withdrawn_now ORDER BY number",
        [scope, reason, change.actor, change.now],
    )
    connection.register("covered_now", covered)
    connection.execute(
        "INSERT INTO withdrawal_work (id, withdrawal_id, asset_id) "
        "SELECT ? + row_number() OVER (ORDER BY number, work) - 1, number, work FROM covered_now ORDER BY number, work",
        [change.next_id("withdrawal_work")],
    )
    connection.unregister("withdrawn_now")
    connection.unregister("covered_now")
    recompute(change, np.array(works, dtype=np.int64))
    counts = Counter(subject_of_work.values())
    for subject, number in numbers.items():
        after = {"withdrawal": number, "reason": reason, "works": counts[subject], "named": named}
        change.record("withdrawn", f"{scope} {subject}", after=after)
    return list(numbers.values())


def _with_same_content(connection: duckdb.DuckDBPyConnection, asset_ids: list[int]) -> list[int]:
    """These works and all with the same bytes: a listed work, and the file that took its place."""
    connection.register("named", pa.table({"named_id": pa.array(asset_ids, pa.int64())}))
    rows = connection.execute(
        "SELECT named_id FROM named UNION SELECT other.id FROM named JOIN asset ON asset.id = named_id "
        "JOIN asset AS other ON other.identity = asset.identity AND other.sha256 = asset.sha256 ORDER BY 1"
    ).fetchall()
    connection.unregister("named")
    return [int(number) for (number,) in rows]


def _works_of(connection: duckdb.DuckDBPyConnection, holder: int) -> list[int]:
    rows = connection.execute(WORKS_OF_RIGHTSHOLDER, {"rightsholder": holder}).fetchall()
    # Also the file of a listed work of theirs, if it was registered under another name.
    return _with_same_content(connection, [int(work) for (work,) in rows])


def _split(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """The ids of these works that a withdrawal covers, and of those that none covers."""
    connection.register("named", pa.table({"named_id": pa.array(asset_ids, pa.int64())}))
    rows = connection.execute(
        "SELECT id, id IN (SELECT asset_id FROM withdrawal_work) FROM asset SEMI JOIN named ON id = named_id ORDER BY id"
    ).fetchall()
    connection.unregister("named")
    return [int(work) for work, covered in rows if covered], [int(work) for work, covered in rows if not covered]


def _counted_rightsholder(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> int:
    row = connection.execute(
        "SELECT effective_id FROM effective_rightsholder WHERE id = ?", [rightsholder_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no rightsholder #{rightsholder_id}; `creditline rightsholders` lists them")
    return int(row[0])


def checked_reason(text: str) -> str:
    """The reason of a withdrawal, without line breaks. Raises InputError if empty or too long."""
    reason = " ".join(text.replace("\0", " ").split())
    if not reason or len(reason) > LONGEST_REASON:
        raise InputError(
            f"a withdrawal needs a reason of at most {LONGEST_REASON:,} characters, got {len(reason):,}: "
            "give one, such as --reason 'letter of 3 May'"
        )
    return reason
