"""Reviews: decisions made here about training on works, rightsholders, licences or data sets.

    record_review(registry, "licence", [3], Permission.PROHIBITED, "house policy 4", now=now)

A review outweighs declarations about its subject, see :mod:`registry.permissions.rule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import NotFoundError, UsageError
from registry.event_log.events import LISTED, Change, changing
from registry.permissions.derived_columns import recompute_permissions
from registry.permissions.rule import CURRENT_REVIEWS, Permission
from registry.storage.database import Registry
from registry.storage.results import records
from registry.storage.selection import selected_works
from registry.text import stated_reason, stated_text

DECISIONS = (Permission.PERMITTED, Permission.CONSTRAINED, Permission.PROHIBITED)
"""Permissions that a review can give."""

_TABLES = {"asset": "asset", "rightsholder": "rightsholder", "licence": "licence", "data set": "data_set"}
SCOPES = tuple(_TABLES)

# Works by scope of a review. Rightsholders after the first are in a table of their own, and earlier
# declarations count beside the newest one.
_REACH = {
    "asset": "SELECT id FROM asset WHERE id IN (SELECT subject_id FROM subjects)",
    "rightsholder": (
        "SELECT id FROM asset WHERE rightsholder_id IN (SELECT subject_id FROM subjects) UNION "
        "SELECT asset_id FROM (SELECT asset_id, rightsholder_id FROM co_rightsholder UNION ALL "
        "SELECT asset_id, rightsholder_id FROM asset_rights) JOIN effective_rightsholder AS stated "
        "ON stated.id = rightsholder_id WHERE effective_id IN (SELECT subject_id FROM subjects)"
    ),
    "licence": (
        "SELECT DISTINCT asset_id AS id FROM asset_rights WHERE licence_id IN (SELECT same.id FROM subjects "
        "JOIN licence ON licence.id = subject_id JOIN licence AS same ON same.id = licence.id OR same.spdx = licence.spdx)"
    ),
    "data set": "SELECT id FROM asset WHERE data_set_id IN (SELECT subject_id FROM subjects)",
}


@dataclass(frozen=True)
class ReviewReport:
    """The result of a review."""

    reviews: int
    """Reviews that were recorded. A repeated decision is not recorded again."""
    works: int
    """Works that it concerns."""
    permissions_changed: int


def record_review(
    registry: Registry,
    scope: str,
    subject_ids: Sequence[int] | NDArray[np.int64],
    permission: Permission | None,
    reason: str,
    *,
    condition: str | None = None,
    evidence: str | None = None,
    now: datetime,
) -> ReviewReport:
    """Decide whether works may be trained on, or take such a decision back.

    Args:
        registry: where it is recorded.
        scope: ``asset``, ``rightsholder``, ``licence`` or ``data set``.
        subject_ids: ids of the subjects. For a merged rightsholder, the review is recorded for the
            record that counts, and reviews of records merged into it are taken back.
        permission: one of :data:`DECISIONS`; None takes earlier decisions back.
        reason: in one line.
        condition: required for a constrained use, and for no other.
        evidence: such as the number of a contract.
        now: the time to record.

    Raises:
        UsageError: the decision is not possible, or there is none to take back.
        NotFoundError: a subject is not registered.
    """
    if scope not in SCOPES:
        raise UsageError(f"got a review of a {scope!r}, expected one of {', '.join(SCOPES)}")
    if permission is not None and permission not in DECISIONS:
        raise UsageError(f"got the decision {permission}, expected {', '.join(DECISIONS)}, or None to take one back")
    values = {
        "permission": None if permission is None else str(permission),
        "condition": stated_text(condition, "condition"),
        "reason": stated_reason(reason),
        "evidence": stated_text(evidence, "evidence"),
    }
    if (permission is Permission.CONSTRAINED) != (values["condition"] is not None):
        raise UsageError(
            "--condition is required with the permission 'constrained' and not allowed with any other; add or remove it"
        )
    with changing(registry, now) as change:
        subjects_of(change.connection, scope, subject_ids)
        taken_back, changed = _changed(change.connection, scope, values)
        reach = change.connection.execute(_REACH[scope]).fetchnumpy()["id"]
        if not len(changed) + len(taken_back):
            if permission is None:
                raise UsageError(f"there is no review of this {scope} to take back")
            return ReviewReport(0, len(reach), 0)
        before = _current(change.connection, scope, [*taken_back, *changed])
        _insert(change, scope, taken_back, {**dict.fromkeys(values), "reason": "its record was merged; reviewed anew"})
        _insert(change, scope, changed, values)
        with selected_works(change.connection, reach):
            permissions_changed = recompute_permissions(change)
        subject = f"{scope} {changed[0]}" if len(changed) == 1 else f"{len(changed)} of scope {scope}"
        change.record(
            "rights reviewed",
            subject,
            before=before or None,
            after={**values, "scope": scope, "subjects": listed(changed), "works": len(reach)},
        )
    return ReviewReport(len(changed) + len(taken_back), len(reach), permissions_changed)


def subjects_of(connection: duckdb.DuckDBPyConnection, scope: str, ids: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """Effective ids of these subjects, ascending; they become the relation ``subjects``."""
    asked = np.unique(np.asarray(ids, np.int64))
    connection.register("subjects", pa.table({"subject_id": asked}))
    table = "effective_rightsholder" if scope == "rightsholder" else _TABLES[scope]
    counting = "effective_id" if scope == "rightsholder" else "id"
    rows = connection.execute(
        f"SELECT id, {counting} FROM {table} JOIN subjects ON id = subject_id"  # noqa: S608 - names above
    ).fetchall()
    missing = sorted(set(asked.tolist()) - {number for number, _ in rows})
    if missing or not rows:
        raise NotFoundError(f"no {scope} with the id {missing[0]}" if missing else f"got no {scope}; name at least one")
    found = sorted({int(number) for _, number in rows})
    connection.register("subjects", pa.table({"subject_id": pa.array(found, pa.int64())}))
    return found


def _changed(
    connection: duckdb.DuckDBPyConnection, scope: str, values: dict[str, str | None]
) -> tuple[list[int], list[int]]:
    """Merged records with a review to take back, and subjects for which the decision is new."""
    merged = []
    if scope == "rightsholder":
        merged = connection.execute(
            f"SELECT rightsholder.id FROM ({CURRENT_REVIEWS}) AS current_review "  # noqa: S608 - a constant
            "JOIN rightsholder ON rightsholder.id = current_review.subject_id "
            "WHERE scope = 'rightsholder' AND permission IS NOT NULL "
            "AND merged_into IN (SELECT subject_id FROM subjects) ORDER BY 1"
        ).fetchall()
    if scope == "licence":
        joined = (
            "JOIN licence ON licence.id = subjects.subject_id LEFT JOIN current_reviews AS known ON "
            "known.family = coalesce(licence.spdx, 'reference ' || licence.reference)"
        )
    else:
        joined = "LEFT JOIN current_reviews AS known ON known.subject_id = subjects.subject_id"
    same = " AND ".join(f"known.{name} IS NOT DISTINCT FROM ?" for name in values)
    compared = [*values.values()]
    if values["permission"] is None:
        same, compared = "known.permission IS NULL", []
    rows = connection.execute(
        f"WITH current_reviews AS (SELECT * FROM ({CURRENT_REVIEWS}) WHERE scope = ?) "  # noqa: S608 - constants
        f"SELECT subjects.subject_id FROM subjects {joined} WHERE NOT coalesce({same}, false) ORDER BY 1",
        [scope, *compared],
    ).fetchall()
    return [int(number) for (number,) in merged], [int(number) for (number,) in rows]


def _current(connection: duckdb.DuckDBPyConnection, scope: str, subjects: Sequence[int]) -> list[dict[str, Any]]:
    found = connection.execute(
        f"SELECT subject_id AS subject, permission, condition, reason, evidence FROM ({CURRENT_REVIEWS}) "  # noqa: S608 - a constant
        "WHERE scope = ? AND permission IS NOT NULL AND list_contains(?, subject_id) ORDER BY subject_id LIMIT ?",
        [scope, list(subjects), LISTED],
    )
    return records(found)


def _insert(change: Change, scope: str, subjects: Sequence[int], values: dict[str, str | None]) -> None:
    change.connection.register("reviewed", pa.table({"reviewed_id": pa.array(subjects, pa.int64())}))
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    change.connection.execute(
        f"INSERT INTO review (id, scope, subject_id, {names}, recorded_by, recorded_at) "  # noqa: S608 - names above
        f"SELECT ? + row_number() OVER (ORDER BY reviewed_id) - 1, ?, reviewed_id, {marks}, ?, ? FROM reviewed "
        "ORDER BY reviewed_id",
        [change.next_id("review"), scope, *values.values(), change.actor, change.now],
    )


def listed(ids: Sequence[int] | NDArray[np.int64]) -> list[int] | None:
    """The ids for an event; None if there are too many. The rows themselves are sealed."""
    return [int(number) for number in ids] if len(ids) <= LISTED else None
