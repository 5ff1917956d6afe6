"""Questions to the registry: verified beside declared, ids by their start, counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.encodings.store import create_encoding
from registry.errors import NotFoundError, UsageError
from registry.event_log.events import Change
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.permissions.derived_columns import recompute
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble
from registry.works.queries import asset_rights_table, find_by_prefix, latest_encoding, latest_ensemble
from registry.works.status import status
from tests.support.works import NOW, register, write_pictures


@pytest.fixture
def filled(registry: Registry, folder: Path) -> Registry:
    """Three works of two rightsholders."""
    register(registry, write_pictures(folder, ["Zoe/a.png", "Ada/b.png", "Ada/c.png"]), FolderPerRightsholder("MIT"))
    return registry


def test_what_was_verified_decides_and_what_was_declared_stays(filled: Registry) -> None:
    """The newest row of each basis counts; where the verified one is silent, the declared one
    speaks.
    """
    with filled.connection() as connection:
        connection.execute("UPDATE asset_rights SET title = 'Declared title' WHERE asset_id = 0")
        connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, recorded_from, recorded_by, "
            "recorded_at) VALUES (10, 0, 'verified', 0, NULL, 'letter', 'x', now()), "
            "(11, 0, 'verified', 1, NULL, 'contract', 'x', now())"
        )
        recompute(Change(connection, "tests", NOW), [0])
        rows = asset_rights_table(connection).to_pylist()
    names = [row["rightsholder"] for row in rows]
    assert [row["basis"] for row in rows] == ["verified", "declared", "declared"]
    assert names == ["Zoe", "Ada", "Zoe"]
    assert (rows[0]["licence"], rows[0]["title"], rows[0]["recorded_from"]) == ("MIT", "Declared title", "contract")


def test_chosen_works_come_in_order_of_id(filled: Registry) -> None:
    """Whatever the order they were asked in; unknown ids are not there."""
    with filled.connection() as connection:
        assert asset_rights_table(connection, [2, 0, 77])["asset_id"].to_pylist() == [0, 2]
        assert asset_rights_table(connection, []).num_rows == 0


def test_status_counts_rows_and_gaps(filled: Registry, folder: Path) -> None:
    """Works without owner or licence, and those that are gone."""
    encoding = create_encoding(filled, "asset", None, 4, 2, 0, NOW)
    (folder / "Zoe" / "a.png").unlink()
    register(filled, folder, FolderPerRightsholder("MIT"))
    with filled.connection() as connection:
        connection.execute(
            "INSERT INTO ensemble (id, encoding_id, settings, created_at) VALUES ('e', ?, '{}', now())", [encoding.id]
        )
        connection.execute("UPDATE asset_rights SET licence_id = NULL WHERE asset_id = 0")
        recompute(Change(connection, "tests", NOW), [0])
        found = status(connection)
    assert (found.counts["asset"], found.counts["rightsholder"], found.counts["encoding"], found.counts["member"]) == (
        3,
        2,
        1,
        0,
    )
    assert (found.works_missing, found.works_without_licence, found.works_without_rightsholder) == (1, 1, 0)
    assert [(row["id"], row["unit_count"]) for row in found.encodings] == [(encoding.id, 3)]
    assert [(row["id"], row["members"], row["n"]) for row in found.ensembles] == [("e", 0, 4)]
    assert [(row["name"], row["works"]) for row in found.data_sets] == [("works", 3)]


def test_ids_are_found_by_their_start(filled: Registry) -> None:
    """One that is ambiguous or unknown is an error; a percent sign is only a sign."""
    with filled.session() as session:
        for name in ("aa1", "aa2", "aa"):
            session.add(
                Encoding(id=name, unit_kind="asset", n=4, h=2, seed=0, unit_count=3, left_out={}, created_at=NOW)
            )
    with filled.session() as session:
        assert find_by_prefix(session, Encoding, "aa2").id == "aa2"
        assert find_by_prefix(session, Encoding, "aa").id == "aa"
        with pytest.raises(UsageError, match="several encoding ids"):
            find_by_prefix(session, Encoding, "a")
        for prefix in ("b", "%", "", "_a1"):
            with pytest.raises(NotFoundError, match="no encoding"):
                find_by_prefix(session, Encoding, prefix)


def test_the_newest_is_the_one_made_last_and_none_says_what_to_run(registry: Registry) -> None:
    """Commands take it when no id is given."""
    with registry.session() as session:
        with pytest.raises(NotFoundError, match="creditline encode"):
            latest_encoding(session)
        with pytest.raises(NotFoundError, match="creditline train"):
            latest_ensemble(session)
        for number, name in enumerate(("old", "new")):
            session.add(
                Encoding(
                    id=name,
                    unit_kind="asset",
                    n=4,
                    h=2,
                    seed=0,
                    unit_count=1,
                    left_out={},
                    created_at=NOW.replace(year=2026 - number),  # the clock went back
                )
            )
        session.flush()
        session.add(Ensemble(id="only", encoding_id="new", settings={}, created_at=NOW))
        session.flush()
        assert latest_encoding(session).id == "new"
        assert latest_ensemble(session).id == "only"
