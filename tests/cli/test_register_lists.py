"""``creditline register`` with lists, archives and what is neither: kinds, mappings, dry runs,
errors.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.registry.ingest.lists.reading import write_parquet
from tests.support.running import Creditline
from tests.support.works import encoded, picture, write

URLS = ["https://example.org/1.jpg", "https://example.org/2.jpg"]


def counted(creditline: Creditline) -> int:
    """Works in the registry."""
    return int(creditline("status", "--json").document["counts"]["asset"])


def test_a_list_is_mapped_shown_and_registered(creditline: Creditline, tmp_path: Path) -> None:
    """The dry run shows rows, mapping and refusals and changes nothing; then the same goes in,
    once.
    """
    creditline("init")
    path = tmp_path / "works.csv"
    path.write_text("URL,maker,mood\nhttps://example.org/1.jpg,Ada,calm\nmailto:x,Ada,\n", encoding="utf-8")
    arguments = ("register", path, "--map", "url=URL", "--map", "rightsholder=maker", "--set", "licence=CC0-1.0")
    shown = creditline(*arguments, "--attribute", "mood", "--dry-run")
    assert shown.status == 0
    assert "https://example.org/1.jpg" in shown.out
    assert "rightsholder = maker" in shown.err
    assert "licence = the value 'CC0-1.0'" in shown.err
    assert "url is not one of http, https, ftp, s3 or gs (row 2)" in shown.err
    assert "2 rows read, 1 would be refused; nothing was changed" in shown.out
    assert counted(creditline) == 0
    document = creditline(*arguments, "--dry-run", "--json").document
    assert [(row["row_number"], row["url"], row["licence"]) for row in document["first"]] == [(1, URLS[0], "CC0-1.0")]
    assert (document["rows"], document["looked_at"], document["registered"]) == (2, 2, 1)
    assert [(refusal["rows"], refusal["first"]) for refusal in document["refusals"]] == [(1, [2])]
    taken = creditline(*arguments)
    assert (taken.status, "1 of 2 rows are registered works" in taken.out) == (0, True)
    assert "not taken: mood" in taken.err
    again = creditline(*arguments, "--json").document
    assert (again["registered"], again["unchanged"], again["refused"]) == (0, 1, 1)
    assert creditline(*arguments, "--strict").status == 1
    assert counted(creditline) == 1


def test_what_a_list_contradicts_and_what_it_breaks_is_told(creditline: Creditline, tmp_path: Path) -> None:
    """Conflicts and malformed lines are named on stderr and in --json, and with --strict the exit
    status tells.
    """
    creditline("init")
    path = tmp_path / "a.csv"
    path.write_text("url,owner\nhttps://a.org/1,Ada\n", encoding="utf-8")
    first = creditline("register", path)
    assert "data set a.csv: 1 of 1 row is a registered work" in first.out
    path = tmp_path / "b.csv"
    path.write_text("url,owner\nhttps://a.org/1,Bob\nhttps://a.org/2,Bob,\nx,y,z\n", encoding="utf-8")
    told = creditline("register", path)
    assert told.status == 0
    assert "refused: 1 row: 3 fields, expected 2; correct the line (line 4)" in told.err
    assert (
        "conflict: row 1: names for work 0 the rightsholder 'Bob', where 'Ada' was recorded from a.csv; "
        "both stay on record, the stricter counts" in told.err
    )
    assert "1  conflicts between declarations" in told.out
    path.write_text("url,owner\nhttps://a.org/1,Eve\n", encoding="utf-8")
    document = creditline("register", path, "--data-set", "c", "--json", "--strict")
    assert (document.status, document.document["conflicts"]) == (1, 1)
    assert document.document["findings"][0]["kind"] == "conflict"
    assert creditline("doctor").status == 0
    assert creditline("log", "verify").status == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "works.parquet is an empty file (0 bytes), expected Parquet; write or download it again"),
        (b"PAR1", "works.parquet has 4 bytes, too few for a Parquet file"),
        (None, "works.parquet has columns but no rows"),
    ],
)
def test_empty_parquet_says_what_is_wrong(
    creditline: Creditline, tmp_path: Path, data: bytes | None, message: str
) -> None:
    """Whether the file is empty or the table in it, in one line with what to do."""
    creditline("init")
    path = tmp_path / "works.parquet"
    if data is None:
        write_parquet(path, {"url": pa.array([], pa.string())})
    else:
        path.write_bytes(data)
    found = creditline("register", path, "--rightsholder", "Ada")
    assert found.status == 2
    assert message in found.err


@pytest.mark.parametrize(
    ("columns", "preset"),
    [
        ({"URL": URLS, "TEXT": ["a", "b"], "NSFW": ["x", "y"]}, "laion"),
        ({"id": ["1", "2"], "url": URLS, "mime_type": ["image/jpeg"] * 2, "hash": ["0" * 32, "1" * 32]}, "pd12m"),
        ({"url": URLS, "key": ["0", "1"], "status": ["success"] * 2, "sha256": ["0" * 64, "1" * 64]}, "img2dataset"),
    ],
)  # fmt: skip
def test_known_layouts_need_an_owner(
    creditline: Creditline, tmp_path: Path, columns: dict[str, object], preset: str
) -> None:
    """None of them says whose the works are; the error names the three ways out, and each works."""
    creditline("init")
    path = write_parquet(tmp_path / "works.parquet", columns)
    refused = creditline("register", path)
    assert refused.status == 2
    for way in ("--rightsholder", "--map rightsholder=", "--allow-unowned"):
        assert way in refused.err
    taken = creditline("register", path, "--rightsholder", "Ada", "--json").document
    assert (taken["preset"], taken["registered"]) == (preset, 2)


def test_the_parquet_beside_shards_can_be_read_alone(creditline: Creditline, tmp_path: Path) -> None:
    """img2dataset's folder is known as such; with --metadata-only its lists are registered and no
    image is.
    """
    creditline("init")
    folder = tmp_path / "shards"
    folder.mkdir()
    write_parquet(
        folder / "00000.parquet", {"url": URLS, "key": ["0", "1"], "status": ["success"] * 2, "caption": ["a", "b"]}
    )
    with tarfile.open(folder / "00000.tar", "w") as shard:
        for name, data in (("0.jpg", encoded(picture(1), "JPEG")), ("0.json", b'{"url": "https://example.org/1.jpg"}')):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    alone = creditline("register", folder, "--metadata-only", "--allow-unowned", "--json").document
    assert (alone["rows"], alone["registered"]) == (2, 2)
    files = creditline("register", folder, "--data-set", "files", "--allow-unowned", "--no-near-duplicates", "--json")
    assert (files.document["kind"], files.document["registered"]) == ("shards", 1)


def test_files_can_be_looked_at_first(creditline: Creditline, tmp_path: Path) -> None:
    """A dry run of a folder or an archive shows how many files there are and whose the first would
    be.
    """
    creditline("init")
    data = encoded(picture(1))
    write(tmp_path / "works" / "a.png", data)
    write(tmp_path / "works" / "b.doc", b"text")
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("deep/a.png", data)
    folder = creditline("register", tmp_path / "works", "--rightsholder", "Ada", "--dry-run", "--json").document
    assert (folder["kind"], folder["files"]) == ("folder", 2)
    assert [(row["path"], row["rightsholder"]) for row in folder["first"] if not row["reason"]] == [("a.png", "Ada")]
    archived = creditline("register", tmp_path / "w.zip", "--rightsholder", "Ada", "--dry-run")
    assert "deep/a.png" in archived.out
    assert counted(creditline) == 0
    around = ("register", tmp_path, "--data-set", "all", "--rightsholder", "Ada", "--no-near-duplicates", "--json")
    files = creditline(*around, "--dry-run").document["files"]  # the home is left out, like the copy in it
    assert (files, creditline("status", "--json").document["home"]) == (3, str(tmp_path / "home"))
    creditline("register", tmp_path / "w.zip", "--rightsholder", "Ada", "--no-near-duplicates")
    assert counted(creditline) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("works.csv", "--map", "rightsholder"), "got --map 'rightsholder', expected FIELD=COLUMN"),
        (("works.csv", "--set", "a=1", "--set", "a=2"), "got --set a twice"),
        (("works.csv", "--map", "colour=url", "--allow-unowned"), "no canonical column 'colour'"),
        (("works.csv", "--preset", "coco", "--allow-unowned"), "no preset 'coco'"),
        (("works.csv", "--owners", "o.csv"), "--owners and --folder-per-rightsholder are for files"),
        ((".", "--rightsholder", "Ada", "--preset", "laion"), "are for lists of works"),
        (("nothing.csv", "--rightsholder", "Ada"), "nothing.csv does not exist"),
        (("ftp://host/list.csv", "--rightsholder", "Ada"), "expected one that begins with s3://, gs://, https://"),
        (("file://host/list.csv", "--rightsholder", "Ada"), "expected file:///PATH"),
        (("/dev/null", "--rightsholder", "Ada"), "/dev/null is a device or a pipe"),
        (("a.png", "--rightsholder", "Ada"), "for single images give their folder"),
    ],
)
def test_what_cannot_be_meant_says_what_to_do(
    creditline: Creditline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    """Exit 2 with one line, and nothing is registered."""
    creditline("init")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "works.csv").write_text("url\nhttps://example.org/1\n", encoding="utf-8")
    write(tmp_path / "a.png", encoded(picture(1)))
    found = creditline("register", *arguments)
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert counted(creditline) == 0


@pytest.mark.slow
def test_two_at_once_name_the_process(creditline: Creditline, tmp_path: Path) -> None:
    """A list is not registered while somebody else holds the registry; the message says who."""
    creditline("init")
    path = write_parquet(tmp_path / "works.parquet", {"url": URLS, "rightsholder": ["Ada"] * 2})
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", program, f"{creditline.home}/registry.duckdb"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = creditline("register", path)
        process.kill()
    assert found.status == 3
    assert f"is in use by process {process.pid} (" in found.err
    assert creditline("register", path).status == 0
