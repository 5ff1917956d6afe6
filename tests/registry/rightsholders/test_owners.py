"""Owner tables: unreadable ones are errors that name the line, unusable rows are listed, the rest
counts.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.errors import InputError
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import Declaration, FolderPerRightsholder, NoDeclaration
from registry.ingest.owners.table import OwnerTable
from tests.support.works import write

HASH = "ab" * 32
BOM = b"\xef\xbb\xbf"


def table(tmp_path: Path, text: str | bytes, **options: object) -> OwnerTable:
    """An owner table with this text."""
    data = text.encode() if isinstance(text, str) else text
    return OwnerTable(write(tmp_path / "owners.csv", data), **options)  # type: ignore[arg-type]  # of the caller's


def owner(source: OwnerTable, path: str, sha256: str = HASH) -> str | None:
    """Whose the file is; the reason if nobody's is stated."""
    found = source.declare(path, sha256)
    return found.reason if isinstance(found, NoDeclaration) else found.rightsholder


def test_everything_stated_is_declared_and_further_columns_are_attributes(tmp_path: Path) -> None:
    """Empty fields are not stated; other spellings of column names are understood."""
    source = table(
        tmp_path,
        "Path,Rightsholder,License,TITLE,creator,URL,style,Year\n"
        "a.png, Ada ,CC0-1.0,Sun,Bob,https://example.org/1,flat,1999\nb.png,Zoe,,,,,,\n",
        licence="MIT",
    )
    assert source.declare("a.png", HASH) == Declaration(
        "owners.csv", "Ada", "CC0-1.0", "Sun", "Bob", "https://example.org/1", {"style": "flat", "Year": "1999"}
    )
    assert source.declare("b.png", HASH) == Declaration("owners.csv", "Zoe", "MIT", attributes={})
    assert not source.findings
    assert not source.unused()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", BOM])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spreadsheets_of_all_kinds_are_read(tmp_path: Path, separator: str, start: bytes, end: str) -> None:
    """Separators, byte order mark, line ends, quotes, line breaks in fields, blank lines."""
    lines = ["path,title,rightsholder", '"a b.png","two\nlines, ""quoted""",Ada', "", "c.png,=1+1,Zoë"]
    text = end.join(line.replace(",", separator) for line in lines)
    source = table(tmp_path, start + text.encode())
    first = source.declare("a b.png", HASH)
    assert isinstance(first, Declaration)
    assert first.title == f'two\nlines{separator} "quoted"'
    assert owner(source, "c.png") == "Zoë"
    assert not source.findings


def test_paths_match_however_they_are_written(tmp_path: Path) -> None:
    """Windows' separators, ``./``, doubled slashes, letters composed or decomposed."""
    source = table(tmp_path, "path,rightsholder\n.\\sub\\a.png,Ada\n./b//c.png,Bob\nCafe\u0301.png,Zoe\n")
    assert [owner(source, path) for path in ("sub/a.png", "b/c.png", "Caf\u00e9.png")] == ["Ada", "Bob", "Zoe"]


