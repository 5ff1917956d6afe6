"""Telling a document that is as it was issued from one that is not, and what the registry would
say today.
"""

from __future__ import annotations

import datetime
import hashlib
import html
import io
import json
import os
import re
import shutil
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer import Typer
from typer.testing import CliRunner

from cli.commands.publish.report import report
from registry.errors import CreditlineError, InputError, IntegrityError
from registry.home import Home
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from reports.checking import document_check as verifying
from reports.checking.document_check import Checked, check_document
from reports.issuing.issue import EVENT, File, record_issue, write_file
from reports.issuing.stamp import PARQUET_KEY, Stamp, beside
from reports.outputs.selection import newest_audits, unaudited_samples
from reports.outputs.write import WrittenReports, write_reports
from tests.support.world import NOON, World, make_world

LATER = NOON + datetime.timedelta(days=2)
REPORT = "dfa508c296aa"
FILES = (f"{REPORT}.html", f"{REPORT}.json", "index.html", "index.json", "candidates.csv", "candidates.parquet")
CARRYING = tuple(name for name in FILES if name != "candidates.csv")
app = Typer()
app.add_typer(report, name="report")
app.callback()(lambda: None)


@pytest.fixture(scope="module")
def given_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home, and beside it the reports that were issued; copied, not changed."""
    folder = tmp_path_factory.mktemp("given-out")
    world = make_world(folder / "home")
    # Something must have happened for the log to have an end that is its own.
    record_review(world.registry, "asset", [9], Permission.PERMITTED, "ours", now=NOON)
    world.add_audit((0, 30), sample=world.add_sample(0))
    world.add_sample(6)
    site = world.render(folder / "out")
    record_issue(world.registry, site.issued, LATER)
    return folder


@pytest.fixture
def place(given_out: Path, tmp_path: Path) -> Path:
    """A copy of both, to be changed."""
    shutil.copytree(given_out, tmp_path / "copy")
    return tmp_path / "copy"


def opened(place: Path) -> Registry:
    return Registry.open(Home(place / "home"))


def check(place: Path, name: str) -> Checked:
    return check_document(opened(place), place / "out" / name)


def stamp_of_file(path: Path) -> Stamp:
    """The stamp that a file carries, which there is."""
    found = verifying.stamp_in(path, io.BytesIO(path.read_bytes()))
    assert found is not None
    return found


@pytest.mark.parametrize("name", FILES)
def test_what_was_given_out_is_unaltered(given_out: Path, name: str) -> None:
    """By its hash, with the event that names it; its stamp agrees; the registry says the same; its
    own issue is no news.
    """
    found = check(given_out, name)
    assert (found.state, found.whole, found.stamp_fits) == ("unaltered", True, True)
    assert (found.facts, found.reason, found.events_since) == ("same", "", {})
    assert found.issued is not None
    assert found.issued.name == name
    assert found.stamp is not None
    assert found.stamp.facts_sha256 == found.issued.facts_sha256
    with opened(given_out).connection() as connection:
        row = connection.execute("SELECT kind FROM event WHERE sequence = ?", [found.event]).fetchone()
    assert row == (EVENT,)


@pytest.mark.parametrize("name", FILES)
def test_a_document_may_be_renamed_and_moved(given_out: Path, tmp_path: Path, name: str) -> None:
    """It is known by its bytes alone, without what lay beside it."""
    shutil.copy(given_out / "out" / name, tmp_path / "letter.bin")
    found = check_document(opened(given_out), tmp_path / "letter.bin")
    assert (found.state, found.facts, found.events_since) == ("unaltered", "same", {})
    assert found.stamp_fits == (name != "candidates.csv")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.3, 0.6, 0.999])
def test_one_byte_is_enough(place: Path, name: str, where: float) -> None:
    """A byte that is changed anywhere makes it altered, or, where that broke the stamp itself,
    unknown.
    """
    path = place / "out" / name
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)
    found = check(place, name)
    assert found.state in ("altered", "unknown", "foreign")
    assert not found.whole
    assert found.facts == "not compared"
    assert (found.event, found.issued) == (None, None)


@pytest.mark.parametrize(
    ("name", "old", "new"), [(FILES[0], b"Red apple", b"Red maple"), (FILES[4], b"Kestrel", b"Castle")]
)
def test_an_altered_document_is_called_altered(place: Path, name: str, old: bytes, new: bytes) -> None:
    """Its stamp names an end of this log, so it came from here, but not like this."""
    path = place / "out" / name
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    assert check(place, name).state == "altered"


def forge_html(data: bytes, stamp: Stamp) -> bytes:
    text = html.escape(stamp.to_json()).encode().replace(b"&quot;", b"&#34;")
    return re.sub(rb'(<meta name="creditline-stamp" content=")[^"]*', lambda match: match.group(1) + text, data)


def forge_json(data: bytes, stamp: Stamp) -> bytes:
    return json.dumps({**json.loads(data), "stamp": stamp.model_dump(mode="json")}, indent=2).encode()


def test_a_stamp_that_was_made_to_fit_does_not_help(place: Path) -> None:
    """Whoever alters a document and computes its stamp anew cannot have the log name it."""
    for name, forge in ((FILES[0], forge_html), (FILES[1], forge_json)):
        path = place / "out" / name
        stamp = stamp_of_file(path).model_copy(update={"facts_sha256": hashlib.sha256(b"new facts").hexdigest()})
        path.write_bytes(forge(path.read_bytes().replace(b"Red apple", b"Red maple"), stamp))
        found = check(place, name)
        assert found.stamp == stamp, "the forgery must be a stamp, or this tests nothing"
        assert found.state == "altered"


def test_a_parquet_file_with_other_rows_is_altered(place: Path) -> None:
    """Written anew with the same stamp."""
    path = place / "out" / "candidates.parquet"
    table = pq.read_table(path)
    assert PARQUET_KEY in (table.schema.metadata or {})
    pq.write_table(table.slice(1), path)
    assert check(place, path.name).state == "altered"


@pytest.mark.slow
def test_a_stamp_beside_a_document_that_is_not_its_own(place: Path) -> None:
    """The document is unaltered, as the log says; that the stamp says something else is said, and
    it is not relied on.
    """
    path = place / "out" / "candidates.csv"
    sidecar = json.loads(beside(path).read_bytes())
    sidecar["stamp"]["facts_sha256"] = "0" * 64
    beside(path).write_text(json.dumps(sidecar))
    found = check(place, path.name)
    assert (found.state, found.stamp_fits, found.facts) == ("unaltered", False, "same")
    for text in ("", "{", "null", '{"stamp": 3}', "\x00" * 100, '{"stamp": {"log_sequence": -1}}'):
        beside(path).write_text(text)
        found = check(place, path.name)
        assert (found.state, found.stamp, found.stamp_fits, found.events_since) == ("unaltered", None, False, {})
    beside(path).unlink()
    assert check(place, path.name).state == "unaltered"
    path.write_bytes(path.read_bytes() + b"1\n")
    assert check(place, path.name).state == "unknown"


def test_the_stamp_itself_is_no_document(given_out: Path) -> None:
    """Who asks about the file beside a document is told to ask about the document."""
    with pytest.raises(InputError, match=r"is the stamp of a document; give the document, candidates\.csv$"):
        check(given_out, "candidates.csv.stamp.json")


@pytest.mark.parametrize("name", CARRYING)
def test_a_document_of_another_registry_is_foreign(place: Path, tmp_path: Path, name: str) -> None:
    """Its stamp names an end that this log never had."""
    other = make_world(tmp_path / "other")
    record_review(other.registry, "asset", [3], Permission.PROHIBITED, "not ours", now=NOON)
    found = check_document(other.registry, place / "out" / name)
    assert (found.state, found.whole, found.events_since, found.facts) == ("foreign", False, None, "not compared")


def test_a_document_of_an_empty_log_is_foreign_unless_its_end_is_the_beginning(place: Path) -> None:
    """Before the first event there is one end of the log only."""
    path = place / "out" / FILES[1]
    stamp = stamp_of_file(path)
    for sha256, state in (("0" * 64, "altered"), ("1" * 64, "foreign")):
        path.write_bytes(
            forge_json(path.read_bytes(), stamp.model_copy(update={"log_sequence": 0, "log_sha256": sha256}))
        )
        assert check(place, path.name).state == state


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<html></html>", b"{}", b"PAR1", b"PAR1" * 9, b"\x89PNG\r\n", b"a,b\r\n1,2\r\n"]
)
def test_what_carries_no_stamp_is_unknown(given_out: Path, tmp_path: Path, data: bytes) -> None:
    """It was not made here, or nothing is left that would say so."""
    (tmp_path / "file").write_bytes(data)
    found = check_document(opened(given_out), tmp_path / "file")
    assert (found.state, found.stamp, found.events_since, found.whole) == ("unknown", None, None, False)


@pytest.mark.slow
def test_killed_before_the_event(place: Path) -> None:
    """Files that were written, but that the log never came to name, are not taken for issued;
    made again, they are.
    """
    world = World(opened(place))
    site = world.render(place / "out", LATER)
    for name in FILES:
        if name != "candidates.csv":  # whose bytes are those of before
            found = check(place, name)
            assert (found.state, found.event) == ("altered", None), name
            assert "never issued" in found.reason
    record_issue(world.registry, site.issued, LATER)
    assert {check(place, name).state for name in FILES} == {"unaltered"}


@pytest.mark.slow
def test_an_event_that_is_not_about_it_leaves_its_facts(place: Path) -> None:
    """Something else was decided since: that is counted, and the registry says the same."""
    record_review(opened(place), "asset", [11], Permission.PROHIBITED, "elsewhere", now=LATER)
    for name in FILES:
        found = check(place, name)
        assert (found.state, found.facts) == ("unaltered", "same"), name
        assert found.events_since == {"permission changed": 1, "rights reviewed": 1}, (
            "the decision, and what it changed"
        )


def review(registry: Registry) -> None:
    record_review(registry, "asset", [0], Permission.PROHIBITED, "they said no", now=LATER)


def take_out(registry: Registry) -> None:
    withdraw(registry, asset_ids=[0], reason="asked us to", now=LATER)


@pytest.mark.parametrize("change", [review, take_out])
def test_a_registry_that_moved_on_says_something_else(place: Path, change: Callable[[Registry], None]) -> None:
    """The document is still what was issued; what it says of a work is not what would be said
    today.
    """
    change(opened(place))
    for name in (FILES[0], FILES[1]):
        found = check(place, name)
        assert (found.state, found.whole, found.facts) == ("unaltered", True, "changed"), name
        assert found.events_since
        assert found.later is None


def render_again(place: Path, folder: str) -> WrittenReports:
    """The same reports into another folder, two days later."""
    registry = opened(place)
    with registry.session() as session:
        audits, unaudited = newest_audits(session), unaudited_samples(session)
    site = write_reports(registry, audits, place / folder, now=LATER, unaudited=unaudited)
    record_issue(registry, site.issued, LATER)
    return site


def test_a_change_that_no_event_tells_is_not_laid_to_the_registry(place: Path) -> None:
    """Here a picture of the home is gone, which the report would now say."""
    for path in (place / "home" / "samples").rglob("*.png"):
        path.unlink()
    found = check(place, FILES[0])
    assert (found.state, found.facts, found.events_since) == ("unaltered", "changed", {})
    assert found.reason.startswith("no event tells why: files that it was read from have changed")


@pytest.mark.slow
def test_a_newer_document_takes_its_place(place: Path) -> None:
    """Once one of the same kind and subject says something else; the same issued again takes no
    place.
    """
    render_again(place, "again")
    assert check(place, FILES[0]).later is None
    review(opened(place))
    site = render_again(place, "later")
    later = check(place, FILES[0]).later
    assert later is not None
    assert later[1].sha256 == next(each.sha256 for each in site.issued if each.name == FILES[0])
    assert check_document(opened(place), place / "later" / FILES[0]).later is None
    outcome = run(place, place / "out" / FILES[0])
    assert f"superseded by {FILES[0]}: event {later[0]} of the log" in outcome.stdout


def test_an_audit_that_is_gone_is_a_change(place: Path) -> None:
    """With the reason why nothing can be said today."""
    registry = opened(place)
    with registry.connection() as connection:
        connection.execute("DELETE FROM audit")
    found = check(place, FILES[0])
    assert (found.state, found.facts) == ("unaltered", "changed")
    assert "no audit" in found.reason


def test_documents_of_kinds_that_are_no_longer_made(place: Path) -> None:
    """They are as they were issued; nobody can say more."""
    registry = opened(place)
    stamp = stamp_of_file(place / "out" / FILES[0]).model_copy(update={"kind": "oracle"})
    record_issue(registry, [write_file(place / "out", File("oracle.txt", b"yes", stamp, carries_stamp=False))], LATER)
    found = check(place, "oracle.txt")
    assert (found.state, found.facts, found.stamp_fits) == ("unaltered", "not compared", True)
    assert "'oracle'" in found.reason


def test_a_log_that_was_edited_is_refused(place: Path) -> None:
    """What an event says is not believed where it is not of the form that is written here."""
    sha256 = hashlib.sha256((place / "out" / FILES[0]).read_bytes()).hexdigest()
    for after in (sha256, json.dumps([sha256]), json.dumps({"documents": [{"sha256": sha256, "rank": 1}]})):
        with opened(place).connection() as connection:
            connection.execute("UPDATE event SET after = ? WHERE kind = ?", [after, EVENT])
        with pytest.raises(IntegrityError, match=r"cannot be read: run `creditline log verify`"):
            check(place, FILES[0])


HOSTILE_STAMPS: tuple[Any, ...] = (
    {"log_sequence": 10**40},
    {"log_sequence": 2**63},
    {"log_sequence": "9" * 5000},
    {"log_sequence": 1e300},
    {"log_sequence": True},
    {"subject": "\ud800"},
    {"subject": "\u0000\u202e<script>"},
    {"subject": "x" * 3_000_000},
    {"kind": "k" * 100},
    {"kind": "\x1b[2J"},
    {"made_at": "0001-01-01T00:00:00+23:59"},
    {"made_at": "never"},
    {"facts_sha256": "G" * 64},
    {"facts_sha256": ["a"]},
    {"more": 1},
)


@pytest.mark.parametrize("place_in_list", range(len(HOSTILE_STAMPS)))
def test_hostile_stamps_are_no_stamps_or_harmless(given_out: Path, tmp_path: Path, place_in_list: int) -> None:
    """Values that are too large, of other types or not text: never a crash, and never unaltered."""
    stamp = stamp_of_file(given_out / "out" / FILES[1]).model_dump(mode="json") | HOSTILE_STAMPS[place_in_list]
    (tmp_path / "a.json").write_text(json.dumps({"stamp": stamp}))
    meta = html.escape(json.dumps(stamp))
    (tmp_path / "a.html").write_text(f'<meta name="creditline-stamp" content="{meta}">')
    (tmp_path / "a.csv").write_text("a\n")
    beside(tmp_path / "a.csv").write_text(json.dumps({"stamp": stamp}))
    table = pa.table({"a": [1]}).replace_schema_metadata({PARQUET_KEY: json.dumps(stamp).encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    for name in ("a.json", "a.html", "a.csv", "a.parquet"):
        found = check_document(opened(given_out), tmp_path / name)
        assert found.state in ("unknown", "altered", "foreign")
        outcome = run(given_out, tmp_path / name, "--json")
        assert outcome.exit_code == 1
        json.loads(outcome.stdout)
        assert "\x1b" not in run(given_out, tmp_path / name).stdout


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 5_000_000,
        b'{"a":' * 1_000_000,
        b'{"stamp":' * 200_000,
        b'{"stamp": {"kind": ' + b"[" * 1_000_000,
        b'{"n": ' + b"9" * 5_000_000 + b"}",
        b"{" + b"[]," * 10_000_000 + b"}",
        b'<meta name="creditline-stamp" content="' * 200_000,
        b'<meta name="creditline-stamp" content="' + b"a" * 5_000_000 + b'">',
        b'<meta name="creditline-stamp" content="\xff\xfe">',
        b"PAR1" + b"\xff" * 1000 + b"PAR1",
        b"PAR1" + b"\x00" * 100 + b"\xff\xff\xff\x7fPAR1",
        b"\x00" * 1_000_000,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_hostile_files_are_unknown(given_out: Path, tmp_path: Path, data: bytes) -> None:
    """Deep, endless, binary or torn: looked at in bounded time and memory, and not known."""
    (tmp_path / "file").write_bytes(data)
    assert check_document(opened(given_out), tmp_path / "file").state == "unknown"


@pytest.mark.parametrize("place_of_stamp", ["first", "last"])
def test_a_table_of_any_size_is_known(place: Path, tmp_path: Path, place_of_stamp: str) -> None:
    """With its stamp at either end, as JSON has it; one byte in the middle is enough there too."""
    stamp = stamp_of_file(place / "out" / FILES[3])
    said, rows = f'"stamp": {stamp.model_dump_json()}', '"rows": ["' + "x" * (3 * verifying.SEARCHED) + '"]'
    fields = (said, rows) if place_of_stamp == "first" else (rows, said)
    data = "{" + ", ".join(fields) + "}"
    issued = write_file(tmp_path, File("large.json", data.encode(), stamp))
    record_issue(opened(place), [issued], LATER)
    found = check_document(opened(place), tmp_path / "large.json")
    assert (found.state, found.stamp, found.stamp_fits) == ("unaltered", stamp, True)
    (tmp_path / "large.json").write_text(data.replace("xxxx", "xxxy", 1))
    assert check_document(opened(place), tmp_path / "large.json").state == "altered"


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"", b"\xff\xff\xff\x7fPAR1"])
def test_gigantic_files_are_not_held_in_memory(given_out: Path, tmp_path: Path, end: bytes) -> None:
    """They are hashed in parts, and looked at where a stamp may be; a gigantic stamp beside a
    document is none.
    """
    with (tmp_path / "huge").open("wb") as file:
        file.write(b"PAR1" if end else b"{")
        file.truncate(2**29)
        file.seek(0, os.SEEK_END)
        file.write(end)
    tracemalloc.start()
    assert check_document(opened(given_out), tmp_path / "huge").state == "unknown"
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * verifying.SEARCHED
    shutil.copy(given_out / "out" / "candidates.csv", tmp_path / "table.csv")
    with beside(tmp_path / "table.csv").open("wb") as file:
        file.truncate(2**40)
    found = check_document(opened(given_out), tmp_path / "table.csv")
    assert (found.state, found.stamp) == ("unaltered", None)


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_what_is_no_file_is_refused_at_once(given_out: Path, tmp_path: Path) -> None:
    """A folder, a link to itself, a pipe that nobody writes to, a device, nothing: one line each,
    and no waiting.
    """
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for path in (*(tmp_path / name for name in ("folder", "loop", "pipe", "nothing", "folder/x")), Path("/dev/zero")):
        with pytest.raises(InputError, match=r"^cannot read \S+: [^\n]+$"):
            check_document(opened(given_out), path)
        assert run(given_out, path).exit_code == 2
    for path in (Path("a\0b"), Path("x" * 5000)):
        with pytest.raises(InputError, match=r"^cannot read "):
            check_document(opened(given_out), path)
    shutil.copy(given_out / "out" / "candidates.csv", tmp_path / "table.csv")
    os.mkfifo(beside(tmp_path / "table.csv"))
    assert check_document(opened(given_out), tmp_path / "table.csv").state == "unaltered"


class Outcome:
    """What ``creditline report verify`` left."""

    def __init__(self, exit_code: int, stdout: str) -> None:
        self.exit_code = exit_code
        self.stdout = stdout


def run(place: Path, path: Path, *options: str) -> Outcome:
    """The command, with the status that its entry point gives for an error."""
    result = CliRunner().invoke(app, ["report", "verify", str(path), "--home", str(place / "home"), *options])
    if isinstance(result.exception, CreditlineError):
        return Outcome(result.exception.exit_code, "")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Outcome(result.exit_code, result.stdout)


def test_the_command_says_it_in_words_and_in_json(place: Path) -> None:
    """Status 0 for what is unaltered, 1 for everything else; with --json one document that has all
    of it.
    """
    with opened(place).connection() as connection:
        ((event,),) = connection.execute("SELECT sequence FROM event WHERE kind = ?", [EVENT]).fetchall()
    outcome = run(place, place / "out" / FILES[0])
    assert outcome.exit_code == 0
    first, signature, second, third, last = outcome.stdout.splitlines()
    assert first.startswith("unaltered: these are the bytes")
    assert signature == "not signed"
    assert second == f"output report, issued as {FILES[0]}: event {event} of the log"
    assert third == "the registry says the same today"
    assert last == "events in the log since then, other than issued documents: none"
    review(opened(place))
    document = json.loads(run(place, place / "out" / FILES[0], "--json").stdout)
    assert document["creditline"] == "verified-document"
    assert (document["state"], document["facts"], document["event"]) == ("unaltered", "changed", event)
    assert document["stamp"]["kind"] == document["kind"] == "output report"
    assert document["events_since"] == {"permission changed": 1, "rights reviewed": 1}
    assert document["superseded_by"] is None
    assert document["stamp_fits"] is True
    assert (document["signature"], document["key_id"]) == ("not signed", None)
    path = place / "out" / FILES[0]
    path.write_bytes(path.read_bytes() + b" ")
    altered = run(place, path)
    assert altered.exit_code == 1
    assert altered.stdout.startswith("altered: ")
    assert json.loads(run(place, path, "--json").stdout)["event"] is None


def test_a_stamp_holds_what_a_registry_may_have(given_out: Path) -> None:
    """A batch of 100,000 outputs fits into the subject of its stamp."""
    stamp = stamp_of_file(given_out / "out" / "index.json")
    large = Stamp.model_validate({**stamp.model_dump(), "subject": " ".join(["f" * 12] * 100_000)})
    page = forge_html(b'<meta name="creditline-stamp" content="">', large)
    assert verifying.stamp_in(Path("index.html"), io.BytesIO(page)) == large
    assert verifying.stamp_in(Path("index.json"), io.BytesIO(forge_json(b"{}", large))) == large
