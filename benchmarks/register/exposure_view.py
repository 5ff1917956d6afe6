"""Time of the view `exposure` over millions of rows, beside joins of the same columns afterwards.

The rival is the plain way to write it: the pairs of works and members (`member_work`), joined to
the units for their labels and to the members for their hashes. Both give the same rows.

    python -m benchmarks.register.exposure_view [WORKS]
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from benchmarks.record import conclude, interleaved_medians
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry

WORKS = 800_000
MEMBERS = 12
ROUNDS = 5
# ruff: noqa: S608 - statements of numbers and constants
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
LABELS = "unit", "manifest_sha256", "merkle_root", "weights_sha256"

RIVAL = """
    SELECT member_work.*, unit.label AS unit, manifest_sha256, merkle_root, weights_sha256, registered_at
    FROM member_work JOIN unit ON unit.encoding_id = member_work.encoding_id AND unit.number = unit_number
    JOIN member ON member.id = member_id
"""


def build(home: Home, works: int) -> Registry:
    """A registry with one encoding of these works for one ensemble of twelve members."""
    registry = create_registry(home, now=NOW)
    with registry.connection() as connection:
        for statement in (
            f"INSERT INTO encoding BY NAME SELECT 'c' AS id, 'asset' AS unit_kind, {MEMBERS} AS n, 6 AS h, 0 AS seed, "
            f"{works} AS unit_count, '{{}}' AS left_out, TIMESTAMPTZ '2026-03-14' AS created_at",
            f"INSERT INTO unit SELECT 'c', range, range, 'Work no. ' || range, hash(range) & 4095 FROM range({works})",
            f"INSERT INTO unit_asset SELECT 'c', range, range FROM range({works})",
            "INSERT INTO ensemble VALUES ('e', 'c', '{}', TIMESTAMPTZ '2026-03-14')",
            "INSERT INTO member SELECT 'm' || range, 'e', range, 1, 'trained', '{\"withdrawn_through\": null}', "
            f"sha256('a' || range), sha256('b' || range), sha256('c' || range), TIMESTAMPTZ '2026-03-14' FROM range({MEMBERS})",
        ):
            connection.execute(statement)
    return registry


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    return connection.execute(query).fetchall()


def main() -> int:
    """Measure both, write the result, and return 1 if the view is not the faster one."""
    works = int(sys.argv[1]) if len(sys.argv) > 1 else WORKS
    with tempfile.TemporaryDirectory() as folder:
        registry = build(Home(Path(folder)), works)
        with registry.connection() as connection:
            columns = f"count(*), sum(asset_id), {', '.join(f'sum(hash({each}))' for each in LABELS)}"
            queries = {
                "view": f"SELECT {columns} FROM exposure",
                "joined afterwards": f"SELECT {columns} FROM ({RIVAL})",
            }
            found = {name: rows(connection, query) for name, query in queries.items()}
            seconds = interleaved_medians(
                {name: partial(rows, connection, query) for name, query in queries.items()}, ROUNDS
            )
    same = found["view"] == found["joined afterwards"]
    results = {
        "works": works,
        "rows": found["view"][0][0],
        "processor_seconds": {name: round(value, 3) for name, value in seconds.items()},
        "same_rows": same,
    }
    held = same and seconds["view"] < seconds["joined afterwards"]
    return conclude(
        "register/exposure_view", "the view exposure is faster than joins afterwards", held, results, ("duckdb",)
    )


if __name__ == "__main__":
    sys.exit(main())
