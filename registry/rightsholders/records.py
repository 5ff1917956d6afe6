"""Records of rightsholders: describing one, and merging two records of one rightsholder.

Nothing is overwritten. A description is a newer row, and a merge keeps all statements about both
records. ``rightsholder.merged_into`` names the record that counts, which was never merged itself,
so one step leads from any record to the one that counts:

    merge_rightsholders(registry, merged=4, into=2, reason="same studio, see contract 17", now=now)
    current_rightsholder_ids(connection, [4])      # [2]

A later table with the name of a merged record leads to the record that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import InputError, NotFoundError, UsageError
from registry.event_log.events import Change, changing
from registry.permissions.derived_columns import recompute
from registry.rightsholders.identifiers import Identifier
from registry.rightsholders.names import rightsholder_ids
from registry.rightsholders.no_names import stated_rightsholder
from registry.storage.database import Registry
from registry.storage.tables import RightsholderDetails, RightsholderIdentifier, RightsholderMerge
from registry.text import stated_reason, stated_text

KINDS = ("person", "organisation", "collective", "estate", "other")


class Keep(Enum):
    """Leaves a field of a description as it is."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True)
class Details:
    """The present description of a rightsholder."""

    kind: str | None = None
    contact: str | None = None
    represented_by: int | None = None
    """The agent's record that counts."""
    note: str | None = None


@dataclass(frozen=True)
class Merged:
    """The result of a merge."""

    merged_id: int
    into_id: int
    works: int
    """Works of the merged record."""
    permissions_changed: int


def current_rightsholder_ids(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each id, the id of the record that counts, in their order.

    Raises:
        NotFoundError: there is no such record.
    """
    asked = np.asarray(ids, dtype=np.int64)
    connection.register("asked", pa.table({"asked_id": pa.array(np.unique(asked), pa.int64())}))
    rows = connection.execute(
        "SELECT id, effective_id FROM asked JOIN effective_rightsholder ON id = asked_id ORDER BY id"
    ).to_arrow_table()
    connection.unregister("asked")
    known, effective = rows["id"].to_numpy(), rows["effective_id"].to_numpy()
    if missing := np.setdiff1d(asked, known).tolist():
        raise NotFoundError(f"no rightsholder #{missing[0]}; `creditline rightsholders` lists them")
    found: NDArray[np.int64] = effective[np.searchsorted(known, asked)].astype(np.int64)
    return found


def details_of(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> Details:
    """The newest description of a rightsholder; most have none."""
    row = connection.execute(
        "SELECT details.kind, contact, effective_id, note FROM rightsholder_details AS details "
        "LEFT JOIN effective_rightsholder AS agent ON agent.id = represented_by WHERE rightsholder_id = ? "
        "ORDER BY details.id DESC LIMIT 1",
        [rightsholder_id],
    ).fetchone()
    return Details(*row) if row else Details()


def identifiers_of(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> list[Identifier]:
    """The identifiers of a rightsholder and of the records merged into it, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT scheme, value FROM rightsholder_identifier "
        "JOIN effective_rightsholder AS stated ON stated.id = rightsholder_id "
        "WHERE effective_id = ? ORDER BY scheme, value",
        [rightsholder_id],
    ).fetchall()
    return [Identifier(*row) for row in rows]


