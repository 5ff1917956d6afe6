"""Groups of works that look alike: whose they are, how near, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from registry.event_log.events import changing
from registry.export.files import write_listing
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.rightsholders.records import merge_rightsholders
from registry.similarity.groups import Duplicates, listing_of, near_duplicates, pairs_among, works_of
from registry.storage.database import Registry
from tests.support.works import NOW, register, write_pictures

PAIRS = [(0, 1, 3), (1, 2, 9), (3, 6, 0), (4, 5, 31), (4, 7, 2)]
"""Works 0, 1, 2 are alike (Ann's), 3 and 6 (Ann's and nobody's), 4, 5 and 7 (Bob's, Bob's and
Cid's)."""


@pytest.fixture
def corpus(registry: Registry, folder: Path) -> Registry:
    """Eight works with pairs that look alike, as registering would have found them."""
    owners = {0: "Ann", 1: "Ann", 2: "Ann", 3: "Ann", 4: "Bob", 5: "Bob", 7: "Cid"}
    write_pictures(folder, [f"{owners.get(number, '.')}/{number}.png" for number in range(8)])
    register(registry, folder, FolderPerRightsholder("CC0-1.0", allow_unowned=True))
    with registry.connection() as connection:
        rows = connection.execute("SELECT id, path FROM asset").fetchall()
    numbers = {int(Path(path).stem): asset_id for asset_id, path in rows}
    add_pairs(registry, [(numbers[first], numbers[second], bits) for first, second, bits in PAIRS])
    return registry


def add_pairs(registry: Registry, pairs: list[tuple[int, int, int]]) -> None:
    ordered = [(*sorted((first, second)), bits) for first, second, bits in pairs]
    with changing(registry, NOW) as change:
        columns = np.array(ordered, dtype=np.int64).T
        change.connection.register("pairs", pa.table(dict(zip("abd", columns, strict=True))))
        change.connection.execute(
            "INSERT INTO near_duplicate SELECT ? + row_number() OVER () - 1, a, b, d, ? FROM pairs",
            [change.next_id("near_duplicate"), NOW],
        )
        change.record("near duplicates searched", "fingerprints", after={"pairs": len(pairs)})


def found(registry: Registry, *, across_only: bool = False, rightsholder_id: int | None = None) -> Duplicates:
    with registry.connection() as connection:
        return near_duplicates(connection, across_only=across_only, rightsholder_id=rightsholder_id)


def names(registry: Registry, duplicates: Duplicates, most: int | None = None) -> list[list[tuple[str, str, int]]]:
    """By group, file name, rightsholder and distance of its works."""
    with registry.connection() as connection:
        groups = works_of(connection, duplicates.groups, most)
    return [[(Path(row["path"]).stem, row["rightsholder"], row["distance"]) for row in group] for group in groups]


def test_groups_across_rightsholders_come_first_then_the_largest(corpus: Registry) -> None:
    """A work without a rightsholder makes no group one of several; every work has its least
    distance to another.
    """
    duplicates = found(corpus)
    assert [sorted(group) for group in names(corpus, duplicates)] == [
        [("4", "Bob", 2), ("5", "Bob", 31), ("7", "Cid", 2)],
        [("0", "Ann", 3), ("1", "Ann", 3), ("2", "Ann", 9)],
        [("3", "Ann", 0), ("6", None, 0)],
    ]
    assert [(group.number, group.rightsholders) for group in duplicates.groups] == [(1, 2), (2, 1), (3, 1)]
    assert duplicates.across == 1
    assert [len(group) for group in names(corpus, duplicates, most=2)] == [2, 2, 2]


def test_groups_can_be_chosen(corpus: Registry) -> None:
    """Those across rightsholders, and those of one; merging makes several one."""
    assert [group.number for group in found(corpus, across_only=True).groups] == [1]
    with corpus.connection() as connection:
        ids = dict(connection.execute("SELECT name, id FROM rightsholder").fetchall())
    assert [len(group.asset_ids) for group in found(corpus, rightsholder_id=ids["Ann"]).groups] == [3, 2]
    assert found(corpus, across_only=True, rightsholder_id=ids["Ann"]).groups == ()
    merge_rightsholders(corpus, ids["Cid"], ids["Bob"], "one", NOW)
    assert found(corpus).across == 0


def test_contradicting_permissions_are_pointed_out(corpus: Registry) -> None:
    """One of two works that look alike may be trained on, the other not."""
    assert {len(group.permissions) for group in found(corpus).groups} <= {1, 2}
    with corpus.connection() as connection:
        connection.execute("UPDATE asset SET permission = 'permitted'")
        connection.execute("UPDATE asset SET permission = 'prohibited' WHERE path = 'Cid/7.png'")
    assert [group.permissions for group in found(corpus).groups] == [
        ("permitted", "prohibited"),
        ("permitted",),
        ("permitted",),
    ]


def test_all_groups_are_one_table_to_export(corpus: Registry, tmp_path: Path) -> None:
    """A row per work with its group, in order; also where there is none."""
    with corpus.connection() as connection:
        table = listing_of(connection, near_duplicates(connection))
        assert table["group_number"].to_pylist() == [1, 1, 1, 2, 2, 2, 3, 3]
        assert table["rightsholders"].to_pylist() == [2, 2, 2, 1, 1, 1, 1, 1]
        assert set(table["rightsholder"].to_pylist()) == {"Ann", "Bob", "Cid", None}
        assert write_listing(table, tmp_path / "groups.csv") == 8
        empty = listing_of(connection, Duplicates((), 0, 0))
    assert (empty.num_rows, empty.column_names) == (0, table.column_names)


def test_without_pairs_there_are_no_groups(registry: Registry) -> None:
    """Of an empty registry."""
    duplicates = found(registry)
    assert (duplicates.groups, duplicates.across, duplicates.works_not_compared) == ((), 0, 0)
    assert names(registry, duplicates) == []


def test_very_many_pairs_are_grouped_without_a_loop_over_works(registry: Registry) -> None:
    """A group of a hundred thousand works, and as many pairs."""
    add_pairs(registry, [(0, number, 1) for number in range(1, 100_000)])
    (group,) = found(registry).groups
    assert len(group.asset_ids) == 100_000
    assert set(group.distances.tolist()) == {1}


def test_pairs_are_those_among_the_works(corpus: Registry) -> None:
    """Pairs with a work that was not asked for do not count; works with one file are a pair."""
    with corpus.connection() as connection:
        rows = connection.execute("SELECT id, path FROM asset").fetchall()
        asset_ids = {int(Path(path).stem): int(asset_id) for asset_id, path in rows}
        asked = np.array([asset_ids[number] for number in (2, 1, 7, 5)])

        def pairs() -> set[frozenset[int]]:
            return {frozenset(pair) for pair in pairs_among(connection, asked).tolist()}

        alike = frozenset((asset_ids[1], asset_ids[2]))
        assert pairs() == {alike}
        assert pairs_among(connection, asked[:1]).shape == (0, 2)
        connection.execute(
            "CREATE TEMP TABLE asset AS SELECT id, 'a' AS sha256 FROM asset WHERE path NOT LIKE '%2.png'"
        )
        one_file = sorted({asset_ids[number] for number in (1, 7, 5)})
        assert pairs() == {alike, *(frozenset((one_file[0], other)) for other in one_file[1:])}
        connection.execute("UPDATE temp.asset SET sha256 = NULL")
        assert pairs() == {alike}, "works without a file here are no pair"
