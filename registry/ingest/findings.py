"""What registration could not take as it was given: typed data with a reason, listed to whoever registered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Why something is listed."""

    REFUSED = "refused"
    """The file is no work of the registry: not an image, damaged, outside the folder, no owner stated, …"""
    DUPLICATE = "duplicate"
    """The same bytes are registered from another place."""
    MISSING = "missing"
    """Registered earlier and not found any more."""
    ROW = "row"
    """A row of the owner table that was not used."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that was not taken; ``path`` is relative to the folder, or as the table wrote it."""

    path: str
    kind: Kind
    reason: str
