"""Opening the registry: what is no registry, of another version, damaged or locked; transactions;
the lock let go.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from sqlmodel import select

from registry.errors import InputError, LockedRegistryError, NotFoundError, RegistryError, SchemaVersionError
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry, relation_names
from registry.storage.tables import SCHEMA_VERSION, Encoding, Rightsholder, SchemaVersion
from tests.support.works import NOW

pytestmark = pytest.mark.reopens  # files and other processes are looked at


@contextmanager
def another_process_holding(path: Path) -> Iterator[int]:
    """A second process that has the file open, and its id."""
    program = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_creating_is_idempotent_and_keeps_what_is_there(tmp_path: Path) -> None:
    """A second init changes nothing; the first records its version and time."""
    home = Home(tmp_path / "deep" / "home")
    with create_registry(home, now=NOW).session() as session:
        session.add(Rightsholder(id=0, name="Ada", created_at=NOW))
    with create_registry(home).session() as session:
        assert [row.name for row in session.exec(select(Rightsholder))] == ["Ada"]
        assert [(row.version, row.applied_at) for row in session.exec(select(SchemaVersion))] == [(SCHEMA_VERSION, NOW)]


def test_a_registry_that_another_process_has_just_made_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both processes find the file empty; the second one to write adds nothing."""
    home = Home(tmp_path)
    create_registry(home, now=NOW)
    before = [set[str]()]
    monkeypatch.setattr(
        "registry.schema.create.relation_names", lambda found: before.pop() if before else relation_names(found)
    )
    with create_registry(home).session() as session:
        assert [row.applied_at for row in session.exec(select(SchemaVersion))] == [NOW]
    assert not before


def test_a_home_without_a_registry_says_how_to_make_one(tmp_path: Path) -> None:
    """Opening never creates."""
    with pytest.raises(NotFoundError, match="creditline init --home"):
        Registry.open(Home(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 1000])
def test_a_file_that_is_no_database_is_a_registry_error(tmp_path: Path, content: bytes) -> None:
    """Neither opened nor overwritten."""
    home = Home(tmp_path)
    home.database.write_bytes(content)
    for attempt in (Registry.open, create_registry):
        with pytest.raises(RegistryError, match="not a registry"):
            attempt(home)
    assert home.database.read_bytes() == content


