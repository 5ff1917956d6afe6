"""Events as they are stored, without any trust in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from registry.event_log.events import time_text

_FIELDS = ("sequence", "actor", "kind", "subject", "before", "after", "seals", "previous_sha256", "sha256")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stored_events(
    connection: duckdb.DuckDBPyConnection,
    *,
    sequences: Sequence[int] | None = None,
    kinds: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Events in order: all, or those of some sequences or kinds.

    A time that no clock can show becomes None: no event was hashed with it.
    """
    columns = ", ".join(f'"{name}"' for name in _FIELDS)
    values: Mapping[str, Any] = {
        "sequences": None if sequences is None else list(sequences),
        "kinds": None if kinds is None else list(kinds),
    }
    # The values are not trusted: a time may be infinite, or beyond Python's range.
    cursor = connection.execute(
        f"SELECT CASE WHEN isfinite(recorded_at) THEN epoch_us(recorded_at) END, {columns} FROM event "  # noqa: S608 - constants
        "WHERE ($sequences IS NULL OR list_contains($sequences, sequence)) "
        "AND ($kinds IS NULL OR list_contains($kinds, kind)) ORDER BY sequence",
        values,
    )
    while rows := cursor.fetchmany(1000):
        for microseconds, *fields in rows:
            try:
                moment = time_text(_EPOCH + timedelta(microseconds=microseconds))
            except (OverflowError, TypeError):
                moment = None
            yield {"recorded_at": moment, **dict(zip(_FIELDS, fields, strict=True))}
