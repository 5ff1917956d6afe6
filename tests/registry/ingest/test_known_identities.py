"""Identities that are kept between batches: the same answers as those of a query over all works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.ingest.bulk import ListReport, store
from registry.ingest.store.known_identities import KnownIdentities
from registry.storage.database import Registry
from tests.registry.ingest.lists.reading import write_parquet
from tests.registry.ingest.test_bulk import query, take

IDENTITY = st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 2, 2**64 - 1]) | st.integers(0, 2**64 - 1)


@contextmanager
def works() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty table of works."""
    with closing(duckdb.connect()) as connection:
        connection.execute("CREATE TABLE asset (id BIGINT, identity UBIGINT)")
        yield connection


@given(st.lists(st.lists(IDENTITY, max_size=9), max_size=9), st.lists(IDENTITY, max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_was_read_is_known(batches: list[list[int]], asked: list[int]) -> None:
    """After every batch, and in no other order than that of the question."""
    known, expected = KnownIdentities(), set[int]()
    with works() as connection:
        for batch in batches:
            first = len(query_all(connection))
            for number, identity in enumerate(batch, start=first):
                connection.execute("INSERT INTO asset VALUES (?, ?)", [number, identity])
            expected |= set(batch)
            known.read(connection)
            found = known.among(np.array(asked, np.uint64)).tolist()
            assert found == [identity in expected for identity in asked]


def query_all(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """All rows."""
    return connection.execute("SELECT * FROM asset").fetchall()


def test_few_runs_are_searched() -> None:
    """Each is at least twice as long as the next, however the works came."""
    known = KnownIdentities()
    with works() as connection:
        for batch in range(100):
            connection.execute(
                "INSERT INTO asset SELECT 7 * ? + range, hash(7 * ? + range) FROM range(7)", [batch, batch]
            )
            known.read(connection)
    lengths = [len(run) for run in known._runs]
    assert sum(lengths) == 700
    assert all(long >= 2 * short for long, short in pairwise(lengths))


def test_a_long_list_is_matched_as_a_short_one(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Works of an earlier list, of an earlier batch, and of another process between two batches."""
    monkeypatch.setattr("registry.ingest.bulk.batches.ROWS", 4)
    monkeypatch.setattr("registry.ingest.bulk.batches._FETCHED", 2)
    monkeypatch.setattr(store, "_KEPT_FROM", 3)
    hashes = [f"{number:064x}" for number in (5, 6, 1, 2, 3, 1, 4, 7, 5, 8, 2)]
    earlier = write_parquet(tmp_path / "earlier.parquet", {"sha256": pa.array([hashes[0], hashes[1]], pa.string())})
    take(registry, earlier, rightsholder="Ada Example")
    listed = write_parquet(tmp_path / "works.parquet", {"sha256": pa.array(hashes, pa.string())})
    other = write_parquet(tmp_path / "other.parquet", {"sha256": pa.array([f"{8:064x}"], pa.string())})
    seen: list[ListReport | None] = []

    def another(_rows: pa.Table) -> None:
        seen.append(take(registry, other, rightsholder="Zoe Example") if len(seen) == 2 else None)

    report = take(registry, listed, rightsholder="Ada Example", on_rows=another)
    assert len(seen) == 3
    assert (report.registered, report.repeated) == (5, 3)
    assert query(registry, "SELECT count(*), count(DISTINCT sha256) FROM asset") == [(8, 8)]
