"""Counts of different numbers: ticked off where they lie close together, else by DuckDB."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.storage.results import distinct_numbers

DENSE = st.lists(st.none() | st.integers(-3, 9))
ANY = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))


@given(DENSE | ANY)
def test_numbers_are_counted_as_duckdb_counts_them(numbers: list[int | None]) -> None:
    """With repeats, gaps and nulls, however far apart."""
    with duckdb.connect() as connection:
        connection.register("listed", pa.table({"number": pa.array(numbers, pa.int64())}))
        expected = connection.execute(
            "SELECT count(*), count(DISTINCT number), min(number), max(number) FROM listed"
        ).fetchall()[0]
        assert distinct_numbers(connection, "number", "listed") == expected


@pytest.mark.parametrize(("table", "expected"), [("a", (2, 2, 4, 5)), ("b", (3, 2, 1, 2)), ("c", (0, 0, None, None))])
def test_a_condition_chooses_rows(table: str, expected: tuple[int, int, int | None, int | None]) -> None:
    """With its values."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE rows AS FROM (VALUES ('a', 4), ('a', 5), ('b', 1), ('b', 2), ('b', 1)) AS _(t, n)"
        )
        assert distinct_numbers(connection, "n", "rows WHERE t = ?", [table]) == expected
