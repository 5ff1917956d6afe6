"""Imitation audits in the log: one event each, found again by the id of what was asked."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

import duckdb
from pydantic import ValidationError

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.imitations.facts import ImitationFacts
from registry.storage.database import Registry

EVENT = "imitation audited"
_NEWEST = (
    "SELECT after, recorded_at, actor, sequence, sha256 FROM event WHERE kind = ? AND {} ORDER BY sequence DESC LIMIT 2"
)


@dataclass(frozen=True)
class KeptImitation:
    """An imitation audit, and the event that has it."""

    facts: ImitationFacts
    made_at: datetime.datetime
    made_by: str
    event: int
    event_sha256: str


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
    rows = connection.execute(
        "SELECT after, recorded_at, actor, sequence, sha256 FROM event WHERE kind = ? ORDER BY sequence DESC", [EVENT]
    ).fetchall()
    found = []
    for row in rows:
        try:
            kept = _kept(row)
        except IntegrityError:
            continue
        places = [
            place for place, artist in enumerate(kept.facts.artists) if rightsholders.intersection(artist.rightsholders)
        ]
        if places:
            found.append((kept, places))
    return found


def _subject(imitation_id: str) -> str:
    return f"imitation {imitation_id}"


def _kept(row: tuple[Any, ...]) -> KeptImitation:
    after, recorded_at, actor, sequence, sha256 = row
    try:
        facts = ImitationFacts.model_validate(json.loads(after or ""))
    except (ValueError, RecursionError, ValidationError) as error:
        raise IntegrityError(
            f"the imitation audit of event {sequence:,} cannot be read; `creditline log verify` says whether it was edited"
        ) from error
    return KeptImitation(facts, recorded_at.astimezone(datetime.UTC), actor, int(sequence), sha256)
