"""Migrations: real steps on a real file, in order, all or nothing, after a copy."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from registry.errors import NotFoundError, RegistryError, SchemaVersionError
from registry.home import Home
from registry.schema.create import relations_made_anew, relations_of
from registry.schema.migrations import Step, migrate
from registry.storage.database import Registry
from registry.storage.tables import SCHEMA_VERSION as NOW_AT
from registry.storage.tables import Rightsholder
from tests.support.works import NOW

pytestmark = pytest.mark.reopens  # views are made, and files compared

ADD_COUNTRY = Step(
    NOW_AT + 1, "where a rightsholder is", lambda c: c.execute("ALTER TABLE rightsholder ADD COLUMN country VARCHAR")
)
FILL_COUNTRY = Step(NOW_AT + 2, "unknown so far", lambda c: c.execute("UPDATE rightsholder SET country = 'unknown'"))
BROKEN = Step(NOW_AT + 2, "cannot work", lambda c: c.execute("ALTER TABLE nothing ADD COLUMN x INTEGER"))


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """A registry with one rightsholder."""
    with registry.session() as session:
        session.add(Rightsholder(id=0, name="Ada", created_at=NOW))
    return registry


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path)) as connection:
        return connection.execute(query).fetchall()


def test_steps_are_applied_in_order_and_recorded_and_a_copy_is_kept(filled: Registry) -> None:
    """Two schemas on; the copy is the registry as it was, and opens by itself."""
    done = migrate(filled, NOW, steps=(FILL_COUNTRY, ADD_COUNTRY), target=NOW_AT + 2)
    assert (done.from_version, done.to_version) == (NOW_AT, NOW_AT + 2)
    assert done.copy is not None
    assert rows(filled.home.database, "SELECT name, country FROM rightsholder") == [("Ada", "unknown")]
    assert rows(filled.home.database, "SELECT version FROM schema_version ORDER BY 1") == [
        (NOW_AT,),
        (NOW_AT + 1,),
        (NOW_AT + 2,),
    ]
    assert rows(done.copy, "SELECT * EXCLUDE (created_at, merged_into) FROM rightsholder") == [(0, "Ada")]
    assert rows(done.copy, "SELECT version FROM schema_version") == [(NOW_AT,)]


def test_a_step_that_fails_leaves_the_registry_as_it_was(filled: Registry) -> None:
    """The first step succeeds and the second does not: neither is applied."""
    with pytest.raises(RegistryError, match="unchanged, and a copy is in"):
        migrate(filled, NOW, steps=(ADD_COUNTRY, BROKEN), target=NOW_AT + 2)
    Registry.open(filled.home)
    assert rows(filled.home.database, "SELECT * EXCLUDE (created_at, merged_into) FROM rightsholder") == [(0, "Ada")]


def test_there_is_nothing_to_do_at_the_current_version(filled: Registry) -> None:
    """No copy, no change."""
    before = filled.home.database.read_bytes()
    assert migrate(filled, NOW).copy is None
    assert filled.home.database.read_bytes() == before
    assert [path.name for path in filled.home.root.iterdir()] == ["registry.duckdb"]


def test_without_the_steps_or_from_a_newer_schema_nothing_is_done(filled: Registry) -> None:
    """A gap in the steps, and a registry of the future."""
    with pytest.raises(SchemaVersionError, match="no steps lead"):
        migrate(filled, NOW, steps=(FILL_COUNTRY,), target=NOW_AT + 2)
    with filled.connection() as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(SchemaVersionError, match="has schema 99"):
        migrate(filled, NOW)


def test_no_registry_is_no_migration(tmp_path: Path) -> None:
    """It is not created either."""
    with pytest.raises(NotFoundError):
        migrate(Registry(Home(tmp_path)), NOW)
    assert not list(tmp_path.iterdir())


def test_schema_5_gets_the_tables_of_base_models(filled: Registry) -> None:
    """The tables and views of a migrated registry are those of a new one."""
    with filled.connection() as connection:
        connection.execute("DROP VIEW base")
        for table in ("base_model", "base_component", "base_details", "caption", "encoding_probe"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE asset DROP COLUMN caption_id")
        connection.execute("UPDATE schema_version SET version = 5")
    with pytest.raises(SchemaVersionError, match="creditline migrate"):
        Registry.open(filled.home)
    assert (migrate(filled, NOW).from_version, filled.schema_version()) == (5, NOW_AT)
    with Registry.open(filled.home).connection() as connection:
        assert relations_of(connection) == relations_made_anew()
