"""Verifying the log: whatever is done to the registry past creditline is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from registry.errors import UsageError
from registry.event_log.computed_parts import parts_of_key, parts_of_range
from registry.event_log.events import changing
from registry.event_log.findings import Verification
from registry.event_log.parts import Part
from registry.event_log.seals import (
    CURRENT_COLUMNS,
    KEYED_TABLES,
    NUMBERED_TABLES,
    schema_of,
)
from registry.event_log.verify import verify, verify_within
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry
from tests.support.record import AUDIT_ID, ENCODING_ID, add_outputs, fill
from tests.support.works import NOW


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rows in every table; tests copy it."""
    home = Home(tmp_path_factory.mktemp("filled") / "home")
    registry = create_registry(home, now=NOW)
    fill(registry, NOW)
    add_outputs(registry, NOW)
    return home.root


@pytest.fixture
def registry(filled: Path, tmp_path: Path) -> Registry:
    """The filled registry, to be attacked."""
    shutil.copytree(filled, tmp_path / "home")
    return Registry.open(Home(tmp_path / "home"))


def attack(registry: Registry, *statements: str) -> Verification:
    """Do something with plain SQL, verify, and take it back."""
    connection = duckdb.connect(str(registry.home.database))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.begin()
        for statement in statements:
            connection.execute(statement)
        return verify_within(connection, registry.home)
    finally:
        connection.rollback()
        connection.close()


def commit(registry: Registry, statement: str) -> None:
    with registry.connection() as connection:
        connection.execute(statement)


def told(found: Verification) -> str:
    return "\n".join(fault.what for fault in found.faults)


def test_an_untouched_registry_has_no_faults(registry: Registry) -> None:
    """Every table has rows, all of them are covered by seals, and nothing is found."""
    with registry.connection() as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608
            for table in (*NUMBERED_TABLES, *KEYED_TABLES)
        }
    assert {table for table, number in counts.items() if not number} == {"rightsholder_merge"}
    found = verify(registry)
    assert (found.faults, found.notes, found.events) == ([], [], 6)
    assert found.rows == sum(counts.values())


@pytest.mark.parametrize(
    ("statement", "told_of"),
    [
        ("UPDATE event SET actor = 'nobody' WHERE sequence = 2", "event 2 (things added"),
        ("UPDATE event SET after = NULL WHERE sequence = 6", "event 6 (output audited"),
        ("UPDATE event SET recorded_at = recorded_at + INTERVAL 1 MICROSECOND WHERE sequence = 1", "event 1 ("),
        ("UPDATE event SET recorded_at = 'infinity' WHERE sequence = 1", "event 1 ("),
        ("UPDATE event SET recorded_at = '200000-01-01'::TIMESTAMPTZ WHERE sequence = 1", "event 1 ("),
        ("UPDATE event SET sha256 = repeat('0', 64) WHERE sequence = 3", "event 3 ("),
        ("UPDATE event SET seals = '{}' WHERE sequence = 3", "event 3 has seals that cannot be read"),
        ("DELETE FROM event WHERE sequence = 2", "event 2 is missing before event 3"),
        ("DELETE FROM event WHERE sequence IN (2, 3)", "events 2 to 3 are missing before event 4"),
        ("DELETE FROM event WHERE sequence = 1", "event 1 is missing before event 2"),
        ("UPDATE event SET sequence = 9 WHERE sequence = 2", "event 2 is missing before event 3"),
        (
            "INSERT INTO event SELECT 7, * EXCLUDE (sequence) FROM event WHERE sequence = 6",
            "event 7 does not follow event 6",
        ),
        ("UPDATE event SET sequence = -1 WHERE sequence = 1", "event -1 "),
    ],
)
def test_an_edited_log_is_found(registry: Registry, statement: str, told_of: str) -> None:
    """Edits, removals and moves of events are named with the event."""
    assert told_of in told(attack(registry, statement))