def test_a_cut_off_registry_is_a_registry_error(registry: Registry) -> None:
    """Half of the file is missing."""
    os.truncate(registry.home.database, registry.home.database.stat().st_size // 2)
    with pytest.raises(RegistryError, match="cannot be used"):
        Registry.open(registry.home)


def test_another_duckdb_file_is_no_registry(tmp_path: Path) -> None:
    """Somebody else's tables are neither read nor added to."""
    home = Home(tmp_path)
    with duckdb.connect(str(home.database)) as connection:
        connection.execute("CREATE TABLE mine (x INTEGER)")
    for attempt in (Registry.open, create_registry):
        with pytest.raises(RegistryError, match="no registry of creditline"):
            attempt(home)


def test_a_registry_with_a_table_missing_is_damaged(registry: Registry) -> None:
    """Said on opening, not in the middle of an audit."""
    with registry.connection() as connection:
        connection.execute("DROP TABLE candidate")
    with pytest.raises(RegistryError, match="lacks the table 'candidate'"):
        Registry.open(registry.home)


@pytest.mark.parametrize(("version", "advice"), [(1, "creditline migrate"), (SCHEMA_VERSION + 1, "newer creditline")])
def test_another_schema_version_is_refused_with_what_to_do(registry: Registry, version: int, advice: str) -> None:
    """Older: migrate. Newer: update. Init does not touch it either."""
    with registry.connection() as connection:
        connection.execute("UPDATE schema_version SET version = ?", [version])
    for attempt in (Registry.open, create_registry):
        with pytest.raises(SchemaVersionError, match=f"has schema {version}.*{advice}"):
            attempt(registry.home)


def test_a_locked_registry_names_the_process_that_holds_it(registry: Registry) -> None:
    """And is usable as soon as that process lets go."""
    with another_process_holding(registry.home.database) as holder:
        started = time.monotonic()
        with pytest.raises(LockedRegistryError, match=f"in use by process {holder} "):
            Registry.open(registry.home, lock_patience=0.2)
        assert time.monotonic() - started >= 0.1
        with pytest.raises(LockedRegistryError), Registry(registry.home, 0.0).session() as session:
            session.exec(select(Encoding)).all()
    Registry.open(registry.home)


def test_a_registry_that_is_soon_let_go_is_waited_for(registry: Registry) -> None:
    """A transaction of another process is no error."""
    with another_process_holding(registry.home.database) as holder:
        release = threading.Timer(0.3, os.kill, (holder, signal.SIGKILL))
        release.start()
        Registry.open(registry.home, lock_patience=20.0)
        release.join()


def test_the_lock_is_let_go_after_every_block(registry: Registry) -> None:
    """Another process can open the file while this one keeps its registry and rows."""
    with registry.session() as session:
        session.add(Rightsholder(id=0, name="Ada", created_at=NOW))
    with registry.session() as session:
        row = session.exec(select(Rightsholder)).one()
    with registry.connection() as connection:
        connection.execute("SELECT 1")
    with another_process_holding(registry.home.database):
        assert row.name == "Ada"


def test_an_error_rolls_everything_back(registry: Registry) -> None:
    """In sessions and in bulk connections alike."""

    def fail_in_session() -> None:
        with registry.session() as session:
            session.add(Rightsholder(id=0, name="Ada", created_at=NOW))
            session.flush()
            raise ZeroDivisionError

    def fail_in_bulk() -> None:
        with registry.connection() as connection:
            connection.execute("INSERT INTO rightsholder (id, name, created_at) VALUES (1, 'Bob', now())")
            raise ZeroDivisionError

    for fail in (fail_in_session, fail_in_bulk):
        with pytest.raises(ZeroDivisionError):
            fail()
    with registry.connection() as connection:
        assert connection.execute("SELECT count(*) FROM rightsholder").fetchall() == [(0,)]


def test_sessions_and_bulk_connections_can_be_open_together(registry: Registry) -> None:
    """DuckDB refuses two configurations of one file in one process; ours are one."""
    with registry.session() as session, registry.connection() as connection:
        session.exec(select(Rightsholder)).all()
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_codes_beyond_the_signed_range_survive(registry: Registry) -> None:
    """A code is one UBIGINT up to 2**64 - 1; seeds are signed."""
    with registry.connection() as connection:
        connection.execute("INSERT INTO unit VALUES ('e', 0, 'k', 'l', ?)", [2**64 - 1])
        assert connection.execute("SELECT code FROM unit").fetchall() == [(2**64 - 1,)]


def test_a_home_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputError, match="choose another --home"):
        create_registry(Home(tmp_path / "file" / "home"))


def test_being_killed_within_a_transaction_loses_only_that_transaction(registry: Registry) -> None:
    """After kill -9 behind an insert that was not committed, the file opens with what was
    committed.
    """
    program = """
import pathlib, sys, time
from registry.storage.database import Registry, relation_names
from registry.home import Home
registry = Registry(Home(pathlib.Path(sys.argv[1])))
with registry.connection() as connection:
    connection.execute("INSERT INTO rightsholder (id, name, created_at) VALUES (0, 'kept', now())")
with registry.connection() as connection:
    connection.execute("INSERT INTO rightsholder (id, name, created_at) VALUES (1, 'lost', now())")
    print("inserted", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(registry.home.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"inserted\n"
        process.send_signal(signal.SIGKILL)
    with Registry.open(registry.home).session() as session:
        assert [row.name for row in session.exec(select(Rightsholder))] == ["kept"]


@pytest.mark.parametrize(
    "opened",
    [
        "Registry.open(Home(Path(sys.argv[1]))).connection()",
        "reader([])",
    ],
)
def test_long_queries_draw_nothing_in_a_process_without_a_script(registry: Registry, opened: str) -> None:
    """DuckDB takes `python -c` for a terminal and would draw a bar into the output of a command."""
    code = f"""
import sys, time
from pathlib import Path
from registry.home import Home
from registry.ingest.lists.connection import reader
from registry.storage.database import Registry
with {opened} as connection:
    for each in (connection, connection.cursor()):
        print(each.execute("SELECT current_setting('enable_progress_bar')").fetchall())
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(registry.home.root)], capture_output=True, text=True, check=True
    )
    assert told.stdout == "[(False,)]\n" * 2
