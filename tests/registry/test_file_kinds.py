"""Messages say what a file is: tables, sources and images of another kind than expected."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from registry.errors import InputError
from registry.file_kinds import described
from registry.ingest.owners.table import OwnerTable
from registry.ingest.source_kind import kind_of


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


def image(name: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, name)
    return out.getvalue()


KINDS = {
    b'{"file_name": "a.png", "text": "x"}\n': "JSON lines",
    b'\xef\xbb\xbf{"file_name": "a.png"}\n{"file_name": "b.png"}\n': "JSON lines",
    b'{\n  "a": [1]\n}': "JSON",
    b'[{"a": 1}]': "JSON",
    b"<!doctype html><html></html>": "an HTML page",
    b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG drawing",
    b"<?xml version='1.0'?><rss/>": "an XML document",
    workbook(): "an Excel workbook",
    gzip.compress(b"path,rightsholder\n", mtime=0): "a file compressed by gzip",
    image("PNG"): "a PNG image",
    image("JPEG"): "a JPEG image",
    image("WEBP"): "a WebP image",
    image("AVIF"): "an AVIF image",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0": "a document of an older Microsoft Office, such as .xls",
    b"SQLite format 3\0": "an SQLite database",
    b"%PDF-1.4": "a PDF document",
    b"path,rightsholder\na.png,Ada\n": "text",
    b"PK,path,rightsholder\n1,a.png,Ada\n": "text",
    "BM;GIF8;Größe\n".encode("cp1252"): "text",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n": "a PDF document",
}


@pytest.mark.parametrize(("data", "kind"), KINDS.items(), ids=KINDS.values())
def test_a_kind_is_named(data: bytes, kind: str) -> None:
    """By the content, whatever the file is called."""
    assert described(data) == kind


@pytest.mark.parametrize(("data", "kind"), [each for each in KINDS.items() if each[1] != "text"])
def test_an_owner_table_of_another_kind_is_called_by_its_kind(tmp_path: Path, data: bytes, kind: str) -> None:
    """Not by the first place at which it is no CSV."""
    path = tmp_path / "owners.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match="owner table: expected CSV or Parquet") as caught:
        OwnerTable(path)
    assert str(caught.value).endswith(f"looks like {kind}")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (workbook(), "is an Excel workbook; save its table as CSV"),
        (image("PNG"), "looks like a PNG image; it is neither an archive"),
        (b"%PDF-1.4", "looks like a PDF document"),
        (b"\1\2", "is neither an archive"),
    ],
)
def test_a_source_of_another_kind_is_called_by_its_kind(tmp_path: Path, data: bytes, words: str) -> None:
    """A workbook is no archive, though it is a ZIP."""
    path = tmp_path / "works"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        kind_of(path)
    assert words in str(caught.value)


def test_tables_of_other_programs(tmp_path: Path) -> None:
    """Files as programs really write them."""
    connection = sqlite3.connect(tmp_path / "a")
    connection.execute("CREATE TABLE a (b)")
    connection.close()
    assert described((tmp_path / "a").read_bytes()) == "an SQLite database"
    with pa.OSFile(str(tmp_path / "b"), "wb") as out, pa.ipc.new_file(out, pa.schema([("a", pa.int64())])):
        pass
    assert described((tmp_path / "b").read_bytes()) == "an Arrow file"


@given(data=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    """No input raises."""
    assert described(data) is None or described(data)
