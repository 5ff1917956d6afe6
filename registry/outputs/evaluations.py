"""Evaluations of an ensemble's evidence (:mod:`attribution.evaluation.run`): the newest counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from registry.errors import IntegrityError
from registry.storage.tables import Event

EVENT = "ensemble evaluated"


@dataclass(frozen=True)
class KeptFacts:
    """Facts of a measurement, and the event that has them."""

    facts: dict[str, Any]
    measured_at: datetime
    measured_by: str
    event: int
    event_sha256: str


KeptEvaluation = KeptFacts
"""The facts of an evaluation."""


def newest_evaluation(session: Session, ensemble_id: str) -> KeptEvaluation | None:
    """The newest evaluation of an ensemble, if there is one.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    return newest_kept(session, EVENT, f"ensemble {ensemble_id}", "evaluation")


def newest_kept(session: Session, kind: str, subject: str, what: str) -> KeptFacts | None:
    """The newest event of a kind about a subject; ``what``: a measurement, for messages.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    query = select(Event).where(Event.kind == kind, Event.subject == subject)
    row = session.exec(query.order_by(col(Event.sequence).desc()).limit(1)).first()
    if row is None:
        return None
    try:
        facts = json.loads(row.after or "")
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise IntegrityError(
            f"the newest {what} of {subject} cannot be read; `creditline log verify` says whether it was edited"
        )
    return KeptFacts(facts, row.recorded_at.astimezone(UTC), row.actor, row.sequence, row.sha256)