def test_rows_can_name_content_instead_of_paths(tmp_path: Path) -> None:
    """By SHA-256, in either case; and with both columns the hash must agree with the file at the
    path.
    """
    source = table(tmp_path, f"sha256,rightsholder\n{HASH.upper()},Ada\nxyz,Bob\n")
    assert owner(source, "anything.png") == "Ada"
    assert owner(source, "anything.png", "cd" * 32) == "no owner stated: owners.csv has no row for it"
    assert source.findings == [
        Finding("xyz", Kind.ROW, "line 3 of owners.csv: its sha256 is not 64 hexadecimal digits")
    ]
    both = table(tmp_path, f"path,sha256,rightsholder\na.png,{HASH},Ada\nb.png,,Bob\n")
    assert owner(both, "a.png") == "Ada"
    assert owner(both, "b.png") == "Bob"
    assert owner(both, "a.png", "cd" * 32) == "its content is not that of line 2 of owners.csv (another sha256)"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"file,owner\na.png,Ada\n",
            "has the columns 'file', 'owner'; expected 'path' or 'sha256', and 'rightsholder'",
        ),
        (b"path,licence\na.png,MIT\n", "expected 'path' or 'sha256', and 'rightsholder'"),
        (b"", "is empty"),
        (b"path,rightsholder,path\n", "has the column 'path' twice"),
        (b"path,rightsholder,licence,license\n", "has the column 'licence' twice"),
        (b"path,rightsholder,\n", "a column without a name"),
        (b"path,rightsholder\na.png,Ada\nb.png,Zo\xeb\n", "line 3: byte 0xeb is not UTF-8"),
        (BOM + b"path,rightsholder\na.png,Zo\xeb\n", "line 2: byte 0xeb is not UTF-8"),
        ("path,rightsholder\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
        (b'path,rightsholder\na.png,"Ada\n', "line 2: unexpected end of data"),
        (b"path,rightsholder\na.png," + b"x" * 200_000 + b"\n", "line 2: field larger than field limit"),
        (b"PAR1 but nothing else", "not a Parquet file"),
    ],
)
def test_a_table_that_cannot_be_understood_is_an_error_that_says_where(
    tmp_path: Path, data: bytes, message: str
) -> None:
    """Before anything is registered."""
    with pytest.raises(InputError, match=message.replace("(", "\\(")):
        table(tmp_path, data)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """So is a folder in its place."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="cannot read the owner table"):
            OwnerTable(path)


def test_unusable_rows_are_listed_with_their_line_and_the_rest_counts(tmp_path: Path) -> None:
    """Paths that leave the folder, too few or too many fields, control characters, no path."""
    source = table(
        tmp_path,
        "path,rightsholder\n../up.png,Ada\n/abs.png,Ada\nC:\\win.png,Ada\nsub/../../x.png,Ada\n"
        'short.png\nlong.png,Ada,more\nnul.png,A\0da\nline.png,"A\nda"\n,Ada\ngood.png,Ada\n',
    )
    reasons = {finding.path: finding.reason for finding in source.findings}
    assert all(finding.kind is Kind.ROW for finding in source.findings)
    for number, path in enumerate(("../up.png", "/abs.png", "C:\\win.png", "sub/../../x.png"), start=2):
        assert (
            reasons[path]
            == f"line {number} of owners.csv: a path that leaves the folder; expected a path relative to the folder"
        )
    assert reasons["short.png"] == "line 6 of owners.csv: 1 fields, expected 2"
    assert reasons["long.png"] == "line 7 of owners.csv: 3 fields, expected 2"
    assert reasons["nul.png"] == "line 8 of owners.csv: control characters in 'rightsholder'"
    assert reasons["line.png"] == "line 9 of owners.csv: control characters in 'rightsholder'"
    assert reasons[""] == "line 11 of owners.csv: no path"
    assert owner(source, "good.png") == "Ada"
    assert owner(source, "short.png") == "no owner stated: owners.csv has no row for it"


def test_a_path_given_twice_counts_only_if_both_rows_agree(tmp_path: Path) -> None:
    """Two owners for one work is a question for people; both cases are listed."""
    source = table(tmp_path, "path,rightsholder\na.png,Ada\n./a.png,Ada\nb.png,Ada\nb.png,Zoe\n")
    assert owner(source, "a.png") == "Ada"
    assert owner(source, "b.png") == "its owner is unclear: lines 4 and 5 of owners.csv contradict each other"
    assert [finding.reason for finding in source.findings] == [
        "lines 2 and 3 of owners.csv say the same",
        "lines 4 and 5 of owners.csv contradict each other",
    ]


def test_files_without_an_owner_are_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    """No row, and a row without a rightsholder."""
    text = "path,rightsholder,licence\na.png,,MIT\n"
    source = table(tmp_path, text)
    assert owner(source, "a.png") == "no owner stated: line 2 of owners.csv has no rightsholder"
    assert owner(source, "b.png") == "no owner stated: owners.csv has no row for it"
    allowed = table(tmp_path, text, allow_unowned=True, licence="CC0-1.0")
    emptied = frozenset({"rightsholder"})
    assert allowed.declare("a.png", HASH) == Declaration("owners.csv", licence="MIT", attributes={}, empty=emptied)
    assert allowed.declare("b.png", HASH) == Declaration("owners.csv", licence="CC0-1.0")


def test_rows_of_no_file_are_listed(tmp_path: Path) -> None:
    """The table knows works that the folder does not have."""
    source = table(tmp_path, "path,rightsholder\na.png,Ada\nb.png,Ada\n")
    source.declare("a.png", HASH)
    assert source.unused() == [Finding("b.png", Kind.ROW, "line 3 of owners.csv: no such file in the folder")]


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    """Numbers and missing values become text and nothing; nested columns are refused."""
    path = tmp_path / "owners.parquet"
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "rightsholder": ["Ada", None], "year": [1999, None]}), path)
    source = OwnerTable(path)
    assert source.declare("a.png", HASH) == Declaration("owners.parquet", "Ada", attributes={"year": "1999"})
    assert owner(source, "b.png") == "no owner stated: line 2 of owners.parquet has no rightsholder"
    pq.write_table(pa.table({"path": ["a.png"], "rightsholder": ["Ada"], "tags": [["x"]]}), path)
    with pytest.raises(InputError, match="column 'tags' of type list"):
        OwnerTable(path)


def test_the_first_folder_names_the_rightsholder() -> None:
    """Files beside the folders have none."""
    source = FolderPerRightsholder("CC0-1.0")
    assert source.declare("Ada/deep/a.png", HASH) == Declaration("folder name", "Ada", "CC0-1.0")
    assert source.declare("a.png", HASH) == NoDeclaration("no owner stated: it is not in a rightsholder's folder")
    assert isinstance(source.declare("A\nda/a.png", HASH), NoDeclaration)
    assert FolderPerRightsholder(None, allow_unowned=True).declare("a.png", HASH) == Declaration("folder name")