@pytest.mark.parametrize("statement", ["DELETE FROM event WHERE sequence = 6", "DELETE FROM event"])
def test_a_log_that_was_cut_off_is_found(registry: Registry, statement: str) -> None:
    """The file of the head names an event that no committed state has."""
    commit(registry, statement)
    assert "the end of the log was cut off" in told(verify(registry))


def test_two_events_that_changed_places_are_found(registry: Registry) -> None:
    """The order is part of what is hashed."""
    swap = [f"UPDATE event SET sequence = {new} WHERE sequence = {old}" for old, new in ((2, 99), (3, 2), (99, 3))]  # noqa: S608
    found = told(attack(registry, *swap))
    assert "event 2 (" in found
    assert "event 3 (" in found


FILLED = [table for table in NUMBERED_TABLES if table != "rightsholder_merge"]
NEW_VALUES = {
    "VARCHAR": "coalesce(\"{0}\", '') || 'x'",
    "JSON": "'{{\"x\":1}}'",
    "BLOB": "'x'::BLOB",
    "BOOLEAN": 'NOT "{0}"',
    "TIMESTAMP WITH TIME ZONE": '"{0}" + INTERVAL 1 MICROSECOND',
    "UBIGINT": 'xor("{0}", 1)',
}


@pytest.mark.parametrize("table", [*FILLED, *KEYED_TABLES])
def test_every_sealed_column_is_guarded(filled: Path, table: str) -> None:
    """An edit of one value of any sealed column, in one row, gives the rows another digest."""
    connection = duckdb.connect(str(Home(filled).database))
    kinds = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    )
    key = None if table in NUMBERED_TABLES else KEYED_TABLES[table][0]
    name = str(connection.execute(f"SELECT {key or 'NULL'} FROM {table}").fetchall()[0][0])  # noqa: S608

    sealed = schema_of(connection, table).names

    def digest() -> list[Part]:
        return parts_of_key(connection, table, name) if key else parts_of_range(connection, table, 0, 99)

    whole = digest()
    assert set(sealed) | set(CURRENT_COLUMNS.get(table, ())) == set(kinds)
    for column in sealed:
        connection.begin()
        new = NEW_VALUES.get(kinds[column], 'coalesce("{0}", 0) + 1000').format(column)
        try:
            connection.execute(f'UPDATE {table} SET "{column}" = {new} WHERE rowid = (SELECT max(rowid) FROM {table})')  # noqa: S608
            assert digest() != whole, column
        except duckdb.ConstraintException:
            assert column.endswith("id")  # an id that others refer to: the database itself refuses
        connection.rollback()
    connection.close()


@pytest.mark.parametrize("table", FILLED)
def test_rows_removed_or_added_are_found(registry: Registry, table: str) -> None:
    """All rows gone; one beyond the last seal; one with a number below zero: each is named."""
    forged = [f"SELECT * REPLACE ({key} AS id) FROM {table} LIMIT 1" for key in (777, -1)]  # noqa: S608
    if table == "data_set":  # its names are unique
        forged = [f"SELECT {key}, '{key}', * EXCLUDE (id, name) FROM data_set LIMIT 1" for key in (777, -1)]  # noqa: S608
    found = told(attack(registry, *(f"INSERT INTO {table} {row}" for row in forged)))
    assert f"2 rows of {table} were added without an event (ids -1, 777)" in found
    assert f"of {table} are not as event" in told(attack(registry, f"DELETE FROM {table}"))  # noqa: S608


def test_a_row_twice_is_found(registry: Registry) -> None:
    """A second row of a number that is sealed."""
    assert "6 rows then, 7 now" in told(attack(registry, "INSERT INTO asset SELECT * FROM asset WHERE id = 3"))


def test_rows_that_only_lie_elsewhere_are_the_same(registry: Registry) -> None:
    """Removed and put back in another order: nothing was changed."""
    statements = ("CREATE TEMP TABLE kept AS SELECT * FROM asset", "DELETE FROM asset")
    assert not attack(registry, *statements, "INSERT INTO asset SELECT * FROM kept ORDER BY id DESC").faults


