"""Ids of rightsholders and licences by a source's names; new names get new rows."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from registry.event_log.events import Change
from registry.ids import canonical_json
from registry.licences import read_licence


def rightsholder_ids(change: Change, names: Collection[str]) -> dict[str, int]:
    """The id of the record of each name. New names get records, in alphabetical order."""
    listed = sorted(names)
    if not listed:
        return {}
    connection = change.connection
    connection.register("stated_names", pa.table({"stated": pa.array(listed, pa.string())}))
    connection.execute(
        "INSERT INTO rightsholder (id, name, created_at) SELECT ? + row_number() OVER (ORDER BY stated) - 1, stated, ? "
        "FROM stated_names ANTI JOIN rightsholder ON name = stated",
        [change.next_id("rightsholder"), change.now],
    )
    rows = connection.execute("SELECT name, id FROM rightsholder JOIN stated_names ON name = stated").fetchall()
    connection.unregister("stated_names")
    return {str(name): int(number) for name, number in rows}


def licence_ids(change: Change, references: Collection[str]) -> dict[str, int]:
    """The id of the licence of each reference; new ones are read as SPDX and kept verbatim.

    Raises:
        InputError: a reference is too long.
    """
    listed = sorted(references)
    if not listed:
        return {}
    connection = change.connection
    connection.register("stated_names", pa.table({"stated": pa.array(listed, pa.string())}))
    missing = connection.execute(
        "SELECT stated FROM stated_names ANTI JOIN licence ON reference = stated ORDER BY stated"
    ).fetchall()
    if missing:
        terms = [read_licence(reference) for (reference,) in missing]
        rows = {
            "reference": pa.array([each.reference for each in terms], pa.string()),
            "spdx": pa.array([each.spdx for each in terms], pa.string()),
            "recognised": pa.array([each.recognised for each in terms], pa.bool_()),
            "training": pa.array([str(each.training) for each in terms], pa.string()),
            "duties": pa.array([canonical_json(list(each.duties)) for each in terms], pa.string()),
            "url": pa.array([each.url for each in terms], pa.string()),
            "note": pa.array([each.note for each in terms], pa.string()),
        }
        connection.register("new_licences", pa.table(rows))
        connection.execute(
            "INSERT INTO licence (id, reference, spdx, recognised, training, duties, url, note, created_at) "
            "SELECT ? + row_number() OVER (ORDER BY reference) - 1, reference, spdx, recognised, training, duties, url, note, ? "
            "FROM new_licences",
            [change.next_id("licence"), change.now],
        )
        connection.unregister("new_licences")
    found = connection.execute("SELECT reference, id FROM licence JOIN stated_names ON reference = stated").fetchall()
    connection.unregister("stated_names")
    return {str(reference): int(number) for reference, number in found}