def others_with(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> list[tuple[Identifier, int]]:
    """Identifiers shared with another rightsholder, each with its id: perhaps one and the same."""
    rows = connection.execute(
        "WITH known AS (SELECT DISTINCT scheme, value, effective_id "
        "FROM rightsholder_identifier JOIN effective_rightsholder AS stated ON stated.id = rightsholder_id) "
        "SELECT mine.scheme, mine.value, other.effective_id FROM known AS mine JOIN known AS other USING (scheme, value) "
        "WHERE mine.effective_id = ? AND other.effective_id <> mine.effective_id ORDER BY ALL",
        [rightsholder_id],
    ).fetchall()
    return [(Identifier(scheme, value), int(other)) for scheme, value, other in rows]


def add_rightsholder(registry: Registry, name: str, now: datetime) -> int:
    """The record of a name, made if there is none, for rightsholders without works too.

    Raises:
        InputError: no name, or one that cannot be kept.
    """
    stated = stated_rightsholder(name, "rightsholder's name")
    with changing(registry, now) as change:
        first = change.next_id("rightsholder")
        number = rightsholder_ids(change, [stated])[stated]
        if number >= first:
            change.record("rightsholder added", f"rightsholder {number}", after={"name": stated})
        return int(current_rightsholder_ids(change.connection, [number])[0])


def describe_rightsholder(
    registry: Registry,
    rightsholder_id: int,
    *,
    now: datetime,
    kind: str | Keep | None = KEEP,
    contact: str | Keep | None = KEEP,
    represented_by: int | Keep | None = KEEP,
    note: str | Keep | None = KEEP,
    identifiers: Sequence[Identifier] = (),
) -> bool:
    """Record a description of a rightsholder; KEEP leaves a field, None removes it.

    Returns:
        Whether anything is new: a repeated description adds nothing.

    Raises:
        NotFoundError: no such rightsholder.
        InputError: a kind outside KINDS, or a text that cannot be kept.
        UsageError: it would represent itself, directly or through others.
    """
    if isinstance(kind, str) and kind not in KINDS:
        raise InputError(f"the kind {kind[:50]!r} is not one of {', '.join(KINDS)}")
    with changing(registry, now) as change:
        (current,) = current_rightsholder_ids(change.connection, [rightsholder_id]).tolist()
        before = details_of(change.connection, current)
        if isinstance(represented_by, int):
            (represented_by,) = current_rightsholder_ids(change.connection, [represented_by]).tolist()
        after = Details(
            kind=before.kind if isinstance(kind, Keep) else kind,
            contact=before.contact if isinstance(contact, Keep) else stated_text(contact, "contact", lines=True),
            represented_by=before.represented_by if isinstance(represented_by, Keep) else represented_by,
            note=before.note if isinstance(note, Keep) else stated_text(note, "note", lines=True),
        )
        _append_details(change, current, before, after)
        known = identifiers_of(change.connection, current)
        new = [identifier for identifier in dict.fromkeys(identifiers) if identifier not in known]
        first = change.next_id("rightsholder_identifier")
        for number, identifier in enumerate(new, start=first):
            change.insert(
                RightsholderIdentifier(
                    id=number,
                    rightsholder_id=current,
                    scheme=identifier.scheme,
                    value=identifier.value,
                    recorded_by=change.actor,
                    recorded_at=now,
                )
            )
        if new:
            change.record("rightsholder identified", f"rightsholder {current}", after=[str(each) for each in new])
        return bool(new) or after != before


def merge_rightsholders(registry: Registry, merged: int, into: int, reason: str, now: datetime) -> Merged:
    """Merge two records: works, reviews and withdrawals of ``merged`` become those of ``into``.

    The description of ``into`` takes over the fields that it lacks.

    Raises:
        NotFoundError: no such rightsholder.
        InputError: no reason.
        UsageError: they are one already, or one represents the other.
    """
    why = stated_reason(reason)
    with changing(registry, now) as change:
        connection = change.connection
        merged_id, into_id = current_rightsholder_ids(connection, [merged, into]).tolist()
        if merged_id == into_id:
            raise UsageError(f"rightsholder #{merged} and #{into} are one record already, #{into_id}; nothing to merge")
        known, gaps = details_of(connection, into_id), details_of(connection, merged_id)
        names = dict(
            connection.execute("SELECT id, name FROM rightsholder WHERE id IN (?, ?)", [merged_id, into_id]).fetchall()
        )
        change.insert(
            RightsholderMerge(
                id=change.next_id("rightsholder_merge"),
                merged_id=merged_id,
                into_id=into_id,
                reason=why,
                recorded_by=change.actor,
                recorded_at=now,
            )
        )
        also = connection.execute(
            "UPDATE rightsholder SET merged_into = ? WHERE id = ? OR merged_into = ? RETURNING id",
            [into_id, merged_id, merged_id],
        ).fetchall()
        _append_details(change, into_id, known, _joined(known, gaps, {merged_id, into_id}))
        works = connection.execute(
            "SELECT id FROM asset WHERE rightsholder_id = ? ORDER BY id", [merged_id]
        ).to_arrow_table()["id"]
        stated = connection.execute(
            "SELECT asset_id FROM asset_rights WHERE list_contains(?, rightsholder_id)",
            [[number for (number,) in also]],
        ).to_arrow_table()["asset_id"]
        touched = np.concatenate([works.to_numpy(), stated.to_numpy(), _works_concerned(connection, into_id)])
        changed = recompute(change, touched)
        change.record(
            "rightsholders merged",
            f"rightsholder {into_id}",
            before={"merged": {"id": merged_id, "name": names[merged_id]}, "into": names[into_id]},
            after={
                "reason": why,
                "works": len(works),
                "records": sorted(int(number) for (number,) in also),
                "permissions changed": changed,
            },
        )
    return Merged(merged_id, into_id, len(works), changed)


def _works_concerned(connection: duckdb.DuckDBPyConnection, into_id: int) -> NDArray[np.int64]:
    """Works that reviews and withdrawals of either record concern now, shared works included."""
    (bearing,) = connection.execute(
        "SELECT count(*) FROM (SELECT scope, subject_id FROM review UNION ALL SELECT scope, subject_id FROM withdrawal) "
        "JOIN effective_rightsholder AS stated ON stated.id = subject_id WHERE scope = 'rightsholder' AND effective_id = ?",
        [into_id],
    ).fetchall()[0]
    if not bearing:
        return np.empty(0, np.int64)
    rows = connection.execute(
        "SELECT asset_id AS work_id FROM (SELECT asset_id, rightsholder_id FROM co_rightsholder UNION "
        "SELECT asset_id, rightsholder_id FROM asset_rights) AS named "
        "JOIN effective_rightsholder AS stated ON stated.id = named.rightsholder_id WHERE effective_id = ? "
        "UNION SELECT id FROM asset WHERE rightsholder_id = ?",
        [into_id, into_id],
    ).to_arrow_table()
    concerned: NDArray[np.int64] = rows["work_id"].to_numpy()
    return concerned


def _joined(known: Details, gaps: Details, merged: set[int]) -> Details:
    """A description with its gaps filled from another; an agent that was merged is left out."""
    speakers = [each for each in (known.represented_by, gaps.represented_by) if each is not None and each not in merged]
    return Details(
        known.kind or gaps.kind, known.contact or gaps.contact, next(iter(speakers), None), known.note or gaps.note
    )


def _append_details(change: Change, rightsholder_id: int, before: Details, after: Details) -> None:
    """Append a description if it is new.

    Raises:
        UsageError: the rightsholder would represent itself.
    """
    _check_representation(change.connection, rightsholder_id, after.represented_by)
    if after == before:
        return
    change.insert(
        RightsholderDetails(
            id=change.next_id("rightsholder_details"),
            rightsholder_id=rightsholder_id,
            **_fields(after),
            recorded_by=change.actor,
            recorded_at=change.now,
        )
    )
    change.record(
        "rightsholder described", f"rightsholder {rightsholder_id}", before=_fields(before), after=_fields(after)
    )


def _check_representation(connection: duckdb.DuckDBPyConnection, rightsholder_id: int, speaker: int | None) -> None:
    step, seen = speaker, set[int]()
    while step is not None and step not in seen:
        if step == rightsholder_id:
            raise UsageError(
                f"rightsholder #{rightsholder_id} would be represented by itself, by way of #{speaker}; take the "
                f"representation of #{speaker} back first: `creditline rightsholder set '#{speaker}' --represented-by ''`"
            )
        seen.add(step)
        step = details_of(connection, step).represented_by


def _fields(details: Details) -> dict[str, Any]:
    return dict(vars(details))
