"""Encodings are made by blocks of works and of units: where a block ends changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.doctor import examine
from registry.encodings import extension, insertion
from registry.encodings.extension import extend_encoding
from registry.encodings.store import create_encoding, load_codes, load_units
from registry.errors import NotFoundError
from registry.ingest.owners.table import OwnerTable
from registry.storage import row_groups
from registry.storage.database import Registry
from registry.storage.tables import Encoding
from tests.support.works import NOW, register, write_csv, write_pictures

FIRST, LATER = 11, 2
OWNERS = ("Zoe", "", "Ada", "Éva", "Ada")


def owner_rows(count: int) -> list[dict[str, str]]:
    """Owners in turn, some works without one; a column with values, gaps and one name per work."""
    return [
        {
            "path": f"{number:02}.png",
            "rightsholder": OWNERS[number % len(OWNERS)],
            "licence": "CC0-1.0" if number % 3 else "All rights reserved",
            "title": f"Title {number}" if number % 2 else "",
            "style": ("", "b", "a")[number % 3],
            "signature": f"artist {97 - number}",
        }
        for number in range(count)
    ]


@pytest.fixture
def grow(registry: Registry, folder: Path, tmp_path: Path) -> Callable[[int], None]:
    """Registers so many works in all."""

    def grow_to(count: int) -> None:
        write_pictures(folder, [f"{number:02}.png" for number in range(count)])
        table = write_csv(tmp_path / f"{count}.csv", owner_rows(count))
        register(registry, folder, OwnerTable(table, allow_unowned=True))

    return grow_to


def make_all(registry: Registry, grow: Callable[[int], None]) -> list[Encoding]:
    """Encodings of every kind, and the extensions of those of works."""
    grow(FIRST)
    made = [
        create_encoding(registry, "asset", None, 9, 4, 0, NOW),
        create_encoding(registry, "asset", None, 9, 4, 0, NOW, probes=0.2),
        create_encoding(registry, "asset", None, 16, 5, 0, NOW, within="rightsholder", support=12),
        create_encoding(registry, "asset", None, 16, 5, 0, NOW, within="style", support=12, probes=0.1),
        create_encoding(registry, "rightsholder", None, 6, 2, 0, NOW),
        create_encoding(registry, "rightsholder", None, 6, 2, 0, NOW, probes=0.3),
        create_encoding(registry, "column", "style", 6, 2, 0, NOW),
        create_encoding(registry, "column", "signature", 9, 4, 0, NOW),
    ]
    grow(FIRST + LATER)
    return made + [extend_encoding(registry, each.id, NOW) for each in made[:4]]


def rows_of(registry: Registry) -> dict[str, list[tuple[object, ...]]]:
    """All rows of encodings, in their order in the tables, and their seals."""
    tables = ("encoding", "encoding_codes", "unit", "unit_asset", "unit_group", "unit_slot", "encoding_probe")
    with registry.connection() as connection:
        found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - ours
        sealed = "SELECT table_name, key, first, last, row_count, sha256 FROM seal_part WHERE key IS NOT NULL"
        return {**found, "seal_part": connection.execute(sealed).fetchall()}


@pytest.fixture(scope="module")
def whole() -> dict[str, object]:
    """The rows with all works in one block, from the first test on."""
    return {}


@pytest.mark.parametrize("size", [None, 4, pytest.param(1, marks=pytest.mark.slow)])
def test_where_blocks_end_changes_nothing(
    registry: Registry,
    grow: Callable[[int], None],
    whole: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    size: int | None,
) -> None:
    """Ids, codes, order of rows, seals, and what is left out: equal for every size of a block."""
    if size is not None:
        for module in (row_groups, insertion, extension):
            monkeypatch.setattr(module, "BLOCK", size)
    made = make_all(registry, grow)
    found = {"encodings": [(each.id, each.unit_count, each.left_out) for each in made], **rows_of(registry)}
    if not whole:
        whole.update(found)
    assert found == whole
    assert not [each.what for each in examine(registry).findings if "encoding" in each.where]


def test_codes_are_read_without_names(registry: Registry, grow: Callable[[int], None]) -> None:
    """The same arrays as with them."""
    grow(FIRST)
    made = create_encoding(registry, "asset", None, 16, 5, 0, NOW, within="rightsholder", support=12)
    codes, units = load_codes(registry, made.id), load_units(registry, made.id)
    for name in ("codes", "asset_ids", "unit_numbers", "asset_codes"):
        assert getattr(codes, name).tolist() == getattr(units, name).tolist()
    assert codes.groups is not None
    assert codes.assignment.codes is codes.codes
    assert not hasattr(codes, "labels")
    with pytest.raises(NotFoundError, match="no encoding nothing"):
        load_codes(registry, "nothing")
