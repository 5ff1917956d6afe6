"""init, register, works, rightsholders, status, migrate: what is printed where, and every exit
status.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry.storage.relation_names import SCHEMA_VERSION
from tests.registry.metadata.files import packet, with_xmp
from tests.support.golden import check_golden
from tests.support.running import Creditline
from tests.support.works import encoded, picture, write, write_pictures

GOLDEN = Path(__file__).parent / "golden" / "shapes.json"


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The form of a JSON document: names and types; of a list, its first item's."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "null" if value is None else type(value).__name__


def test_the_way_from_a_folder_to_an_encoding(creditline: Creditline, works: Path, owners: Path) -> None:
    """The commands of the tour, each with its answer on stdout alone."""
    assert creditline("init").out.strip() == str(creditline.home)
    registered = creditline("register", works, "--owners", owners)
    assert registered.status == 0
    assert "3 of 3 files are registered works" in registered.out
    assert "Sun" in creditline("works", "--rightsholder", "Ada Example").out
    assert creditline("rightsholders").out.split() == [
        *("rightsholder_id", "rightsholder", "works", "licences"),
        *("0", "Ada", "Example", "1", "CC-BY-4.0"),
        *("1", "Zoe", "Example", "2", "CC0-1.0"),
    ]
    assert "210" in creditline("plan", "--within", "none", "--members", 10).out
    planned = creditline("plan", "--members", 10, "--json").document
    assert (planned["within"], planned["plans"][0]["m"], planned["plans"][0]["h"]) == ("rightsholder", 8, 3)
    assert [left["worst"] for left in planned["plans"][0]["group_survivors"]] == [2, 0]
    encoding = creditline("encode", "--members", 10)
    assert "codes nest within rightsholder: 2 groups with a support of 8 of 10 members each" in encoding.err
    assert "when any one of them is withdrawn, 2 members serve on" in encoding.err
    assert encoding.out.strip() in creditline("status").out
    assert creditline("encode", "--members", 10).out == encoding.out
    chosen = creditline("encode", "--json").document
    assert (chosen["within"], chosen["n"], chosen["support"], chosen["h"]) == ("rightsholder", 13, 10, 4)


def test_the_json_documents_keep_their_shape(creditline: Creditline, works: Path, owners: Path) -> None:
    """Names and types are what others' scripts rely on; the golden file says which."""
    write(works / "bad.png", b"no image")
    documents = {
        "init": creditline("init", "--json"),
        "register": creditline("register", works, "--owners", owners, "--json"),
        "works": creditline("works", "--json"),
        "rightsholders": creditline("rightsholders", "--json"),
        "plan": creditline("plan", "--members", 10, "--json"),
        "encode": creditline("encode", "--unit", "style", "--members", 10, "--json"),
        "status": creditline("status", "--json"),
        "migrate": creditline("migrate", "--json"),
    }
    assert {outcome.status for outcome in documents.values()} == {0}
    assert all(outcome.document["creditline"] == name for name, outcome in documents.items())
    assert all(outcome.document["version"] == 1 for outcome in documents.values())
    shapes = {name: shape(outcome.document) for name, outcome in documents.items()}
    check_golden(GOLDEN, (json.dumps(shapes, indent=2, ensure_ascii=False) + "\n").encode())


def test_json_says_what_the_registry_holds(creditline: Creditline, works: Path, owners: Path) -> None:
    """Attributes as an object, times in ISO 8601 with their zone."""
    creditline("init")
    creditline("register", works, "--owners", owners)
    rows = creditline("works", "--json").document["works"]
    assert [(row["path"], row["title"], row["attributes"]) for row in rows] == [
        ("deep/star.png", "Star", {"style": "round"}),
        ("moon.png", "Moon", {"style": "flat"}),
        ("sun.png", "Sun", {"style": "flat"}),
    ]
    assert rows[0]["registered_at"].endswith("+00:00")
    encoding = creditline("encode", "--unit", "style", "--members", 4, "--weight", 1, "--seed", 3, "--json").document
    assert (encoding["n"], encoding["h"], encoding["seed"], encoding["unit_column"]) == (4, 1, 3, "style")
    assert (encoding["plan"]["units"], encoding["plan"]["works"], encoding["works_outside"]) == (2, 3, 0)


