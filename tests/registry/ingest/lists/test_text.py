"""CSV and JSON lines: read as they are meant, or refused by line; never anything else."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InputError
from registry.ingest.lists import open_list
from registry.text import BLANKS
from tests.registry.ingest.lists.reading import rows

CSV = b'url,title\nhttps://example.org/1,"a ""cat"",\nasleep"\nhttps://example.org/2,\n'
JSON = (
    b'{"url": "https://example.org/1", "title": "a \\"cat\\",\\nasleep"}\n\n'
    b'{"title": null, "url": "https://example.org/2", "width": 3.0, "more": {"deep": [1]}}\n'
)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("works.csv", CSV),
        ("works.csv", b"\xef\xbb\xbf" + CSV),
        ("works.CSV", CSV.replace(b'asleep"\n', b'asleep"\r\n').replace(b"title\n", b"title\r\n").replace(b"2,\n", b"2,\r\n")),
        ("works.tsv", CSV.replace(b"1,", b"1\t").replace(b"2,", b"2\t").replace(b"url,", b"url\t")),
        ("works.csv.gz", gzip.compress(CSV, mtime=0)),
        ("works.csv.gz", gzip.compress(CSV[:20], mtime=0) + gzip.compress(CSV[20:], mtime=0)),
        ("works.jsonl", JSON),
        ("works.ndjson.gz", gzip.compress(JSON, mtime=0)),
    ],
    ids=count(),
)  # fmt: skip
def test_the_same_works_in_every_form(tmp_path: Path, name: str, data: bytes) -> None:
    """Quotes, line breaks in cells, byte order marks, separators and packing do not change what is
    read.
    """
    (tmp_path / name).write_bytes(data)
    read = rows(open_list(tmp_path / name, staging=tmp_path))
    assert [(row["row_number"], row["url"], row["title"], row["reason"]) for row in read] == [
        (1, "https://example.org/1", 'a "cat",\nasleep', None),
        (2, "https://example.org/2", None, None),
    ]


def test_a_wrong_number_refuses_its_row(tmp_path: Path) -> None:
    """Types are checked row by row, in JSON lines as in CSV."""
    file = tmp_path / "works.jsonl"
    file.write_text('{"url": "https://a.org/1", "width": "wide"}\n{"url": "https://a.org/2", "width": 7}\n')
    assert [(row["width"], row["reason"]) for row in rows(open_list(file, staging=tmp_path))] == [
        (None, "width is not a number"),
        (7, None),
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"url,title\nx\n", "line 2: 1 field, expected 2; correct the line; no line of it can be read"),
        ("a.csv", b"url,title\n\xff\xfe,y\n", "line 2: bytes that are not UTF-8"),
        ("a.csv", b"url,ti\xfftle\nx,y\n", "line 1: byte 0xff is not UTF-8"),
        ("a.csv", b'url,title\nx,"y\n', "line 2: a quote is not closed"),
        ("a.csv", b"url,title\rx,y\rx,y,z\r", "carriage returns"),
        ("a.csv", b"u" * 3_000_000, "line 1 has more than"),
        ("a.csv", b"", "empty first line"),
        ("a.csv", b"url,\nx,y\n", "a column named ''"),
        ("a.csv", b"url,Url\nx,y\n", "the column 'Url' twice"),
        ("a.csv", b"url,a\0\nx,y\n", "a column named"),
        ("a.csv", b"\xff\xfeu\0r\0l\0", "UTF-16"),
        ("a.csv", b"colour;shape\nx;y\n", "no column of a.csv identifies the works"),
        ("a.csv.gz", gzip.compress(CSV * 9, mtime=0)[:-12], "gzip that is damaged or was cut off"),
        ("a.jsonl", b'{"url": "x", "URL": "y"}\n', "twice"),
        ("a.jsonl", b"", "no line with a JSON object"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl"),
        ("a.jsonl", b'{"url":' * 100_000 + b"1" + b"}" * 100_000, "line 1: JSON nested more than 200 deep"),
        ("a.jsonl", b'{"url": "' + b"x" * 5_000_000 + b'"}\n', "more than 2,097,152 bytes"),
        ("a.jsonl", b'{"url": "\xff"}\n', "UTF-8"),
        ("a.jsonl", json.dumps({f"k{n}": n for n in range(2_000)}).encode(), "more than 1,000 columns"),
        ("a.xlsx", b"PK\x03\x04", "is not a list that can be read: expected .parquet"),
    ],
    ids=count(),
)  # fmt: skip
def test_what_is_not_what_it_claims_to_be(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """A list that cannot be read as a whole is refused in one line that names the place."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        rows(open_list(tmp_path / name, staging=tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


