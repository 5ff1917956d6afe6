"""Digests over rows: the same values give the same hash however they are cut, and any other value
gives another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.storage.row_hash import Digest, RowHash, digest_of

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("text", pa.string()),
        ("other", pa.string()),
        ("blob", pa.binary()),
        ("code", pa.uint64()),
        ("real", pa.float64()),
        ("truth", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
        ("small", pa.int32()),
    ]
)
TIMES = st.datetimes(timezones=st.just(UTC))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "text": st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
            "other": st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
            "blob": st.none() | st.binary(max_size=4),
            "code": st.none() | st.integers(0, 2**64 - 1),
            "real": st.none() | st.floats(allow_nan=False),
            "truth": st.none() | st.booleans(),
            "at": st.none() | TIMES,
            "small": st.none() | st.integers(-(2**31), 2**31 - 1),
        }
    ),
    min_size=1,
    max_size=12,
)


def digest(rows: list[dict[str, Any]], cuts: tuple[int, ...] = (), schema: pa.Schema = SCHEMA) -> Digest:
    batch = pa.RecordBatch.from_pylist(rows, schema)
    found = RowHash(schema)
    places = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, end in pairwise(places):
        found.update(batch.slice(start, end - start))
    return found.digest()


@settings(max_examples=40, deadline=None)
@given(ROWS, st.lists(st.integers(0, 12), max_size=4))
def test_batches_do_not_matter(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    """However rows are cut into batches, also into empty ones, the digest is the same."""
    assert digest(rows, tuple(cuts)) == digest(rows)


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS)
def test_other_rows_have_another_digest(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Two lists of rows have one digest exactly if they are equal, in order and number."""
    same = [str(row) for row in rows] == [str(row) for row in others]
    assert (digest(rows) == digest(others)) == same


@settings(max_examples=40, deadline=None)
@given(ROWS, st.data())
def test_every_value_counts(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """One value changed, anywhere, also from or to null, gives another digest."""
    name = data.draw(st.sampled_from(SCHEMA.names))
    place = data.draw(st.integers(0, len(rows) - 1))
    value = data.draw(ROWS.map(lambda drawn: drawn[0][name]).filter(lambda value: str(value) != str(rows[place][name])))
    changed = [dict(row) for row in rows]
    changed[place][name] = value
    assert digest(changed) != digest(rows)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["", None], [None, ""]),
        (["ab", "c"], ["a", "bc"]),
        ([None, None, ""], [None, "", None]),
        (["a", ""], ["", "a"]),
        ([""], [None]),
        (["a"], ["a", ""]),
        (["a"], ["a", None]),
    ],
)
def test_nothing_runs_together(left: list[str | None], right: list[str | None]) -> None:
    """Empty, null and the borders between texts are told apart."""
    schema = pa.schema([("text", pa.string())])
    assert digest([{"text": text} for text in left], (), schema) != digest(
        [{"text": text} for text in right], (), schema
    )


def test_columns_count_by_name_and_place() -> None:
    """Swapping the values of two columns, or the columns' names, gives another digest."""
    rows = [{"text": "a", "other": "b"}]
    schema = pa.schema([("text", pa.string()), ("other", pa.string())])
    swapped = pa.schema([("other", pa.string()), ("text", pa.string())])
    found = {digest(rows, (), schema), digest([{"text": "b", "other": "a"}], (), schema), digest(rows, (), swapped)}
    assert len(found) == 3


def test_kinds_count_and_widths_do_not() -> None:
    """A number, an unsigned one, a text and bytes differ; 32 and 64 bits of a number do not."""
    kinds = {pa.int64(): 1, pa.uint64(): 1, pa.string(): "1", pa.binary(): b"1", pa.float64(): 1.0, pa.bool_(): True}
    assert len({digest([{"x": value}], (), pa.schema([("x", kind)])) for kind, value in kinds.items()}) == len(kinds)
    assert digest([{"x": 1}], (), pa.schema([("x", pa.int32())])) == digest(
        [{"x": 1}], (), pa.schema([("x", pa.int64())])
    )


def test_how_the_database_stores_rows_does_not_matter() -> None:
    """The same rows, stored compressed on disk or fresh in memory, in one step or in many, have one
    digest.
    """
    connection = duckdb.connect()
    rows = "SELECT range AS id, CASE WHEN range % 3 > 0 THEN 'text ' || range % 7 END AS text FROM range(200000)"
    connection.execute(f"CREATE TABLE whole AS {rows}")
    connection.execute("CREATE TABLE parts AS SELECT * FROM whole LIMIT 0")
    for start in range(0, 200_000, 60_000):
        connection.execute(f"INSERT INTO parts SELECT * FROM ({rows}) WHERE id BETWEEN {start} AND {start + 59_999}")  # noqa: S608
    found = {
        digest_of(connection.execute(f"SELECT * FROM {table} ORDER BY id"))  # noqa: S608
        for table in ("whole", "parts")
    }
    assert len(found) == 1
    assert found.pop().rows == 200_000


def test_a_digest_stays_what_it_is() -> None:
    """The form is fixed: digests that are in logs must be computed again in years to come."""
    row = {
        "id": -1,
        "text": "é",
        "other": None,
        "blob": b"\0",
        "code": 2**64 - 1,
        "real": 0.5,
        "truth": True,
        "small": 7,
    }
    at = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
    assert digest([{**row, "at": at}]) == Digest(1, "f23f1eebb48176b7cf33f9b64bf57976636fecc869408481313df366f5913bfa")


def test_types_that_no_table_has_are_refused() -> None:
    """Somebody changed a column's type: an error that names the column."""
    with pytest.raises(RegistryError, match="'x' has the type list"):
        RowHash(pa.schema([("x", pa.list_(pa.int64()))]))
