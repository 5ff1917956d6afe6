"""Pages of works and of what they belong to: stable, complete, and the same whichever way they are
read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import NotFoundError, UsageError
from registry.event_log.events import Change
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.permissions.derived_columns import recompute
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.works import listings
from registry.works.listings import (
    PERMISSIONS,
    WorksFilter,
    count_rightsholders,
    count_works,
    data_sets,
    licences,
    rightsholders,
    works,
    works_named,
    works_reader,
)
from tests.support.works import NOW, copied, register, write_pictures

ADA = WorksFilter(rightsholder="Ada")


@pytest.fixture(scope="module")
def written(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Twelve works, every third of Zoe; tests copy it."""
    folder = tmp_path_factory.mktemp("written")
    registry = copied(empty, folder)
    names = [f"{'Zoe' if number % 3 == 0 else 'Ada'}/{number:02d}.png" for number in range(12)]
    register(registry, write_pictures(folder / "works", names), FolderPerRightsholder("MIT"))
    return registry


@pytest.fixture
def filled(written: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The twelve works, counted in blocks of five ids, fetched three at a time."""
    monkeypatch.setattr(listings, "BLOCK", 5)
    monkeypatch.setattr(listings, "PAGE", 3)
    return copied(written, tmp_path)


@pytest.mark.parametrize(
    "chosen", [WorksFilter(), ADA, WorksFilter(rightsholder="Ada", licence="MIT", data_set="works")]
)
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_put_together_are_the_listing(filled: Registry, chosen: WorksFilter, limit: int) -> None:
    """Whatever their size; the total is that of all, on every page and beyond the last."""
    with filled.connection() as connection:
        everything = works(connection, chosen)
        total = count_works(connection, chosen)
        found = []
        for offset in range(0, total + limit, limit):
            page = works(connection, chosen, limit=limit, offset=offset)
            assert page.total == total == len(everything.rows)
            found += page.rows
    assert found == everything.rows
    assert [row["asset_id"] for row in found] == sorted(row["asset_id"] for row in found)


@pytest.mark.parametrize(("limit", "offset"), [(None, 0), (None, 3), (4, 0), (4, 3), (100, 7), (2, 100)])
def test_batches_are_the_same_works(filled: Registry, limit: int | None, offset: int) -> None:
    """What --out writes is what the listing prints."""
    with filled.connection() as connection:
        for chosen in (WorksFilter(), ADA, WorksFilter(permission="withdrawn")):
            page = works(connection, chosen, limit=limit, offset=offset)
            read = works_reader(connection, chosen, limit=limit, offset=offset).read_all().to_pylist()
            assert [row["path"] for row in read] == [row["path"] for row in page.rows]


def test_works_are_filtered_by_permission_and_a_rightsholders_number(filled: Registry) -> None:
    """What nothing has is an error: an empty answer would read as if there were no such works."""
    with filled.connection() as connection:
        connection.execute(
            "INSERT INTO review VALUES (0, 'rightsholder', (SELECT id FROM rightsholder WHERE name = 'Zoe'), 'prohibited', "
            "NULL, 'a letter', NULL, 'x', ?)",
            [NOW],
        )
        recompute(Change(connection, "tests", NOW), None)
        assert count_works(connection, WorksFilter(permission="prohibited")) == 4
        assert works(connection, WorksFilter(permission="prohibited", rightsholder="Ada")).rows == []
        number = connection.execute("SELECT id FROM rightsholder WHERE name = 'Zoe'").fetchall()[0][0]
        assert count_works(connection, WorksFilter(rightsholder=f"#{number}")) == 4
        with pytest.raises(NotFoundError, match="no rightsholder '#99'"):
            count_works(connection, WorksFilter(rightsholder="#99"))
        with pytest.raises(UsageError, match="expected one of permitted, unclear"):
            count_works(connection, WorksFilter(permission="maybe"))


def shared(registry: Registry) -> None:
    """Works 1 and 3 are also Bob's, whose second record was merged into the first; work 1 was Eve's
    until it was verified.
    """
    with registry.connection() as connection:
        for number, name, counts in ((7, "Bob", None), (8, "Bobby", 7), (9, "Eve", None)):
            connection.execute(
                "INSERT INTO rightsholder (id, name, merged_into, created_at) VALUES (?, ?, ?, ?)",
                [number, name, counts, NOW],
            )
        owner = dict(connection.execute("SELECT id, rightsholder_id FROM asset").fetchall())
        connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, recorded_from, recorded_by, recorded_at) "
            "VALUES (50, 1, 'verified', ?, 'letter', 'x', ?)",
            [owner[1], NOW],
        )
        declared = dict(connection.execute("SELECT id, declared_id FROM asset").fetchall())
        rows = [(declared[1], 1, 1, owner[1]), (declared[1], 1, 2, 9), (50, 1, 1, owner[1]), (50, 1, 2, 8)]
        rows += [(declared[3], 3, 1, owner[3]), (declared[3], 3, 2, 7), (declared[3], 3, 3, 8)]
        for number, row in enumerate(rows):
            connection.execute("INSERT INTO co_rightsholder VALUES (?, ?, ?, ?, ?, NULL, NULL)", [number, *row])
        recompute(Change(connection, "tests", NOW), None)


def test_works_of_several_are_listed_with_all_and_found_by_each(filled: Registry) -> None:
    """By the row that counts; records that were merged are one; in pages and in batches, and beside
    other filters.
    """
    shared(filled)
    with filled.connection() as connection:
        everything = works(connection).rows
        names = {row["asset_id"]: row["rightsholders"] for row in everything}
        first = {row["asset_id"]: row["rightsholder"] for row in everything}
        assert names == {
            **{number: [name] for number, name in first.items()},
            1: [first[1], "Bob"],
            3: [first[3], "Bob"],
        }
        for bob in ("Bob", "Bobby", "#8"):
            page = works(connection, WorksFilter(rightsholder=bob))
            assert ([row["asset_id"] for row in page.rows], page.total) == ([1, 3], 2)
        bobs = WorksFilter(rightsholder="Bob", licence="MIT", data_set="works")
        assert [row["asset_id"] for row in works(connection, bobs, limit=1, offset=1).rows] == [3]
        assert works(connection, WorksFilter(rightsholder="Eve")).total == 0
        owned = [number for number, name in first.items() if name == first[1]]
        assert [row["asset_id"] for row in works(connection, WorksFilter(rightsholder=first[1])).rows] == owned
        for chosen in (WorksFilter(), bobs):
            read = works_reader(connection, chosen).read_all().to_pylist()
            listed = [{**row, "registered_at": NOW, "recorded_at": NOW} for row in works(connection, chosen).rows]
            assert read == [{name: row[name] for name in row if name != "reason"} for row in listed]
        assert [row["asset_id"] for row in works_named(connection, [3, 1, 1])] == [1, 3]


def test_the_permissions_are_those_of_the_rule() -> None:
    """Listed without loading it."""
    assert tuple(str(permission) for permission in Permission) == PERMISSIONS


def test_rightsholders_are_paged_by_name_with_their_works(filled: Registry) -> None:
    """One without works counts, one that was merged does not."""
    with filled.connection() as connection:
        connection.execute(
            "INSERT INTO rightsholder (id, name, created_at, merged_into) "
            "VALUES (8, 'Ada B', now(), 0), (9, 'Nobody', now(), NULL)"
        )
        rows = rightsholders().rows(connection)
        assert [(row["rightsholder"], row["works"], row["licences"]) for row in rows] == [
            ("Ada", 8, ["MIT"]),
            ("Nobody", 0, []),
            ("Zoe", 4, ["MIT"]),
        ]
        assert rightsholders(limit=1, offset=1).rows(connection) == rows[1:2]
        assert rightsholders(matching="O").rows(connection) == rows[1:]
        assert count_rightsholders(connection, matching="O") == 2
        assert rightsholders().reader(connection).read_all().num_rows == 3


def test_licences_and_data_sets_say_how_many_works_they_have(filled: Registry) -> None:
    """Also those that have none."""
    with filled.connection() as connection:
        connection.execute(
            "INSERT INTO licence VALUES (9, 'House rules', NULL, false, 'unclear', '[]', NULL, '', now())"
        )
        found = [
            (row["licence"], row["recognised"], row["training"], row["works"]) for row in licences().rows(connection)
        ]
        sources = [(row["data_set"], row["kind"], row["works"], row["missing"]) for row in data_sets().rows(connection)]
    assert found == [("House rules", False, "unclear", 0), ("MIT", True, "permitted", 12)]
    assert sources == [("works", "folder", 12, 0)]


def test_listing_needs_neither_the_models_nor_arrow(filled: Registry) -> None:
    """Their import takes longer than finding a page among ten million works."""
    program = """
import pathlib, sys
sys.modules["pandas"] = None  # a tool of the tests brings it; DuckDB imports it, and Arrow with it, where it is installed
from registry.storage.database import Registry
from registry.home import Home
from registry.works.listings import WorksFilter, works
with Registry.open(Home(pathlib.Path(sys.argv[1]))).connection() as connection:
    assert works(connection, WorksFilter(rightsholder="Ada"), limit=2).total == 8
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", program, filled.home.root], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "sqlmodel", "pydantic", "pyarrow"} & set(done.stdout.split())
