"""Giving documents out: whole files or none, one clear line where that fails, and a log that names
what left.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.event_log.events import check_head, read_head
from registry.home import Home
from registry.storage.database import Registry
from reports.issuing import issue as issuing
from reports.issuing.issue import EVENT, File, Issued, find_issued, find_later, record_issue, write_file
from reports.issuing.stamp import UNSTAMPED, beside
from tests.support.running import Creditline, Outcome
from tests.support.world import NOON, World

REPORT = "dfa508c296aa"
LIMIT = 16 * 2**10
"""Bytes that a file may have in a process of :func:`run_limited`, so that a page does not fit."""


@pytest.fixture
def audited(fresh: World) -> World:
    """A registry with one audit, whose log has an event."""
    fresh.add_audit((0, 30), sample=fresh.add_sample(0))
    return fresh


def log_of(registry: Registry) -> list[tuple[int, str]]:
    with registry.connection() as connection:
        return connection.execute("SELECT sequence, kind FROM event ORDER BY sequence").fetchall()


def report(world: World, out: Path, *, limit: int | None = None) -> Outcome:
    """``creditline report --all``; with ``limit`` in a process of its own, whose files may be so
    large.
    """
    command = ("report", "--all", "--home", str(world.home.root), "--out", str(out))
    if limit is None:
        return Creditline(world.home.root)(*command)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,  # nothing else runs in this process
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_refused(world: World, out: Path, *, limit: int | None = None) -> None:
    """Status 2, one line that says where and what to do, no half file anywhere, the registry as it
    was.
    """
    before, files = log_of(world.registry), sorted(world.home.root.rglob("*"))
    outcome = report(world, out, limit=limit)
    assert outcome.status == 2, outcome.err
    (line,) = [line for line in outcome.err.splitlines() if "cannot write" in line]
    assert line.startswith("creditline: cannot write")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert log_of(world.registry) == before
    assert [path for path in sorted(world.home.root.rglob("*")) if path not in files] == []
    assert list(out.parent.rglob("*.part")) == []


def test_a_path_below_a_file(audited: World, tmp_path: Path) -> None:
    """Where a folder cannot be made there is nothing to write into."""
    (tmp_path / "file").write_text("mine")
    assert_refused(audited, tmp_path / "file" / "reports")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_the_place_of_a_file(audited: World, tmp_path: Path) -> None:
    """What is in the way is not removed."""
    (tmp_path / "out" / f"{REPORT}.html" / "mine").mkdir(parents=True)
    assert_refused(audited, tmp_path / "out")
    assert (tmp_path / "out" / f"{REPORT}.html" / "mine").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
def test_a_folder_that_may_not_be_written(audited: World, tmp_path: Path) -> None:
    """A folder that one may only read."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o500)
    assert_refused(audited, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_a_page_that_does_not_fit(audited: World, tmp_path: Path) -> None:
    """The system stops the writing in the middle of a file, as it does on a full disk; what was
    there before stays.
    """
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{REPORT}.html").write_text("the report of last year")
    assert_refused(audited, out, limit=LIMIT)
    assert [path.name for path in out.iterdir()] == [f"{REPORT}.html"]
    assert (out / f"{REPORT}.html").read_text() == "the report of last year"


@pytest.mark.slow
def test_afterwards_all_is_well(audited: World, tmp_path: Path) -> None:
    """With room again the same command does it, and the log is whole."""
    assert report(audited, tmp_path / "out", limit=LIMIT).status == 2
    outcome = report(audited, tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert outcome.out.strip() == str(tmp_path / "out" / "index.html")
    registry = Registry.open(Home(audited.home.root))
    assert [kind for _, kind in log_of(registry)][-1] == EVENT
    with registry.connection() as connection:
        assert check_head(connection, read_head(registry.home.log_head), registry.home.log_head) == 0


def test_the_log_names_every_file(audited: World, tmp_path: Path) -> None:
    """By name, hash, kind and subject; the newest event that names a file is found."""
    site = audited.render(tmp_path / "out")
    assert {each.name for each in site.issued} == {
        path.name for path in (tmp_path / "out").iterdir() if not path.name.endswith(".stamp.json")
    }
    for _ in range(2):
        record_issue(audited.registry, site.issued, NOON)
    last = log_of(audited.registry)[-1][0]
    with audited.registry.connection() as connection:
        for each in site.issued:
            assert find_issued(connection, each.sha256) == (last, each)
        assert find_issued(connection, "0" * 64) is None


def test_many_documents_are_several_events(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event grows without end; none at all for no documents."""
    monkeypatch.setattr(issuing, "MOST_OF_EVENT", 4)
    before = len(log_of(fresh.registry))
    record_issue(fresh.registry, [], NOON)
    assert len(log_of(fresh.registry)) == before
    documents = [Issued(f"{number}.html", f"{number:064x}", "draft", "", "0" * 64) for number in range(10)]
    record_issue(fresh.registry, documents, NOON)
    assert [kind for _, kind in log_of(fresh.registry)[before:]] == [EVENT] * 3
    with fresh.registry.connection() as connection:
        assert all(find_issued(connection, each.sha256) for each in documents)


def test_a_stamp_lies_beside_what_cannot_carry_it(tmp_path: Path) -> None:
    """With the hash of the bytes that it is of; a document that carries its stamp has no second
    one.
    """
    issued = write_file(tmp_path / "new" / "folder", File("a.csv", b"a\r\n", UNSTAMPED, carries_stamp=False))
    written = tmp_path / "new" / "folder" / "a.csv"
    assert written.read_bytes() == b"a\r\n"
    sidecar = json.loads(beside(written).read_bytes())
    assert sidecar["file_sha256"] == issued.sha256
    assert sidecar["stamp"] == UNSTAMPED.model_dump(mode="json")
    write_file(tmp_path, File("b.json", b"{}", UNSTAMPED))
    assert not beside(tmp_path / "b.json").exists()


def test_a_stamp_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A folder lies where the stamp should: the error names it."""
    beside(tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*a\.csv\.stamp\.json"):
        write_file(tmp_path, File("a.csv", b"a", UNSTAMPED, carries_stamp=False))
    shutil.rmtree(beside(tmp_path / "a.csv"))


def test_what_takes_the_place_of_a_document(fresh: World) -> None:
    """One of the same subject and kind; a name that ends like a version is a name, unless the kind
    is one in versions.
    """

    def issue(subject: str, facts: str, kind: str = "data-set report") -> tuple[int, Issued]:
        made = Issued(f"{kind}.html", facts * 64, kind, subject, facts * 64)
        record_issue(fresh.registry, [made], NOON)
        with fresh.registry.connection() as connection:
            found = find_issued(connection, facts * 64)
        assert found is not None
        return found

    def later(found: tuple[int, Issued], *, versioned: bool = False) -> str | None:
        with fresh.registry.connection() as connection:
            taken = find_later(connection, *found, versioned=versioned)
        return None if taken is None else taken[1].subject

    first = issue('shots "x" version 1', "a")
    second = issue('shots "x" version 2', "b")
    assert (later(first), later(second)) == (None, None)
    assert (later(first, versioned=True), later(second, versioned=True)) == ('shots "x" version 2', None)
    issue('shots "x" version 1', "c", kind="statement")
    assert later(first) is None
    issue('shots "x" version 1', "d")
    assert later(first) == first[1].subject
