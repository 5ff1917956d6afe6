"""Rows and events that a document rests on: whatever is done to one with plain SQL is found."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from registry.basis.check import checked_head
from registry.basis.rows import DOMAINS, Basis
from registry.errors import IntegrityError
from registry.event_log.events import changing, event_sha256
from registry.event_log.parts import SUBJECTS
from registry.event_log.seals import KEYED_TABLES, NUMBERED_TABLES, schema_of
from registry.event_log.stored_events import stored_events
from registry.event_log.verify import verify
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import Rightsholder, RightsholderMerge
from tests.registry.event_log.test_verify import NEW_VALUES
from tests.support.record import AUDIT_ID, BASE_ID, ENSEMBLE_ID, WORKS, add_outputs, fill
from tests.support.works import NOW

EVERYTHING = Basis(
    works=range(WORKS),
    rightsholders=(0, 1, 7),
    audits=(AUDIT_ID,),
    ensembles=(ENSEMBLE_ID,),
    bases=(BASE_ID,),
    whole_encodings=True,
    events=("things added", "output audited"),
)


OF_NULL = {"TIMESTAMP WITH TIME ZONE": "coalesce(\"{0}\", '2026-01-01') + INTERVAL 1 MICROSECOND"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rows in every table."""
    registry = create_registry(Home(tmp_path_factory.mktemp("filled") / "home"), now=NOW)
    fill(registry, NOW)
    add_outputs(registry, NOW)
    with changing(registry, NOW) as change:
        change.insert(
            Rightsholder(id=7, name="Merged", created_at=NOW, merged_into=0),
            RightsholderMerge(id=0, merged_id=7, into_id=0, reason="one", recorded_by="tester", recorded_at=NOW),
        )
        change.record("things added", "a merge")
    return registry.home.root


def after(home: Path, *statements: str, basis: Basis = EVERYTHING) -> str:
    """What the check says after plain SQL; empty if nothing."""
    connection = duckdb.connect(str(Home(home).database))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.begin()
        for statement in statements:
            connection.execute(statement)
        checked_head(connection, Home(home), basis)
    except IntegrityError as error:
        return str(error)
    finally:
        connection.rollback()
        connection.close()
    return ""


def test_an_untouched_registry_is_as_it_was_sealed(filled: Path) -> None:
    """Every sealed table has rows, and the head is the log's."""
    with Registry.open(Home(filled)).connection() as connection:
        for table in (*NUMBERED_TABLES, *KEYED_TABLES):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0], table  # noqa: S608
        head = checked_head(connection, Home(filled), EVERYTHING)
        assert head == connection.execute("SELECT max(sequence), arg_max(sha256, sequence) FROM event").fetchone()
    assert set(SUBJECTS) == set(DOMAINS) == set(NUMBERED_TABLES)


@pytest.mark.parametrize("table", [*NUMBERED_TABLES, *KEYED_TABLES])
def test_a_forged_value_in_a_random_column_of_any_table_is_named(filled: Path, table: str) -> None:
    """Of the columns that the schema has: the message names table, row and column."""
    forge(filled, table, 1)


@pytest.mark.slow
@pytest.mark.parametrize("table", [*NUMBERED_TABLES, *KEYED_TABLES])
def test_a_forged_value_in_every_column_of_any_table_is_named(filled: Path, table: str) -> None:
    """The same of every column."""
    forge(filled, table, 99)


def forge(filled: Path, table: str, columns: int) -> None:
    connection = duckdb.connect(str(Home(filled).database))
    kinds = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    )
    sealed = schema_of(connection, table).names
    connection.close()
    for column, kind in random.sample(list(kinds.items()), min(columns, len(kinds))):
        new = {**NEW_VALUES, **OF_NULL}.get(kind, 'coalesce("{0}", 0) + 1000').format(column)
        update = f'UPDATE {table} SET "{column}" = {new} WHERE rowid = (SELECT max(rowid) FROM {table})'  # noqa: S608
        try:
            said = after(filled, update)
        except duckdb.ConstraintException:
            assert column.endswith("id")  # an id that others refer to: the database itself refuses
            continue
        assert said, column
        if column in sealed and column not in (
            "id",
            "asset_id",
            "encoding_id",
            "audit_id",
            "base_id",
            SUBJECTS.get(table),
        ):
            assert said.startswith(table), said
            assert column in said or "no event" in said or "rows were sealed" in said, said


