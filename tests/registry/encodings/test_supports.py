"""Where codes nest, the support of a work holds the members of its code, and says whose it is."""

from __future__ import annotations

from pathlib import Path

from registry.encodings.store import create_encoding, load_units
from registry.encodings.supports import nesting_of, supports_of_units, supports_of_works
from registry.ingest.owners.table import OwnerTable
from registry.storage.database import Registry
from registry.storage.tables import EncodingCodes
from tests.support.works import NOW, register, write_csv, write_pictures

OWNERS = {"0.png": "Ada", "1.png": "Ada", "2.png": "Grace", "3.png": "Grace", "4.png": ""}


def test_supports_hold_the_codes_of_their_works(registry: Registry, folder: Path) -> None:
    """One of m members for each rightsholder, all members for works without one."""
    table = OwnerTable(
        write_csv(folder.parent / "owners.csv", [{"path": name, "rightsholder": who} for name, who in OWNERS.items()]),
        allow_unowned=True,
    )
    register(registry, write_pictures(folder, list(OWNERS)), table)
    nested = create_encoding(registry, "asset", None, 8, 3, 0, NOW, within="rightsholder", support=6).id
    plain = create_encoding(registry, "asset", None, 8, 3, 0, NOW).id
    units = load_units(registry, nested)
    with registry.session() as session:
        assert nesting_of(session.get(EncodingCodes, nested)) == ("rightsholder", 6)
        assert nesting_of(session.get(EncodingCodes, plain)) is None
    with registry.connection() as connection:
        found = supports_of_units(connection, nested, range(5))
        assert [found[unit].group for unit in range(5)] == ["Ada", "Ada", "Grace", "Grace", None]
        for unit, code in enumerate(units.codes.tolist()):
            assert code & ~found[unit].word == 0
            assert len(found[unit].members(8)) == (6 if found[unit].group else 8)
        assert supports_of_works(connection, nested, units.asset_ids[:2]) == [found[0]]
        assert supports_of_works(connection, nested, units.asset_ids[1:3]) == [found[0], found[2]]
        assert supports_of_units(connection, plain, range(5)) == {}
        assert supports_of_works(connection, plain, units.asset_ids) == []
