"""Counts of rows in the registry, and of gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from registry.storage.results import number_of, records
from registry.works.listings import PERMISSIONS, data_sets


@dataclass(frozen=True)
class Status:
    """Counts of the registry."""

    counts: dict[str, int]
    """Rows per table."""
    works_without_rightsholder: int
    works_without_licence: int
    works_missing: int
    bytes: int
    data_sets: list[dict[str, Any]]
    encodings: list[dict[str, Any]]
    ensembles: list[dict[str, Any]]
    permissions: dict[str, int]
    """Works by permission."""
    claims_open: int
    withdrawals: int


def status(connection: duckdb.DuckDBPyConnection) -> Status:
    """Count everything."""
    works = ("asset", "rightsholder", "licence", "data_set")
    tables = (*works, "encoding", "base_model", "ensemble", "member", "sample", "audit")
    counts = {name: number_of(connection, f"SELECT count(*) FROM {name}") for name in tables}  # noqa: S608  # names above
    gaps = connection.execute(
        "SELECT count(*) FILTER (rightsholder_id IS NULL), count(*) FILTER (licence_id IS NULL), "
        "count(*) FILTER (missing_since IS NOT NULL), coalesce(sum(byte_size), 0)::BIGINT FROM asset"
    ).fetchall()[0]
    listed = connection.execute("SELECT permission, count(*) FROM asset GROUP BY permission").fetchall()
    permissions = dict.fromkeys(PERMISSIONS, 0) | {str(permission): int(number) for permission, number in listed}
    return Status(
        counts=counts,
        works_without_rightsholder=int(gaps[0]),
        works_without_licence=int(gaps[1]),
        works_missing=int(gaps[2]),
        bytes=int(gaps[3]),
        data_sets=[
            {"name": row["data_set"], "root": row["root"], "works": row["works"]}
            for row in data_sets().rows(connection)
        ],
        encodings=records(
            connection.execute(
                "SELECT id, unit_kind, unit_column, n, h, seed, unit_count, created_at FROM encoding ORDER BY rowid"
            )
        ),
        ensembles=records(
            connection.execute(
                "SELECT ensemble.id AS id, encoding_id, count(DISTINCT member.index) AS members, any_value(n) AS n, "
                "ensemble.created_at AS created_at FROM ensemble JOIN encoding ON encoding.id = encoding_id "
                "LEFT JOIN member ON ensemble_id = ensemble.id GROUP BY ALL ORDER BY ensemble.created_at, ensemble.id"
            )
        ),
        permissions=permissions,
        claims_open=number_of(connection, "SELECT count(*) FROM open_claim"),
        withdrawals=number_of(connection, "SELECT count(*) FROM withdrawal"),
    )
