"""How firm the verdicts of an audit are (:mod:`attribution.firmness`): the newest event counts."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from registry.outputs.evaluations import KeptFacts, newest_kept

EVENT = "firmness measured"


def newest_firmness(session: Session, audit_id: str) -> KeptFacts | None:
    """The newest measurement of an audit's firmness, if there is one.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    return newest_kept(session, EVENT, f"audit {audit_id}", "measurement of firmness")


def firmness_facts(kept: KeptFacts) -> dict[str, Any]:
    """The facts of a measurement, and their event."""
    return {**kept.facts, "event": kept.event, "event_sha256": kept.event_sha256}
