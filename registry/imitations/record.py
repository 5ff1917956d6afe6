"""Imitation audits in the log: one event each, found again by the id of what was asked."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import duckdb

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.event_log.kept_facts import COLUMNS, Kept, kept
from registry.imitations.facts import ImitationFacts
from registry.storage.database import Registry

EVENT = "imitation audited"
_ALL = f"SELECT {', '.join(COLUMNS)} FROM event WHERE kind = ? AND {{}} ORDER BY sequence DESC"  # noqa: S608 - constants
_NEWEST = f"{_ALL} LIMIT 2"

KeptImitation = Kept[ImitationFacts]
"""An imitation audit, and the event that has it."""


def record_imitation(registry: Registry, facts: ImitationFacts, now: datetime.datetime) -> None:
    """Add an audit to the log.

    Raises:
        ReadOnlyRegistryError: the home can only be read.
    """
    with changing(registry, now) as change:
        change.record(EVENT, _subject(facts.id), after=facts.model_dump(mode="json"))


def recorded_imitation(connection: duckdb.DuckDBPyConnection, imitation_id: str) -> KeptImitation | None:
    """The audit with this id, if it is on record.

    Raises:
        IntegrityError: the event is not in creditline's form.
    """
    rows = connection.execute(_NEWEST.format("subject = ?"), [EVENT, _subject(imitation_id)]).fetchall()
    return _kept(rows[0]) if rows else None


def named_imitation(connection: duckdb.DuckDBPyConnection, prefix: str | None) -> KeptImitation:
    """The audit whose id starts with ``prefix``; None: the newest.

    Raises:
        NotFoundError: there is none.
        UsageError: the prefix fits several.
        IntegrityError: the event is not in creditline's form.
    """
    rows = connection.execute(_NEWEST.format("starts_with(subject, ?)"), [EVENT, _subject(prefix or "")]).fetchall()
    if not rows:
        which = "no imitation audit is on record" if prefix is None else f"no imitation audit {prefix!r} is on record"
        raise NotFoundError(f"{which}; `creditline imitate FOLDER` makes one")
    if prefix is not None and len(rows) > 1:
        raise UsageError(f"{prefix!r} is the start of several imitation audits' ids; give more digits")
    return _kept(rows[0])


def imitations_of(
    connection: duckdb.DuckDBPyConnection, rightsholders: set[int]
) -> list[tuple[KeptImitation, list[int]]]:
    """Audits with artists whose compared works are of these records of one rightsholder, newest
    first, each with the places of these artists.

    An event that was edited beyond reading is left out: the check of a document's basis reports it.
    """
    found = []
    for row in connection.execute(_ALL.format("true"), [EVENT]).fetchall():
        try:
            audit = _kept(row)
        except IntegrityError:
            continue
        places = [
            place
            for place, artist in enumerate(audit.facts.artists)
            if rightsholders.intersection(artist.rightsholders)
        ]
        if places:
            found.append((audit, places))
    return found


def _subject(imitation_id: str) -> str:
    return f"imitation {imitation_id}"


def _kept(row: Sequence[Any]) -> KeptImitation:
    return kept(row, ImitationFacts.model_validate, "imitation audit")
