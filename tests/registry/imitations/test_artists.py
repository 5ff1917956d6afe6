"""Artists and their works: names, columns, draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from registry.errors import NotFoundError, UsageError
from registry.home import Home
from registry.imitations.artists import (
    all_works_of,
    find_artists,
    read_works_of,
    works_of_artists,
)
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.schema.create import create_registry
from registry.storage.database import Registry
from tests.support.works import NOW, write_csv, write_pictures


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Ten works of two rightsholders, in two schools; one work without a school."""
    names = [f"{number}.png" for number in range(10)]
    works = write_pictures(tmp_path / "works", names)
    rows = [
        {"path": name, "rightsholder": f"{'Ada' if number < 6 else 'Bo'} Example", "school": ["", "a'b"][number > 0]}
        for number, name in enumerate(names)
    ]
    write_csv(works / "owners.csv", rows)
    made = create_registry(Home(tmp_path / "home"), now=NOW)
    register_folder(made, works, OwnerTable(works / "owners.csv"), now=NOW, excluded=[works / "owners.csv"])
    return made


def test_artists_are_rightsholders_or_values_of_a_column(registry: Registry) -> None:
    """A work without a value has no artist; a column that no work has is refused with those there
    are.
    """
    with registry.connection() as connection:
        assert works_of_artists(connection, "rightsholder") == {"Ada Example": 6, "Bo Example": 4}
        assert works_of_artists(connection, "school") == {"a'b": 9}
        with pytest.raises(NotFoundError, match=r"'style'; there are .*school"):
            works_of_artists(connection, "style")


def test_works_are_drawn_by_seed_and_not_by_order(registry: Registry) -> None:
    """The same draw each time; another seed draws others; too few works are refused."""
    with registry.connection() as connection:
        [ada, bo] = read_works_of(connection, "rightsholder", ["Ada Example", "Bo Example"], 3, 0)
        assert (len(ada.asset_ids), len(bo.asset_ids)) == (3, 3)
        assert len(ada.rightsholders) == 1
        assert all(path.is_file() for path in ada.paths)
        [again] = read_works_of(connection, "rightsholder", ["Ada Example"], 3, 0)
        assert np.array_equal(again.asset_ids, ada.asset_ids)
        draws = {
            tuple(read_works_of(connection, "rightsholder", ["Ada Example"], 3, seed)[0].asset_ids) for seed in range(8)
        }
        assert len(draws) > 1
        assert set(ada.asset_ids) <= set(all_works_of(connection, "rightsholder", "Ada Example"))
        with pytest.raises(UsageError, match="at least 3"):
            read_works_of(connection, "rightsholder", ["Ada Example"], 2, 0)


def test_names_are_found_but_never_guessed() -> None:
    """Exactly first; two that differ by capitals alone must be told apart."""
    known = {"Ada": 3, "ADA": 3, "Bo Example": 3}
    assert find_artists(["Ada", "bo example", "x"], known, {"x": "ADA"}) == {
        "Ada": "Ada",
        "bo example": "Bo Example",
        "x": "ADA",
    }
    with pytest.raises(UsageError, match="fits 'Ada', 'ADA'"):
        find_artists(["ada"], known, {})
    with pytest.raises(NotFoundError, match=r"'Bo Exmaple'; did you mean 'Bo Example'"):
        find_artists(["Bo Exmaple"], known, {})
