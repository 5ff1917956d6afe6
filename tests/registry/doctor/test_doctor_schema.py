"""What stands in for the tables, views and functions that everything else is asked with is found
before anything is asked.
"""

from __future__ import annotations

import pytest

from registry.doctor import examine
from registry.errors import RegistryError
from registry.event_log.verify import verify
from registry.schema.migrations import migrate
from registry.storage.database import Registry
from tests.support.works import NOW

pytestmark = pytest.mark.reopens  # the doctor compares what DuckDB reads from the file


def change(registry: Registry, *statements: str) -> None:
    with registry.connection() as connection:
        for statement in statements:
            connection.execute(statement)


def told(registry: Registry) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in examine(registry, quick=True).wrong]


def test_a_new_registry_is_as_it_is_made(registry: Registry) -> None:
    """Nothing is found in it."""
    assert told(registry) == []


@pytest.mark.parametrize("name", ["list_contains", "max", "isfinite", "current_database"])
def test_a_function_in_the_place_of_one_of_duckdbs_is_found(registry: Registry, name: str) -> None:
    """With it a query gives another answer than its text says: the log and the doctor name it and
    ask nothing more.
    """
    change(registry, f"CREATE MACRO {name}(x, y := 0) AS true")
    assert [(where, name in what) for where, what in told(registry)] == [("functions", True)]
    (fault,) = verify(registry).faults
    assert name in fault.what
    assert "DROP MACRO" in fault.repair


def test_a_view_that_answers_another_question_is_found(registry: Registry) -> None:
    """People ask by the views; one that hides works is as bad as a table that lacks them."""
    change(registry, "CREATE OR REPLACE VIEW withdrawn_work AS SELECT * FROM withdrawal_work WHERE false")
    assert told(registry) == [("withdrawn_work", "this view was altered")]


@pytest.mark.parametrize(
    "damage", ["CREATE OR REPLACE VIEW withdrawn_work AS SELECT * FROM claim_work", "DROP VIEW withdrawn_work"]
)
def test_views_are_made_anew(registry: Registry, damage: str) -> None:
    """Nothing is lost with a view: `creditline migrate` makes those that differ, and says which."""
    change(registry, damage)
    assert migrate(registry, NOW).views == ("withdrawn_work",)
    assert told(registry) == []
    assert migrate(registry, NOW).views == ()


def test_a_table_in_the_place_of_a_view_is_named(registry: Registry) -> None:
    """It may be somebody's work, so it is not dropped."""
    change(registry, "DROP VIEW withdrawn_work", "CREATE TABLE withdrawn_work (id INTEGER)")
    with pytest.raises(RegistryError, match="withdrawn_work"):
        migrate(registry, NOW)


def test_a_missing_view_is_said_with_its_repair(registry: Registry) -> None:
    """No command works without it but the one that makes it."""
    change(registry, "DROP VIEW withdrawn_work")
    with pytest.raises(RegistryError, match=r"lacks the view 'withdrawn_work'.*creditline migrate"):
        registry.check_schema()


def test_a_table_without_its_constraints_is_found(registry: Registry) -> None:
    """Values that cannot be missing were let in, and would be read."""
    change(
        registry,
        "CREATE TABLE other AS SELECT * FROM event",
        "DROP TABLE event",
        "ALTER TABLE other RENAME TO event",
        "INSERT INTO event (kind) VALUES ('forged')",
    )
    assert ("event", "the column sequence is BIGINT, expected BIGINT NOT NULL") in told(registry)


def test_a_view_in_the_place_of_a_table_is_found(registry: Registry) -> None:
    """Whoever reads it would see what its maker wants."""
    change(
        registry, "ALTER TABLE claim_work RENAME TO kept", "CREATE VIEW claim_work AS SELECT * FROM kept WHERE id < 5"
    )
    assert ("claim_work", "there is no table of this name") in told(registry)


def test_a_column_of_another_type_is_found(registry: Registry) -> None:
    """Its values would be compared in another way."""
    change(registry, "ALTER TABLE claim_work ALTER distance TYPE VARCHAR")
    assert told(registry) == [("claim_work", "the column distance is VARCHAR, expected INTEGER")]
