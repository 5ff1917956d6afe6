"""Listings as files: complete or not there, the same rows in every format, and no cell that a
spreadsheet would run.
"""

from __future__ import annotations

import csv
import io
import json
import resource
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InputError, UsageError
from registry.export.cells import spreadsheet_text
from registry.export.files import write_listing

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        ["=1+1", "\uff1d1", " @x", "\u200b-1", "\t=x", "a\r\nb", 'say "x", now', "\x00=1", "\x9f", "\u2212 1", ""]
    ),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that are written over and over."""
    return tmp_path_factory.mktemp("export")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=5))
def test_every_text_comes_back_and_no_cell_is_a_formula(place: Path, texts: list[str | None]) -> None:
    """CSV as the function for one cell has it, JSON and Parquet exactly as it was."""
    table = pa.table({"text": pa.array(texts, pa.string()), "number": pa.array(range(len(texts)))})
    assert write_listing(table, place / "x.csv") == len(texts)
    read = list(csv.reader(io.StringIO((place / "x.csv").read_bytes().decode(), newline="")))
    assert read[0] == ["text", "number"]
    assert [row[0] for row in read[1:]] == [spreadsheet_text(text or "") for text in texts]
    write_listing(table, place / "x.json")
    write_listing(table, place / "x.jsonl")
    write_listing(table, place / "x.parquet")
    assert [row["text"] for row in json.loads((place / "x.json").read_bytes())] == texts
    lines = (place / "x.jsonl").read_bytes().decode().split("\n")[:-1]
    assert [json.loads(line)["text"] for line in lines] == texts
    assert pq.read_table(place / "x.parquet") == table


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\uff1d1", "\uff0b1", "\ufe631", "\x00=1"]
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    """Also behind what it skips, and in full width."""
    assert spreadsheet_text(text).startswith("'")


def test_values_of_every_type_have_one_form(tmp_path: Path) -> None:
    """Times in ISO 8601, bytes in hex, numbers that JSON does not have as null, documents as part
    of the document.
    """
    query = """
        SELECT 1 AS i, '{"a":\n1}'::JSON AS doc, [1, NULL] AS list, TIMESTAMPTZ '2026-01-01 10:00:00.5+00' AS seen,
            'nan'::DOUBLE AS nothing, true AS truth, '\\xAA'::BLOB AS bytes, 170141183460469231731687303715884105727 AS huge,
            DATE '2026-01-02' AS day, {'x': 'a"b'} AS nested, NULL AS missing
    """
    with duckdb.connect(config={}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for suffix in ("csv", "json"):
            reader = connection.execute(query).to_arrow_reader(10)
            write_listing(reader, tmp_path / f"x.{suffix}", documents=["doc"])
    assert json.loads((tmp_path / "x.json").read_text()) == [
        {
            "i": 1,
            "doc": {"a": 1},
            "list": [1, None],
            "seen": "2026-01-01T10:00:00.500000+00:00",
            "nothing": None,
            "truth": True,
            "bytes": "aa",
            "huge": "170141183460469231731687303715884105727",
            "day": "2026-01-02",
            "nested": {"x": 'a"b'},
            "missing": None,
        }
    ]
    row = next(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text(), newline="")))
    assert (row["truth"], row["bytes"], row["list"], row["missing"]) == ("true", "aa", "[1, null]", "")


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet"])
def test_nothing_to_list_is_an_empty_listing(tmp_path: Path, suffix: str) -> None:
    """With its columns where the format has them."""
    path = tmp_path / f"x.{suffix}"
    assert write_listing(pa.table({"a": pa.array([], pa.string())}), path) == 0
    assert path.read_bytes()[:4] in (b"a\r\n", b"[]\n", b"", b"PAR1")


LISTS = st.lists(st.one_of(st.none(), TEXTS), max_size=3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), LISTS), min_size=1, max_size=6), st.data())
def test_lists_are_written_as_python_writes_them(
    place: Path, lists: list[list[str | None] | None], data: st.DataObject
) -> None:
    """JSON to the letter, also as the cell of a CSV file; wherever in a larger array they stand."""
    kind = data.draw(st.sampled_from([pa.list_(pa.string()), pa.large_list(pa.large_string())]))
    start = data.draw(st.integers(0, len(lists) - 1))
    table = pa.table({"number": pa.array(range(len(lists))), "lists": pa.array(lists, kind)}).slice(start)
    told = [json.dumps(each, ensure_ascii=False) for each in lists[start:]]
    write_listing(table, place / "y.jsonl")
    expected = [f'{{"number":{number},"lists":{text}}}' for number, text in enumerate(told, start=start)]
    assert (place / "y.jsonl").read_bytes().decode().split("\n")[:-1] == expected
    write_listing(table, place / "y.csv")
    read = list(csv.reader(io.StringIO((place / "y.csv").read_bytes().decode(), newline="")))[1:]
    cells = ["" if each is None else spreadsheet_text(text) for each, text in zip(lists[start:], told, strict=True)]
    assert [row[1] for row in read] == cells


def test_a_listing_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    """Neither half of a new one, nor a damaged old one."""
    path = tmp_path / "x.csv"
    path.write_text("as it was")
    # Of several threads, another's "interrupted" may be told in the place of the cause.
    with duckdb.connect(config={"threads": 1}) as connection:
        reader = connection.execute(
            "SELECT CASE WHEN range < 4000000 THEN 1 ELSE error('late') END AS x FROM range(5000000)"
        ).to_arrow_reader(1_000)
        with pytest.raises(InputError, match=r"broke off: .*late.*; nothing was written"):
            write_listing(reader, path)
    assert [item.name for item in tmp_path.iterdir()] == ["x.csv"]
    assert path.read_text() == "as it was"


@pytest.mark.parametrize("name", ["x", "x.xlsx", "x.csv.gz", ".csv"])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=r"expected a name that ends in \.csv"):
        write_listing(pa.table({"a": [1]}), tmp_path / name)


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    """A mistyped path must not put the listing where nobody looks for it; the message says what to
    do.
    """
    with pytest.raises(UsageError, match=r"there is no folder .*/evidense; make it first, or correct the path"):
        write_listing(pa.table({"a": [1]}), tmp_path / "evidense" / "x.csv")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UsageError, match="there is no folder"):
        write_listing(pa.table({"a": [1]}), tmp_path / "file" / "x.csv")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """A JSON object could hold only one of them."""
    with pytest.raises(UsageError, match="several columns have the name 'a'"):
        write_listing(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "x.json")


def test_what_parquet_cannot_hold_is_said(tmp_path: Path) -> None:
    """Its format has no such interval."""
    with duckdb.connect() as connection, pytest.raises(UsageError, match="cast the column"):
        write_listing(connection.execute("SELECT INTERVAL 3 DAYS AS x").to_arrow_reader(1), tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A million rows of 100 characters, held at once, would take 100 MB."""
    batch = pa.record_batch({"text": pa.array(["=" + "x" * 99] * 10_000)})
    write_listing(pa.Table.from_batches([batch]), tmp_path / "x.jsonl")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(100)))
    assert write_listing(reader, tmp_path / "x.jsonl") == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_fields_before_the_rows(tmp_path: Path, rows: int) -> None:
    """A JSON file with a head is one object that has the rows last; other formats have no place for
    it.
    """
    table = pa.table({"number": pa.array(range(rows), pa.int64())})
    head = {"name": 'a "table"', "stamp": {"at": [1, None]}}
    for suffix in ("json", "jsonl", "csv"):
        assert write_listing(table, tmp_path / f"x.{suffix}", head=head) == rows
    found = json.loads((tmp_path / "x.json").read_bytes())
    assert list(found) == ["name", "stamp", "rows"]
    assert found == {**head, "rows": [{"number": number} for number in range(rows)]}
    assert len((tmp_path / "x.jsonl").read_bytes().splitlines()) == rows
    assert (tmp_path / "x.csv").read_bytes().startswith(b"number\r\n")


def test_longest_cell(tmp_path: Path) -> None:
    """A cell of CSV is cut after so many characters, also of a list; JSON has the whole text."""
    texts = ["short", "=" + "x" * 50, "é" * 11, None]
    table = pa.table({"text": pa.array(texts, pa.string()), "list": pa.array([["y" * 30]] * 4)})
    for suffix in ("csv", "jsonl"):
        write_listing(table, tmp_path / f"x.{suffix}", cell_limit=10)
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [cell["text"] for cell in cells] == ["short", "'=" + "x" * 8 + "…", "é" * 10 + "…", ""]
    assert cells[0]["list"] == '["' + "y" * 8 + "…"
    assert [json.loads(line)["text"] for line in (tmp_path / "x.jsonl").read_text().splitlines()] == texts