QUOTE = "a quote is not closed, or text follows one; double quotes that are meant"
LONG = "a line of more than 2,097,152 bytes"
UTF8 = "bytes that are not UTF-8; save the list as UTF-8"
A_JSON_OBJECT = "; correct the line, which has to be one JSON object"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.csv", b"url,title\nftp://a,y\nx,y,z\nx\nftp://b,\n", [
            "ftp://a", "line 3: 3 fields, expected 2; correct the line", "line 4: 1 field, expected 2; correct the line",
            "ftp://b",
        ]),
        ("a.csv", b"url,title\nx" + b",x" * 50 + b"\nftp://a,,,\n", [
            "line 2: more than 22 fields, expected 2; correct the line", "ftp://a",
        ]),
        ("a.csv", b'url,title\nx,"y\nftp://a,z\nftp://b,"z"\n', [f"line 2: {QUOTE}", "ftp://a", "ftp://b"]),
        ("a.csv", b'url,title\nx,"y\nftp://a,z\n', [f"line 2: {QUOTE}", "ftp://a"]),
        ("a.csv", b'url,title\nx,"y"z\n"ftp://a","two\n\nlines"\n\nx,y,z\n', [
            f"line 2: {QUOTE}", "ftp://a", "line 7: 3 fields, expected 2; correct the line",
        ]),
        ("a.csv", b'url,title\nx,"one\n"two" three\nfour",y\nftp://a,\n', [
            f"line 2: {QUOTE}", f"line 3: {QUOTE}", f"line 4: {QUOTE}", "ftp://a",
        ]),
        ("a.csv", b"url;title\nftp://a;y\nx;\xff\nftp://b;\xc3\xa4\n", ["ftp://a", f"line 3: {UTF8}", "ftp://b"]),
        ("a.csv", b'url,title\nx,"\xff\nftp://no,in the cell"\nftp://b,\n', [f"line 2: {UTF8}", "ftp://b"]),
        ("a.csv", b"url,title\nx," + b"y" * 3_000_000 + b"\nftp://a,z\n", [f"line 2: {LONG}", "ftp://a"]),
        ("a.csv", b'url,title\nx,"' + b"y" * 3_000_000 + b"\nftp://a,z\n", [f"line 2: {LONG}", "ftp://a"]),
        ("a.csv", b'url,title\nx,"y\n' + b"z" * 3_000_000 + b"\nftp://a,z\n", [
            f"line 2: {QUOTE}", f"line 3: {LONG}", "ftp://a",
        ]),
        ("a.csv", b'url,title\nx,"y\n' + b"ftp://a,z\n" * 3, [f"line 2: {QUOTE}", *["ftp://a"] * 3]),
        ("a.csv.gz", gzip.compress(b"url,title\nftp://a,y\nx,y,z\n", mtime=0), [
            "ftp://a", "line 3: 3 fields, expected 2; correct the line",
        ]),
        ("a.csv", b"url,title\nftp://a,y\r\nftp://b,z\r\n", ["ftp://a", "ftp://b"]),
        ("a.csv", b'url,title\nftp://a, "two\nlines"\nx,y,z\n', [
            "ftp://a", "line 4: 3 fields, expected 2; correct the line",
        ]),
        ("a.csv", b'url\nftp://a\n\n"x"y\n', ["ftp://a", "row 2: neither path nor url nor hash", f"line 4: {QUOTE}"]),
        ("a.jsonl", b'{"url": "ftp://a"}\n\n{"url": \n{"url": "ftp://b", "n": 1e999}\n', [
            "ftp://a", f"line 3: not JSON: Expecting value{A_JSON_OBJECT}", "ftp://b",
        ]),
        ("a.jsonl", b'{"url": "x"} {}\n[1]\n{"url": "ftp://a"}', [
            f"line 1: not JSON: Extra data{A_JSON_OBJECT}", 'line 2: no JSON object, as in {"url": …}; correct the line',
            "ftp://a",
        ]),
        ("a.jsonl", b'{"url": "\\ud800"}\n{"a": 1, "a": 2}\n{"url": "ftp://a"}\n{"url": "\xff"}\n', [
            "line 1: not JSON: half of a surrogate pair; correct the line",
            "line 2: not JSON that can be read: the same name twice; correct the line", "ftp://a", f"line 4: {UTF8}",
        ]),
        ("a.jsonl", b'{"a":' * 300 + b"\n" + b'{"url": "' + b"x" * 5_000_000 + b'"}\n{"url": "ftp://a"}\n', [
            "line 1: JSON nested more than 200 deep", f"line 2: {LONG}", "ftp://a",
        ]),
        ("a.jsonl", b'\xef\xbb\xbf{"url": "ftp://a"}\n', ["ftp://a"]),
        ("a.jsonl", b'{"why this line cannot be read": "\\u001b"}\n{"url": "ftp://a"}\n[]', [
            "line 1: a name that is needed here, 'why this line cannot be read'; rename it", "ftp://a",
            'line 3: no JSON object, as in {"url": …}; correct the line',
        ]),
    ],
    ids=count(),
)  # fmt: skip
def test_malformed_lines_cost_no_other(tmp_path: Path, name: str, data: bytes, expected: list[str]) -> None:
    """Such a line is refused under its number in the file; what stands before and after it is read
    as ever.
    """
    (tmp_path / name).write_bytes(data)
    source = open_list(tmp_path / name, staging=tmp_path)
    read = rows(source)
    assert [row["row_number"] for row in read] == list(range(1, len(expected) + 1))
    found = [row["url"] if not row["reason"] else f"{source.place(row['row_number'])}: {row['reason']}" for row in read]
    assert found == expected
    assert set(source.mapping) | set(source.not_taken) <= {"url", "title", "n", "a"}


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_reads_what_was_written(cells: list[tuple[str, str]]) -> None:
    """Whatever text is in the cells comes back as it was, but for empty ones and blanks around."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "path", "x"), *((str(number), *row) for number, row in enumerate(cells))])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "works.csv")
        file.write_text(text.getvalue(), encoding="utf-8", newline="")
        read = rows(open_list(file, mapping={"url": "path"}, attributes=["x"], staging=Path(folder)))
    assert [row["url"] for row in read] == [a.strip(BLANKS) or None for a, _ in cells]
    assert [json.loads(row["attributes"])["x"] if row["attributes"] else "" for row in read] == [b for _, b in cells]


STARTS = [
    ("works.csv", b"url,title\n"),
    ("works.csv", b""),
    ("works.jsonl", b""),
    ("works.csv.gz", b"\x1f\x8b"),
    ("works.parquet", b"PAR1"),
    ("works.json", b""),
]
KEYS = st.sampled_from(["url", "distribution", "recordSet", "field", "source", "@id", "a"])
JSON_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(STARTS),
    st.binary(max_size=80)
    | st.text(alphabet='a,"\n\r\\;\t{}[]:0 \0é', max_size=60).map(str.encode)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode()),
)
def test_any_bytes_are_read_or_refused(start: tuple[str, bytes], data: bytes) -> None:
    """Whatever a list holds, it is read to the last row, or refused with an input error of one
    line.
    """
    name, head = start
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(head + data)
        refused = ""
        try:
            source = open_list(file, staging=Path(folder))
            read = rows(source)
        except InputError as error:
            refused = str(error)
        else:
            assert len(read) == source.rows
    assert "\n" not in refused
