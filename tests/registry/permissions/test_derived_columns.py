"""What is current of a work: which of its rows count for its owner and its licence."""

from __future__ import annotations

import pytest

from registry.permissions.derived_columns import find_stale
from registry.rightsholders.verified_rights import verify_rights
from registry.storage.database import Registry
from registry.works.queries import asset_rights_table
from tests.support.rights import Rights
from tests.support.works import NOW


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry to write rows into."""
    return Rights(registry)


def current(rights: Rights, work: int) -> tuple[str | None, str | None, str | None]:
    """Owner, licence and basis."""
    with rights.registry.connection() as connection:
        row = asset_rights_table(connection, [work]).to_pylist()[0]
        assert find_stale(connection) == []
    return row["rightsholder"], row["licence"], row["basis"]


def test_the_newest_declaration_counts_until_something_is_verified(rights: Rights) -> None:
    """For what was verified; of the rest, declarations that come later count."""
    work = rights.work("Ada", "CC0-1.0")
    rights.declare(work, ["Zoe"], "CC-BY-4.0")
    assert current(rights, work) == ("Zoe", "CC-BY-4.0", "declared")
    verify_rights(rights.registry, [work], rightsholder="Eve", recorded_from="a letter", now=NOW)
    assert current(rights, work) == ("Eve", "CC-BY-4.0", "verified")
    rights.declare(work, ["Ada"], "MIT")
    assert current(rights, work) == ("Eve", "MIT", "verified")
    verify_rights(rights.registry, [work], licence="CC0-1.0", recorded_from="a contract", now=NOW)
    rights.declare(work, ["Ada"], "ISC")
    assert current(rights, work) == ("Eve", "CC0-1.0", "verified")


def test_a_merged_owner_is_the_one_that_it_was_merged_into(rights: Rights) -> None:
    """For works of before and after the merge."""
    before = rights.work("Ada Ltd")
    rights.work("Ada")
    rights.merge("Ada Ltd", into="Ada")
    assert current(rights, before)[0] == "Ada"
    assert current(rights, rights.work("Ada Ltd"))[0] == "Ada"


def test_a_work_without_any_declaration_has_nothing_current(rights: Rights) -> None:
    """And no basis when its only row says nothing of owner and licence but that it was declared."""
    assert current(rights, rights.work()) == (None, None, "declared")
