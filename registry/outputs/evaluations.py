"""Evaluations of an ensemble's evidence (:mod:`attribution.evaluation.run`): the newest counts."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from registry.event_log.kept_facts import COLUMNS, Kept, kept, mapping
from registry.storage.tables import Event

EVENT = "ensemble evaluated"

KeptEvaluation = Kept[dict[str, Any]]
"""The facts of an evaluation."""


def newest_evaluation(session: Session, ensemble_id: str) -> KeptEvaluation | None:
    """The newest evaluation of an ensemble, if there is one.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    return newest_kept(session, EVENT, f"ensemble {ensemble_id}", "evaluation")


def newest_kept(session: Session, kind: str, subject: str, what: str) -> Kept[dict[str, Any]] | None:
    """The newest event of a kind about a subject; ``what``: a measurement, for messages.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    query = select(Event).where(Event.kind == kind, Event.subject == subject)
    event = session.exec(query.order_by(col(Event.sequence).desc()).limit(1)).first()
    return None if event is None else kept([getattr(event, name) for name in COLUMNS], mapping, what)
