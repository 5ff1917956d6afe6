"""How firm the verdicts of an audit are (:mod:`attribution.firmness`): the newest event counts."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from registry.event_log.kept_facts import Kept
from registry.outputs.evaluations import newest_kept

EVENT = "firmness measured"


def newest_firmness(session: Session, audit_id: str) -> Kept[dict[str, Any]] | None:
    """The newest measurement of an audit's firmness, if there is one.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    return newest_kept(session, EVENT, f"audit {audit_id}", "measurement of firmness")