def test_what_was_refused_is_told_on_stderr_and_the_rest_goes_in(
    creditline: Creditline, works: Path, owners: Path
) -> None:
    """Exit 0; 1 with --strict; the list is in --json too."""
    creditline("init")
    write(works / "bad\x1b[31m.png", b"no image")
    found = creditline("register", works, "--owners", owners)
    assert found.status == 0
    assert "refused: bad\N{REPLACEMENT CHARACTER}[31m.png: not an image" in found.err
    assert "\x1b[31m" not in found.err + found.out
    strict = creditline("register", works, "--owners", owners, "--strict", "--json")
    assert strict.status == 1
    assert [item["kind"] for item in strict.document["findings"]] == ["refused"]
    (works / "bad\x1b[31m.png").unlink()
    assert creditline("register", works, "--owners", owners, "--strict").status == 0


@pytest.mark.slow
def test_a_dry_run_tells_everything_and_changes_nothing(creditline: Creditline, tmp_path: Path) -> None:
    """What lands and as what, what is refused, in conflict or known; the registration then does
    just that.
    """
    creditline("init")
    folder = write_pictures(tmp_path / "art", ["Ada/a.png", "Ada/b.png", "c.png"])
    notice = packet("<dc:rights>Bob Other</dc:rights>")
    write(folder / "Ada" / "said.jpg", with_xmp("JPEG", notice.encode()))
    write(folder / "Ada" / "bomb.jpg", with_xmp("JPEG", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'))
    write(folder / "Zoe" / "notes.doc", b"text")
    command = ("register", folder, "--folder-per-rightsholder", "--licence", "MIT", "--no-near-duplicates")
    counts = creditline("status", "--json").document["counts"]
    told = creditline(*command, "--dry-run")
    assert told.status == 0
    assert "data set art: 4 of 6 files would be registered; nothing was changed" in told.out
    assert "copyright notice: Bob Other" in told.out
    assert "2  would be refused" in told.out
    assert "1  conflicts with embedded metadata or between declarations" in told.out
    assert "refused: Zoe/notes.doc: not an image" in told.err
    assert "conflict: Ada/said.jpg: declared for 'Ada'" in told.err
    assert "bomb.jpg: XMP cannot be read: it has a document type definition" in told.err
    document = creditline(*command, "--dry-run", "--json").document
    assert creditline("status", "--json").document["counts"] == counts
    assert "data set" not in creditline("log").out
    done = creditline(*command, "--json").document
    assert (document["works"], document["refused"], document["conflicts"]) == (4, 2, 1)
    for name in ("refused", "conflicts", "embedded", "findings", "counts"):
        assert document[name] == done[name], name
    again = creditline(*command, "--dry-run", "--json", "--strict")
    assert (again.document["works"], again.document["known"], again.status) == (0, 4, 1)
    (folder / "Ada" / "a.png").rename(folder / "Ada" / "z.png")
    (folder / "Ada" / "b.png").unlink()
    moved = creditline(*command, "--dry-run", "--json").document
    assert (moved["known"], moved["moved"], moved["missing"]) == (3, 1, 1)
    assert "works moved" not in creditline("log").out


def test_nothing_registered_is_bad_input(creditline: Creditline, works: Path, tmp_path: Path) -> None:
    """Every file refused, or none there."""
    creditline("init")
    table = write(tmp_path / "other.csv", b"path,rightsholder\nnothing.png,Ada\n")
    found = creditline("register", works, "--owners", table)
    assert found.status == 2
    assert "no work of" in found.err
    assert "no owner stated: other.csv has no row for it" in found.err
    (tmp_path / "empty").mkdir()
    assert creditline("register", tmp_path / "empty", "--rightsholder", "Ada").status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "got 0 sources of rightsholders"),
        (("--rightsholder", "Ada", "--folder-per-rightsholder"), "got 2 sources of rightsholders"),
        (("--rightsholder", " "), "expected one line of text"),
        (("--rightsholder", "A\nda"), "expected one line of text"),
        (("--owners", "nothing.csv"), "cannot read the owner table nothing.csv"),
        (("--rightsholder", "Ada", "--workers", "0"), "Invalid value"),
    ],
)
def test_a_registration_that_cannot_be_meant_is_refused(
    creditline: Creditline, works: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Exit 2 with one line, and nothing is registered."""
    creditline("init")
    found = creditline("register", works, *arguments)
    assert found.status == 2
    assert message in found.err
    assert creditline("status", "--json").document["counts"]["asset"] == 0


def test_a_table_that_cannot_be_read_is_one_line_that_says_where(
    creditline: Creditline, works: Path, tmp_path: Path
) -> None:
    """Missing columns name those found; bad UTF-8 names the line."""
    creditline("init")
    for data, message in (
        (b"file,owner\n", "has the columns 'file', 'owner'; expected 'path' or 'sha256', and 'rightsholder'"),
        (b"path,rightsholder\nsun.png,Zo\xeb\n", "line 2: byte 0xeb is not UTF-8"),
    ):
        found = creditline("register", works, "--owners", write(tmp_path / "bad.csv", data))
        assert (found.status, found.out) == (2, "")
        assert message in found.err
        assert "Traceback" not in found.err


def test_without_a_registry_commands_say_how_to_make_one(creditline: Creditline, works: Path) -> None:
    """Exit 2; nothing is created."""
    for arguments in (
        ("register", works, "--rightsholder", "Ada"),
        ("works",),
        ("rightsholders",),
        ("status",),
        ("migrate",),
        ("plan",),
        ("encode", "--members", 10),
    ):
        found = creditline(*arguments)
        assert (found.status, found.out) == (2, "")
        assert "run `creditline init --home" in found.err
    assert not Path(creditline.home).exists()


@pytest.mark.reopens  # the file is written over
def test_a_damaged_registry_is_status_3(creditline: Creditline) -> None:
    """So is one of another schema version."""
    creditline("init")
    database = Path(creditline.home) / "registry.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    found = creditline("status")
    assert found.status == 3
    assert f"has schema 99, this creditline reads schema {SCHEMA_VERSION}; install a newer creditline" in found.err
    database.write_bytes(b"nonsense" * 100)
    found = creditline("works")
    assert found.status == 3
    assert "is not a registry" in found.err


@pytest.mark.slow
def test_a_locked_registry_is_status_3_and_names_the_process(creditline: Creditline) -> None:
    """After a short wait."""
    creditline("init")
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", program, f"{creditline.home}/registry.duckdb"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = creditline("status")
        process.kill()
    assert found.status == 3
    assert f"is in use by process {process.pid} (" in found.err


def test_too_many_units_and_unknown_columns_are_status_2(creditline: Creditline, works: Path, owners: Path) -> None:
    """With what would do."""
    creditline("init")
    creditline("register", works, "--owners", owners)
    found = creditline("encode", "--within", "none", "--members", 2)
    assert (found.status, found.out) == (2, "")
    assert "3 units, but 2 members with weight 1 have codes for 1; use 3 members or more" in found.err
    found = creditline("encode", "--members", 4, "--support", 3, "--weight", 1)
    assert (found.status, found.out) == (2, "")
    assert "codes of different groups would be equal in nearly every draw; --members" in found.err
    found = creditline("encode", "--extend", "nothing")
    assert (found.status, found.out) == (2, "")
    found = creditline("encode", "--members", 4, "--unit", "artist")
    assert (found.status, found.out) == (2, "")
    assert "columns: caption, creator, data_set, licence, rightsholder, style" in found.err
    assert creditline("encode", "--within", "none", "--members", 65).status == 2
    assert creditline("plan", "--members", 4, "--weight", 4).status == 2
    assert creditline("encode", "--members", 4, "--weight", 0).status == 2


def test_works_outside_an_encoding_are_told(creditline: Creditline, works: Path, owners: Path) -> None:
    """A work without a value for the unit."""
    creditline("init")
    write(works / "new.png", encoded(picture(77)))
    creditline("register", works, "--owners", owners, "--allow-unowned")
    found = creditline("encode", "--unit", "rightsholder", "--members", 4)
    assert found.status == 0
    assert "left out: 1 without a value in the unit" in found.err
    assert "so few decoys cannot support q <= 0.05" in found.err


def test_a_folder_per_rightsholder_needs_no_table(creditline: Creditline, tmp_path: Path) -> None:
    """The licence is for all."""
    creditline("init")
    for number, name in enumerate(("Ada", "Zoe")):
        write(tmp_path / "agencies" / name / "a.png", encoded(picture(number)))
    assert creditline("register", tmp_path / "agencies", "--folder-per-rightsholder", "--licence", "MIT").status == 0
    rows = creditline("works", "--json").document["works"]
    assert [(row["rightsholder"], row["licence"]) for row in rows] == [("Ada", "MIT"), ("Zoe", "MIT")]


def test_long_lists_say_how_much_is_left(creditline: Creditline, works: Path) -> None:
    """A page is as long as --limit says; how many there are is told, in JSON too."""
    creditline("init")
    creditline("register", works, "--rightsholder", "Ada")
    found = creditline("works", "--limit", 2)
    assert len(found.out.splitlines()) == 3
    assert "2 of 3 works" in found.err
    page = creditline("works", "--limit", 2, "--offset", 2, "--json").document
    assert (len(page["works"]), page["total"], page["offset"]) == (1, 3, 2)