@pytest.mark.parametrize("table", [*NUMBERED_TABLES, *KEYED_TABLES])
def test_removed_and_added_rows_are_found(filled: Path, table: str) -> None:
    """Removal of a row, and a copy of a row under an id that no event added."""
    with suppress(duckdb.ConstraintException):  # others may refer to it
        assert after(filled, f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")  # noqa: S608
    if table in NUMBERED_TABLES and SUBJECTS[table] != "id":
        for forged in (777, -1):
            assert after(filled, f"INSERT INTO {table} SELECT * REPLACE ({forged} AS id) FROM {table} LIMIT 1")  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'nobody' WHERE sequence = {}",
        "UPDATE event SET after = '[9]' WHERE sequence = {}",
        "UPDATE event SET seals = '{{}}' WHERE sequence = {}",
        "UPDATE event SET sha256 = repeat('0', 64) WHERE sequence = {}",
        "UPDATE event SET recorded_at = 'infinity' WHERE sequence = {}",
        "DELETE FROM event WHERE sequence = {}",
        "UPDATE event_node SET sha256 = repeat('0', 64) WHERE level = 0 AND place = {} - 1",
    ],
)
@pytest.mark.parametrize("sequence", [1, 4, 6])
def test_an_edited_event_is_found(filled: Path, statement: str, sequence: int) -> None:
    """Every event of this registry sealed some of the rows, or is read by the document."""
    said = after(filled, statement.format(sequence))
    assert "event" in said


def test_an_event_whose_hash_was_computed_anew_is_found(filled: Path) -> None:
    """Its own hash fits then, but the newest event vouches for another one."""
    with Registry.open(Home(filled)).connection() as connection:
        (event,) = stored_events(connection, sequences=[2])
    forged = event_sha256({**event, "actor": "nobody"})
    edit = f"UPDATE event SET actor = 'nobody', sha256 = '{forged}' WHERE sequence = 2"  # noqa: S608
    nodes = f"UPDATE event_node SET sha256 = '{forged}' WHERE level = 0 AND place = 1"  # noqa: S608
    said = after(filled, edit)
    assert "event 2 (things added" in said
    assert "not under the hash over the log" in said
    assert "not under" in after(filled, edit, nodes)


@pytest.mark.parametrize(
    "column", ["sequence", "first", "last", "lowest", "highest", "row_count", "sha256", "columns", "table_name", "key"]
)
def test_an_edited_index_of_seals_is_no_way_round(filled: Path, column: str) -> None:
    """The parts are sealed themselves."""
    new = f"{column} || 'x'" if column in ("sha256", "columns", "table_name", "key") else f"{column} + 1"
    for table in ("asset_rights", "candidate"):
        if column == "key" and table == "asset_rights":
            continue
        if column in ("lowest", "highest") and table == "candidate":
            continue
        said = after(filled, f"UPDATE seal_part SET {column} = {new} WHERE table_name = '{table}'")  # noqa: S608
        assert said, (table, column)


def test_rows_that_the_document_does_not_rest_on_are_left_to_log_verify(filled: Path, tmp_path: Path) -> None:
    """A forged right of another work does not stop a document about this one; the log finds it."""
    shutil.copytree(filled, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    with registry.connection() as connection:
        connection.execute("UPDATE asset_rights SET title = 'forged' WHERE asset_id = 5")
    with registry.connection() as connection:
        checked_head(connection, registry.home, Basis(works=[0]))
        with pytest.raises(IntegrityError, match=r"asset_rights, row \d+: title differs"):
            checked_head(connection, registry.home, Basis(works=[5]))
    assert any("title" in fault.what for fault in verify(registry).faults)


@pytest.mark.parametrize("name", ["log-head.json missing", "another hash", "cut off"])
def test_the_file_beside_the_registry_counts(filled: Path, tmp_path: Path, name: str) -> None:
    """A log that does not end where the file says proves nothing."""
    shutil.copytree(filled, tmp_path / "home")
    head = Home(tmp_path / "home").log_head
    stated = json.loads(head.read_text())
    changed: dict[str, Callable[[], object]] = {
        "log-head.json missing": head.unlink,
        "another hash": lambda: head.write_text(json.dumps({**stated, "sha256": "0" * 64})),
        "cut off": lambda: head.write_text(json.dumps({**stated, "sequence": stated["sequence"] + 1})),
    }
    changed[name]()
    assert after(tmp_path / "home")


@pytest.mark.parametrize("edit", ["", "actor = 'nobody'", "previous_sha256 = repeat('0', 64)"])
def test_changes_since_the_reading_began_vouch_for_what_it_sees(filled: Path, tmp_path: Path, edit: str) -> None:
    """They must lead from its newest event to the one that the file names."""
    shutil.copytree(filled, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    with registry.connection() as reading:
        before = reading.execute("SELECT max(sequence) FROM event").fetchall()[0][0]
        for _ in range(2):
            with changing(registry, NOW) as change:
                change.record("things added", "later")
        if edit:
            with registry.connection() as connection:
                connection.execute(f"UPDATE event SET {edit} WHERE sequence = {before + 1}")  # noqa: S608
            with pytest.raises(IntegrityError, match=rf"event {before + 1} .* was edited"):
                checked_head(reading, registry.home, EVERYTHING)
        else:
            assert checked_head(reading, registry.home, EVERYTHING)[0] == before
