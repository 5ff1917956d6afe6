"""What may have been trained on then: the permissions that works had at an earlier moment, from the log.

The registry keeps each work's present permission; every change of one is an event. Undoing the changes since a moment, newest
first, gives what counted at that moment.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

import duckdb

from registry.errors import IntegrityError

EVENT = "permission changed"


def permissions_at(
    connection: duckdb.DuckDBPyConnection, asset_ids: Collection[int], moment: datetime
) -> dict[int, str | None]:
    """The permission of each work at a moment; None where the log does not say, as it does not list the works of large changes.

    Works that were registered after the moment have the permission that they were registered with.

    Raises:
        IntegrityError: an event is not one that was written here.
    """
    if not asset_ids:
        return {}
    found: dict[int, str | None] = dict(
        connection.execute("SELECT id, permission FROM asset WHERE list_contains(?, id)", [list(asset_ids)]).fetchall()
    )
    changes = connection.execute(
        "SELECT sequence, subject, before, after FROM event WHERE kind = ? AND recorded_at > ? ORDER BY sequence DESC",
        [EVENT, moment],
    ).fetchall()
    for sequence, subject, before, after in changes:
        try:
            former, current = json.loads(before)["permission"], json.loads(after)
            led_to = current["permission"]
            works = current["asset_ids"] if "works" in current else [int(subject.removeprefix("asset "))]
            if not isinstance(former, str) or not isinstance(led_to, str):
                raise TypeError("a permission is a word")
            if works is not None:
                undone = {int(work): former for work in works}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise IntegrityError(
                f"event {sequence:,} of the log cannot be read: run `creditline log verify`"
            ) from error
        if works is None:
            # Any work that had what the change led to may have been one of them.
            moved = [work for work, permission in found.items() if permission == led_to]
            found.update(dict.fromkeys(moved))
        else:
            found.update({work: permission for work, permission in undone.items() if work in found})
    return found
