"""docs/registry.md: its queries run on a real registry, and it has every table."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
from sqlmodel import SQLModel

from registry.database import Registry
from registry.encodings import create_encoding, load_units
from tests.registry.works import NOW, register, write_pictures

PAGE = Path(__file__).parents[2] / "docs" / "registry.md"


def test_the_page_has_every_table() -> None:
    """A table that is added is described."""
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert set(SQLModel.metadata.tables) <= described


def test_the_queries_run_and_say_what_the_registry_holds(registry: Registry, folder: Path) -> None:
    """Through a plain DuckDB connection, read-only."""
    register(registry, write_pictures(folder, ["a.png", "b.png", "c.png"]))
    units = load_units(registry, create_encoding(registry, "asset", None, 40, 20, 0, NOW).id)
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with duckdb.connect() as connection:
        connection.execute(blocks[0].replace("creditline-home/registry.duckdb", str(registry.home.database)))
        rights, members, _ = (connection.execute(block).fetchall() for block in blocks[1:])
    assert rights == [(name, "Ada Example", "CC-BY-4.0", None) for name in ("a.png", "b.png", "c.png")]
    expected = [[index for index in range(40) if code >> index & 1] for code in units.codes.tolist()]
    assert [row[1] for row in members] == expected
