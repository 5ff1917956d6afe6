"""Findings about licences whose words were not understood, by the works of one data set."""

from __future__ import annotations

from collections.abc import Iterator

from registry.ingest.findings import Finding, Kind
from registry.storage.database import Registry

MOST = 1_000
"""Licences that are listed; the page of licences has all."""

_UNREAD = """
    SELECT reference, note, count(*) AS works, min(coalesce(asset.path, asset.url, asset.sha256, '')) AS first_place
    FROM asset JOIN licence ON licence.id = licence_id
    WHERE data_set_id = ? AND NOT recognised GROUP BY ALL ORDER BY first_place, reference LIMIT ?
"""


def unread_licences(registry: Registry, data_set_id: int | None) -> Iterator[Finding]:
    """One finding per licence of the data set that was not understood as a whole.

    It stands at the licence's first work, and quotes the words. A data set without an id has none:
    nothing of it was registered.
    """
    if data_set_id is None:
        return
    with registry.connection() as connection:
        rows = connection.execute(_UNREAD, [data_set_id, MOST]).fetchall()
    for reference, note, works, place in rows:
        others = f" and {works - 1:,} more" if works > 1 else ""
        yield Finding(place, Kind.LICENCE, f"licence {reference!r} of this work{others}: {note}")