def test_rows_added_before_a_later_change_stay_found(registry: Registry) -> None:
    """The next change does not take them in, and a gap is left even if they are removed again."""
    commit(registry, "INSERT INTO review SELECT 1, * EXCLUDE (id) FROM review")
    with changing(registry, NOW) as change:
        change.record("rights reviewed", "asset 1")
        change.connection.execute("INSERT INTO review SELECT 2, * EXCLUDE (id) FROM review WHERE id = 0")
    assert "1 rows of review were added without an event (ids 1)" in told(verify(registry))
    found = told(attack(registry, "DELETE FROM review WHERE id = 1"))
    assert found == "review had rows 1 to 1 before event 7, which no event added"


@pytest.mark.parametrize("table", list(KEYED_TABLES))
def test_things_added_or_removed_are_found(registry: Registry, table: str) -> None:
    """Rows of a thing that no event speaks of, and a thing whose rows are gone."""
    column, _ = KEYED_TABLES[table]
    copied = f"SELECT * REPLACE ('forged' AS \"{column}\") FROM {table} LIMIT 1"  # noqa: S608
    found = told(attack(registry, f"INSERT INTO {table} {copied}"))
    assert f"1 rows of {table} for {column} forged were added without an event" in found
    attack(registry, f"DELETE FROM {table} WHERE {column} = 'forged'")  # noqa: S608
    if table in ("encoding", "ensemble"):
        return  # others refer to them, and the database itself refuses
    assert f"rows of {table} for {column}" in told(attack(registry, f"DELETE FROM {table}"))  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO unit SELECT '{ENCODING_ID}', 5, '5', 'x', 3",
        f"INSERT INTO unit_asset VALUES ('{ENCODING_ID}', 0, 5)",  # noqa: S608
        f"INSERT INTO candidate_work VALUES ('{AUDIT_ID}', 0, 2, 1, 0.5, 0.5)",  # noqa: S608
        "UPDATE unit SET code = 3 WHERE number = 1 AND code <> 3 OR number = 2 AND code = 3",
        "UPDATE unit_asset SET asset_id = 5 WHERE asset_id = 0",
    ],
)
def test_an_encoding_or_audit_that_was_added_to_is_found(registry: Registry, statement: str) -> None:
    """Rows of a thing that is registered cannot be joined by others."""
    assert "are not as event" in told(attack(registry, statement))


def test_columns_that_hold_what_is_current_are_not_sealed(registry: Registry) -> None:
    """They change in the course of work; the doctor derives them anew."""
    columns = [(table, column) for table, names in CURRENT_COLUMNS.items() for column in names]
    edits = [
        f'UPDATE {table} SET "{column}" = ' + ("'x'" if column == "permission" else "NULL")  # noqa: S608
        for table, column in columns
    ]
    assert not attack(registry, *edits).faults


def test_a_work_that_was_moved_keeps_its_seal(registry: Registry) -> None:
    """Its path then is taken from the event; a move that no event tells of is a fault."""
    with changing(registry, NOW) as change:
        change.connection.execute("UPDATE asset SET path = 'new/0.png' WHERE id = 0")
        change.record("works moved", "data set works", before=[[0, "0.png"]], after=[[0, "new/0.png"]])
    with changing(registry, NOW) as change:
        change.connection.execute("UPDATE data_set SET root = '/elsewhere'")
        change.record("data set moved", "data set works", before={"root": "/works"}, after={"root": "/elsewhere"})
    assert not verify(registry).faults
    assert "of asset are not as" in told(attack(registry, "UPDATE asset SET path = 'other.png' WHERE id = 1"))


HEADS: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.unlink(), "log-head.json is missing"),
    (lambda path: path.write_bytes(b"\xff\x00"), "cannot be read"),
    (lambda path: path.write_text("[" * 5000), "cannot be read"),
    (lambda path: path.write_text('{"sequence": "1", "sha256": ""}'), "cannot be read"),
    (lambda path: path.write_text('{"sequence": 99, "sha256": ""}'), "the end of the log was cut off"),
    (lambda path: path.write_text('{"sequence": 4, "sha256": "00"}'), "has another hash for event 4"),
    (lambda path: path.write_text('{"sequence": -1, "sha256": "00"}'), "has another hash for event -1"),
]


