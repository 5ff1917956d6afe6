"""Facts of measurements that are kept in the log, one event each: read back with their event."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from registry.errors import IntegrityError

Facts = TypeVar("Facts")
COLUMNS = ("after", "recorded_at", "actor", "sequence", "sha256")
"""The columns of an event that :func:`kept` reads, in this order."""


@dataclass(frozen=True)
class Kept(Generic[Facts]):
    """Facts of a measurement, and the event that has them."""

    facts: Facts
    made_at: datetime
    made_by: str
    event: int
    event_sha256: str


def kept(row: Sequence[Any], read: Callable[[Any], Facts], what: str) -> Kept[Facts]:
    """The facts of an event.

    Args:
        row: the event's :data:`COLUMNS`.
        read: gives the facts for the event's JSON, or raises ValueError.
        what: the measurement, for messages.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    after, recorded_at, actor, sequence, sha256 = row
    try:
        facts = read(json.loads(after or ""))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            f"the {what} of event {sequence:,} cannot be read; `creditline log verify` says whether it was edited"
        ) from error
    return Kept(facts, recorded_at.astimezone(UTC), actor, int(sequence), sha256)


def mapping(found: object) -> dict[str, Any]:
    """Facts without a model: any JSON object. Raises ValueError for anything else."""
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
