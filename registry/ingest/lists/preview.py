"""What registering a list would do, before it is done: the first rows, and what would be
refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.ingest.lists.connection import reader, translated_errors
from registry.ingest.lists.source import CANONICAL, Constant, ListSource

LOOKED_AT = 100_000
EXAMPLES = 5


@dataclass(frozen=True)
class Refusal:
    """Rows that would be refused for one reason: how many of those looked at, and the first of
    them.
    """

    reason: str
    rows: int
    first: tuple[int, ...]
    places: tuple[str, ...]
    """Where the first of them are, for people: ``row 7``, or of a malformed line ``line 8``."""

    @classmethod
    def of(cls, source: ListSource, reason: str, rows: int, first: Sequence[int]) -> Refusal:
        """Rows of a list, refused."""
        return cls(reason, rows, tuple(first), tuple(source.place(number) for number in first))


@dataclass(frozen=True)
class Preview:
    """``rows`` are the first that would land, by canonical column; ``refusals`` are of the first
    ``looked_at`` rows.
    """

    source: str
    preset: str | None
    mapping: Mapping[str, str | Constant]
    not_taken: tuple[str, ...]
    total: int
    rows: tuple[Mapping[str, Any], ...]
    looked_at: int
    refusals: tuple[Refusal, ...]


UNOWNED = "no rightsholder is stated"


def preview(
    source: ListSource, rows: int = 5, *, looked_at: int | None = LOOKED_AT, needs_owner: bool = False
) -> Preview:
    """Look at the first ``looked_at`` rows (None: all of them) as they would land.

    With ``needs_owner``, a row without a rightsholder is refused.

    Raises:
        InputError: the rows cannot be read, or a file was changed since the list was opened.
    """
    count = source.rows if looked_at is None else min(looked_at, source.rows)
    relation = source.relation(0, count)
    if needs_owner:
        reason = f"coalesce(reason, CASE WHEN rightsholder IS NULL THEN '{UNOWNED}' END) AS reason"
        relation = f"SELECT * REPLACE ({reason}) FROM ({relation})"  # noqa: S608 - made by the source
    with reader(source.files) as connection, translated_errors(source.name):
        landing = connection.execute(
            f"SELECT {', '.join(CANONICAL)}, row_number FROM ({relation}) "  # noqa: S608 - made by the source
            f"WHERE reason IS NULL ORDER BY row_number LIMIT {int(rows)}"
        )
        names = [name for name, *_ in landing.description or ()]
        shown = tuple(dict(zip(names, values, strict=True)) for values in landing.fetchall())
        refused = connection.execute(
            f"SELECT reason, count(*), min(row_number, {EXAMPLES}) FROM ({relation}) "  # noqa: S608 - made by the source
            "WHERE reason IS NOT NULL GROUP BY reason ORDER BY count(*) DESC, reason"
        ).fetchall()
    source.verify()
    refusals = tuple(Refusal.of(source, reason, number, first) for reason, number, first in refused)
    return Preview(source.name, source.preset, source.mapping, source.not_taken, source.rows, shown, count, refusals)