@pytest.mark.parametrize(("edit", "told_of"), HEADS)
def test_the_file_beside_the_registry_is_checked(
    registry: Registry, edit: Callable[[Path], object], told_of: str
) -> None:
    """Missing, unreadable, ahead of the log or of another log: a fault each."""
    edit(registry.home.log_head)
    assert told_of in told(verify(registry))


def test_a_file_that_is_behind_is_no_fault(registry: Registry) -> None:
    """Killed between a commit and the file: a note, and the next change brings it up."""
    before = registry.home.log_head.read_bytes()
    with changing(registry, NOW) as change:
        change.record("rights reviewed", "asset 1")
    registry.home.log_head.write_bytes(before)
    found = verify(registry)
    assert not found.faults
    assert "1 events behind" in found.notes[0]
    with changing(registry, NOW) as change:
        change.record("rights reviewed", "asset 1")
    assert not verify(registry).notes


def test_a_change_that_commits_meanwhile_is_no_fault(registry: Registry) -> None:
    """The file then names an event that the transaction does not see; nothing was cut off."""
    with registry.connection() as connection:
        connection.execute("SELECT count(*) FROM event").fetchall()
        for _ in range(2):
            with changing(registry, NOW) as change:
                change.record("rights reviewed", "asset 1")
        found = verify_within(connection, registry.home)
        assert (found.faults, found.notes) == ([], [])
        written = json.loads(registry.home.log_head.read_text())
        registry.home.log_head.write_text(json.dumps({**written, "sha256": "0" * 64}))
        assert "has another hash" in told(verify_within(connection, registry.home))


@pytest.mark.reopens  # the other process opens the registry
@pytest.mark.slow
def test_verifying_beside_a_command_finds_no_fault(registry: Registry) -> None:
    """Another process records one change after the other."""
    program = """
import pathlib, sys
from datetime import UTC, datetime
from registry.event_log.events import changing
from registry.home import Home
from registry.storage.database import Registry
registry = Registry(Home(pathlib.Path(sys.argv[1]))).patient()
for number in range(5):
    with changing(registry, datetime.now(UTC)) as change:
        change.record("rights reviewed", f"asset {number}")
"""
    patient, verified = registry.patient(), 0
    with subprocess.Popen([sys.executable, "-c", program, str(registry.home.root)]) as process:
        while process.poll() is None or not verified:
            found = verify(patient)
            assert not found.faults
            verified += 1
    assert process.returncode == 0
    assert not verify(registry).notes


def test_a_clock_that_went_backwards_is_noted(registry: Registry) -> None:
    """The order of events is their number's; an older time is a note."""
    with changing(registry, NOW - timedelta(days=3)) as change:
        change.record("rights reviewed", "asset 1")
    found = verify(registry)
    assert not found.faults
    assert "a clock went backwards" in found.notes[0]


def test_a_rewritten_registry_is_found_by_a_noted_hash(registry: Registry, tmp_path: Path) -> None:
    """Whoever computes everything anew passes, unless the hash was noted elsewhere: it has to be in
    the log.
    """
    noted = json.loads(registry.home.log_head.read_text())["sha256"]
    assert not verify(registry, expect=noted).faults
    with changing(registry, NOW) as change:
        change.record("rights reviewed", "asset 1")
    assert not verify(registry, expect=noted).faults
    forged = create_registry(Home(tmp_path / "forged"), now=NOW)
    fill(forged, NOW + timedelta(microseconds=1))
    assert not verify(forged).faults
    assert "does not go on from there" in told(verify(forged, expect=noted))
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        verify(registry, expect="abc")


def test_progress_counts_every_row(registry: Registry) -> None:
    """The last thing that is told is that all rows are done."""
    seen: list[tuple[int, int]] = []
    found = verify(registry, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (found.rows, found.rows)
