"""Migration of a log of schema 3: its seals get parts, and only for rows that are as sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import IntegrityError
from registry.event_log.events import GENESIS, _write_head, event_sha256
from registry.event_log.seals import Seal, Seals, digest_of_key, digests_of_ranges
from registry.event_log.stored_events import stored_events
from registry.event_log.verify import verify
from registry.home import Home
from registry.schema.create import create_registry
from registry.schema.migrations import migrate
from registry.storage.database import Registry
from registry.storage.relation_names import SCHEMA_VERSION
from tests.support.record import AUDIT_ID, WORKS, add_outputs, fill
from tests.support.works import NOW

LATER = (
    *("encoding_codes", "encoding_probe", "unit_group", "unit_slot"),
    *("base_model", "base_component", "base_details", "caption"),
)
"""Tables that schema 3 did not have."""

pytestmark = pytest.mark.reopens  # tables are made


def as_schema_3(registry: Registry) -> None:
    """Rewrite the log as schema 3 wrote it: digests over whole ranges, no parts, no tree."""
    with registry.connection() as connection:
        previous = GENESIS
        for event in list(stored_events(connection)):
            seals = Seals.parse(event["seals"])
            rows = []
            for seal in (each for each in seals.rows if each.table not in LATER):
                if seal.key is None:
                    (found,) = digests_of_ranges(connection, seal.table, [(seal.first or 0, seal.last or 0)])
                else:
                    found = digest_of_key(connection, seal.table, seal.key)
                rows.append(Seal(seal.table, found.rows, found.sha256, seal.first, seal.last, seal.key))
            through = {table: last for table, last in seals.through.items() if table not in LATER}
            former = {**event, "seals": Seals(tuple(rows), through).to_text(), "previous_sha256": previous}
            previous = event_sha256(former)
            connection.execute(
                "UPDATE event SET seals = ?, previous_sha256 = ?, sha256 = ? WHERE sequence = ?",
                [former["seals"], former["previous_sha256"], previous, event["sequence"]],
            )
        connection.execute("DROP TABLE seal_part")
        connection.execute("DROP TABLE event_node")
        for table in LATER:
            connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
        connection.execute("ALTER TABLE asset DROP COLUMN caption_id")
        connection.execute("UPDATE schema_version SET version = 3")
        last = event["sequence"]
    _write_head(registry.home.log_head, last, previous, {})


@pytest.fixture
def old(tmp_path: Path) -> Registry:
    """A registry of schema 3 with rows in every table."""
    registry = create_registry(Home(tmp_path / "home"), now=NOW)
    fill(registry, NOW)
    add_outputs(registry, NOW)
    as_schema_3(registry)
    return registry


def test_an_old_registry_issues_after_migration(old: Registry) -> None:
    """The log is whole, and the rows are checked by their parts."""
    assert migrate(Registry(old.home), NOW).to_version == SCHEMA_VERSION
    registry = Registry.open(old.home)
    assert verify(registry).faults == []
    with registry.connection() as connection:
        checked_head(connection, registry.home, Basis(works=range(WORKS), audits=[AUDIT_ID]))


def test_rows_that_were_forged_before_the_migration_stay_forged(old: Registry) -> None:
    """They get no parts: documents on them are refused, and the log names them."""
    with old.connection() as connection:
        connection.execute("UPDATE candidate SET q_value = 0.001")
    migrate(Registry(old.home), NOW)
    registry = Registry.open(old.home)
    assert any("candidate" in fault.what for fault in verify(registry).faults)
    with registry.connection() as connection:
        checked_head(connection, registry.home, Basis(works=range(WORKS)))
        with pytest.raises(IntegrityError, match="candidate"):
            checked_head(connection, registry.home, Basis(audits=[AUDIT_ID]))
