"""The relation over Parquet: many files, names that look like patterns, and damage."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.errors import InputError
from registry.ingest.lists import open_list, translated_errors
from tests.registry.ingest.lists.reading import rows, write_parquet


def _urls(first: int, count: int) -> dict[str, object]:
    return {"url": [f"https://example.org/{number}" for number in range(first, first + count)]}


def test_rows_are_numbered_through_many_files(tmp_path: Path) -> None:
    """In the order of the files, whatever types their columns have, and also where one is empty."""
    sizes, first = (3, 1, 2, 0, 1, 2, 1), 0
    for number, size in enumerate(sizes):
        columns = _urls(first, size)
        columns["url"] = pa.array(columns["url"], pa.string())
        columns["width"] = (
            pa.array([5] * size, pa.int64() if number % 3 else pa.string()).cast(pa.int64())
            if number % 3
            else pa.array(["5"] * size, pa.string())
        )
        write_parquet(tmp_path / f"{number:05}.parquet", columns)
        first += size
    source = open_list(tmp_path, staging=tmp_path)
    assert source.rows == 10
    read = rows(source)
    assert [row["url"] for row in read] == [f"https://example.org/{number}" for number in range(10)]
    assert [row["row_number"] for row in read] == list(range(1, 11))
    assert {row["width"] for row in read} == {5}
    assert source.place(5) == "00002.parquet, row 1"


def test_columns_that_are_not_asked_for_are_not_read(tmp_path: Path) -> None:
    """Of a wide list only what is taken costs anything."""
    file = write_parquet(tmp_path / "works.parquet", {**_urls(0, 9), "caption": ["t" * 50] * 9})
    source = open_list(file, staging=tmp_path)
    with duckdb.connect(":memory:") as connection:
        query = f"EXPLAIN ANALYZE SELECT url FROM ({source.select()})"  # noqa: S608 - made by the source
        plan = connection.execute(query).fetchall()[0][1]
    assert "caption" not in plan[plan.rindex("Projections:") :]
    assert "url" in plan[plan.rindex("Projections:") :]


@pytest.mark.parametrize(
    "name", ["a*.parquet", "[ab].parquet", "a?.parquet", "it's {a,b}.parquet", "back\\slash.parquet"]
)
def test_names_are_no_patterns(tmp_path: Path, name: str) -> None:
    """A file is read under its own name, and no other, whatever that name would mean as a
    pattern.
    """
    folder = tmp_path / "works[1]*"
    folder.mkdir()
    write_parquet(folder / "ab.parquet", _urls(100, 1))
    write_parquet(folder / "a.parquet", _urls(200, 1))
    file = write_parquet(folder / name, _urls(0, 1))
    source = open_list(file, staging=folder)
    assert [row["url"] for row in rows(source)] == ["https://example.org/0"]
    (folder / "x=1*.csv").write_text("url\nhttps://example.org/7\n")
    assert [row["url"] for row in rows(open_list(folder / "x=1*.csv", staging=folder))] == ["https://example.org/7"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("url", pa.array([b"https://a.org"]), "the column 'url' of type BLOB, expected text for 'url'"),
        ("title", pa.array([["a"]]), r"the column 'title' of type VARCHAR\[\], expected text"),
        ("title", pa.array([{"a": 1}]), "the column 'title' of type STRUCT"),
        ("width", pa.array([True]), "the column 'width' of type BOOLEAN, expected numbers"),
    ],
)
def test_types_that_no_column_has(tmp_path: Path, column: str, values: pa.Array, message: str) -> None:
    """A column of another kind is an error with its name and type; one that is not taken may be
    anything.
    """
    file = write_parquet(tmp_path / "works.parquet", {**_urls(0, 1), column: values})
    with pytest.raises(InputError, match=message):
        open_list(file, staging=tmp_path)
    other = write_parquet(tmp_path / "other.parquet", {**_urls(0, 1), "embedding": pa.array([[0.5]])})
    assert open_list(other, staging=tmp_path).not_taken == ("embedding",)


def test_damage_is_an_input_error(tmp_path: Path) -> None:
    """Cut off, no Parquet, encrypted, a footer that lies, and pages that were overwritten: each is
    one line.
    """
    file = write_parquet(tmp_path / "works.parquet", _urls(0, 50_000), compression="zstd")
    whole = file.read_bytes()
    cases = {
        "cut": (whole[:-100], "does not end as one does"),
        "tiny": (b"PAR1", "4 bytes"),
        "locked": (whole[:-4] + b"PARE", "encrypted"),
        "long": (whole[:-8] + b"\xff\xff\xff\x7fPAR1", "does not end as one does"),
        "footer": (whole[:-60] + bytes(52) + whole[-8:], "not a Parquet file that can be read"),
        "page": (whole[:5_000] + bytes(20_000) + whole[25_000:], "cannot be read"),
    }
    for name, (data, message) in cases.items():
        bad = tmp_path / f"{name}.parquet"
        bad.write_bytes(data)
        with pytest.raises(InputError, match=message):
            rows(open_list(bad, staging=tmp_path))


def test_encrypted_columns(tmp_path: Path) -> None:
    """A column that is encrypted under a readable footer is refused, whichever reader notices."""
    from base64 import b64encode

    import pyarrow.parquet.encryption as pe

    class Keys(pe.KmsClient):  # type: ignore[misc] # pyarrow ships no types
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:  # noqa: ARG002 - pyarrow's signature
            return b64encode(key_bytes)

    properties = pe.CryptoFactory(lambda _: Keys()).file_encryption_properties(
        pe.KmsConnectionConfig(),
        pe.EncryptionConfiguration(footer_key="f", column_keys={"k": ["url"]}, plaintext_footer=True),
    )
    file = tmp_path / "works.parquet"
    with pq.ParquetWriter(file, pa.schema([("url", pa.string())]), encryption_properties=properties) as writer:
        writer.write_table(pa.table(_urls(0, 3)))
    with pytest.raises(InputError, match=r"works\.parquet"):
        rows(open_list(file, staging=tmp_path))


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    """Several passes must see the same file."""
    file = write_parquet(tmp_path / "works.parquet", _urls(0, 3))
    source = open_list(file, staging=tmp_path)
    source.verify()
    write_parquet(file, _urls(0, 4))
    with pytest.raises(InputError, match="was changed while it was read"):
        source.verify()
    file.unlink()
    with pytest.raises(InputError, match="cannot read"), translated_errors(source.name):
        source.verify()


def test_a_folder_without_lists(tmp_path: Path) -> None:
    """A folder is read only for its Parquet files, all of which have the columns that are taken."""
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        open_list(tmp_path, staging=tmp_path)
    write_parquet(tmp_path / "a.parquet", {**_urls(0, 1), "title": ["t"]})
    write_parquet(tmp_path / "b.parquet", _urls(1, 1))
    with pytest.raises(InputError, match=r"b\.parquet has no column 'title'"):
        open_list(tmp_path, staging=tmp_path)
