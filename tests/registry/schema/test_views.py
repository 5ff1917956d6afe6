"""Views: each answers what its name says, from the rows alone, and agrees with what the commands
say.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from registry.encodings.store import create_encoding, load_units
from registry.event_log.events import Change
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.permissions.derived_columns import recompute
from registry.permissions.rule import explain
from registry.schema.views import VIEWS
from registry.storage import relation_names
from registry.storage.database import Registry
from tests.support.works import NOW, copied, register, write_pictures

LATER = NOW.replace(year=2027)


def rows(registry: Registry, query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    with registry.reading() as connection:
        return connection.execute(query).fetchall()


def put(registry: Registry, query: str, *values: object) -> None:
    """Write past the log: these tests are about reading."""
    with registry.connection() as connection:
        connection.execute(query, list(values))
        recompute(Change(connection, "tests", NOW), None)


@pytest.fixture(scope="module")
def written(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Three works: 0 of Ada, 1 and 2 of Zoe; tests copy it."""
    folder = tmp_path_factory.mktemp("written")
    registry = copied(empty, folder)
    names = ["Ada/a.png", "Zoe/b.png", "Zoe/c.png"]
    register(registry, write_pictures(folder / "works", names), FolderPerRightsholder("MIT"))
    return registry


@pytest.fixture
def filled(written: Registry, tmp_path: Path) -> Registry:
    """The three works."""
    return copied(written, tmp_path)


def test_the_schema_knows_every_view_by_name() -> None:
    """Opening compares names without loading the queries."""
    assert set(VIEWS) == relation_names.VIEWS


def test_works_by_permission_count_each_work_once(filled: Registry) -> None:
    """By permission, source and licence."""
    found = rows(filled, "SELECT permission, data_set, licence, works FROM works_by_permission")
    assert sum(row[3] for row in found) == 3
    assert {row[1:3] for row in found} == {("works", "MIT")}
    owned = rows(filled, "SELECT rightsholder, works FROM works_by_rightsholder ORDER BY rightsholder")
    assert owned == [("Ada", 1), ("Zoe", 2)]


def test_rights_history_has_every_row_and_says_which_is_newest(filled: Registry) -> None:
    """A verified row beside the declared one."""
    put(
        filled,
        "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, recorded_from, recorded_by, recorded_at) "
        "VALUES (7, 0, 'verified', 1, 'letter', 'x', ?), (8, 0, 'verified', 0, 'second letter', 'x', ?)",
        NOW,
        LATER,
    )
    found = rows(filled, "SELECT basis, newest, rightsholder FROM rights_history WHERE asset_id = 0 ORDER BY rights_id")
    assert found == [("declared", True, "Ada"), ("verified", False, "Zoe"), ("verified", True, "Ada")]


def test_a_works_rightsholders_are_those_of_the_row_that_counts(filled: Registry) -> None:
    """Several where several are declared, merged records as one, and the one of the work where
    there are no more.
    """
    (rights_id,) = rows(filled, "SELECT declared_id FROM asset WHERE id = 0")[0]
    put(
        filled,
        "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share) "
        "VALUES (0, ?, 0, 1, 0, 'photographer', 0.75), (1, ?, 0, 2, 1, 'model', 0.25)",
        rights_id,
        rights_id,
    )
    query = "SELECT rightsholder, role, share FROM work_rightsholder WHERE asset_id = {} ORDER BY position"
    assert rows(filled, query.format(0)) == [("Ada", "photographer", 0.75), ("Zoe", "model", 0.25)]
    assert rows(filled, query.format(1)) == [("Zoe", None, None)]
    put(filled, "UPDATE rightsholder SET merged_into = 0 WHERE id = 1")
    assert rows(filled, query.format(0)) == [("Ada", "model, photographer", 1.0)]


def test_a_merged_record_counts_as_the_one_that_it_was_merged_into(filled: Registry) -> None:
    """Every record is listed with its own name; one that was not merged counts as itself."""
    put(filled, "UPDATE rightsholder SET merged_into = 0 WHERE id = 1")
    found = rows(filled, "SELECT id, name, effective_id FROM effective_rightsholder ORDER BY id")
    assert found == [(0, "Ada", 0), (1, "Zoe", 0)]


def test_permission_grounds_are_those_that_the_command_explains(filled: Registry) -> None:
    """The same query, over all works at once."""
    put(
        filled,
        "INSERT INTO review (id, scope, subject_id, permission, reason, recorded_by, recorded_at) "
        "VALUES (0, 'rightsholder', 1, 'prohibited', 'a letter', 'x', ?)",
        NOW,
    )
    found = rows(filled, "SELECT asset_id, step, verdict, reason FROM permission_ground ORDER BY ALL")
    with filled.connection() as connection:
        told = explain(connection, [0, 1, 2]).to_pylist()
    expected = [
        (row["asset_id"], row["step"], row["verdict"], row["reason"]) for row in told if row["kind"] != "nothing"
    ]
    assert found == sorted(expected)
    assert rows(filled, "SELECT subject, permission FROM current_review") == [("Zoe", "prohibited")]


def test_an_open_claim_is_open_until_it_is_decided(filled: Registry) -> None:
    """With who claims and how many works; decided claims stay in current_claim."""
    for number in (0, 1):
        put(
            filled,
            "INSERT INTO claim (id, rightsholder_id, statement, recorded_by, recorded_at) VALUES (?, 1, 'mine', 'x', ?)",
            number,
            NOW,
        )
    put(
        filled,
        "INSERT INTO claim_work (id, claim_id, asset_id, matched_by) VALUES (0, 0, 0, 'id'), (1, 0, 2, 'id'), (2, 1, 1, 'id')",
    )
    put(
        filled,
        "INSERT INTO claim_decision VALUES (0, 1, 'refused', 'no', 'x', ?)",
        NOW,
    )
    assert rows(filled, "SELECT claim_id, claimant, works FROM open_claim") == [(0, "Zoe", 2)]
    found = rows(filled, "SELECT claim_id, state, decision_reason FROM current_claim ORDER BY claim_id")
    assert found == [(0, "open", None), (1, "refused", "no")]


def test_a_rightsholder_is_described_once_with_what_is_known_now(filled: Registry) -> None:
    """The newest details, every identifier of the records that were merged, and their names."""
    put(
        filled,
        "INSERT INTO rightsholder_details (id, rightsholder_id, kind, contact, represented_by, recorded_by, recorded_at) "
        "VALUES (0, 0, 'person', 'old@ada.example', NULL, 'x', ?), (1, 0, 'person', 'ada@ada.example', 2, 'x', ?)",
        NOW,
        LATER,
    )
    put(
        filled,
        "INSERT INTO rightsholder (id, name, created_at, merged_into) VALUES (2, 'Agency', ?, 3), (3, 'The Agency', ?, NULL)",
        NOW,
        NOW,
    )
    put(
        filled,
        "INSERT INTO rightsholder_identifier (id, rightsholder_id, scheme, value, recorded_by, recorded_at) "
        "VALUES (0, 0, 'orcid', '0000', 'x', ?), (1, 1, 'isni', '1111', 'x', ?)",
        NOW,
        NOW,
    )
    put(filled, "UPDATE rightsholder SET merged_into = 0 WHERE id = 1")
    found = rows(
        filled,
        "SELECT rightsholder, contact, represented_by, identifiers, merged_names FROM rightsholder_current "
        "ORDER BY rightsholder_id",
    )
    assert found == [
        ("Ada", "ada@ada.example", "The Agency", ["isni:1111", "orcid:0000"], ["Zoe"]),
        ("The Agency", None, None, [], ["Agency"]),
    ]


def test_exposure_is_what_codes_and_manifests_say(filled: Registry) -> None:
    """A member of an index saw the units with that bit, but for works whose withdrawal its training
    heeded.
    """
    encoding = create_encoding(filled, "asset", None, 4, 2, 0, NOW)
    units = load_units(filled, encoding.id)
    put(
        filled,
        "INSERT INTO ensemble (id, encoding_id, settings, created_at) VALUES ('e', ?, '{}', ?)",
        encoding.id,
        NOW,
    )
    for index in range(4):
        _put_member(filled, index, 1, None, NOW)
    expected = [(asset, index) for asset in (0, 1, 2) for index in range(4) if asset in units.assets_of_member(index)]
    query = "SELECT asset_id, member_index FROM exposure WHERE {} ORDER BY ALL"
    assert rows(filled, query.format("newest")) == expected
    joined = (
        "SELECT asset_id, member_work.encoding_id, unit_number, label, member_work.ensemble_id, member_id, member_index, "
        "member_work.generation, newest, manifest_sha256, merkle_root, weights_sha256, registered_at FROM member_work "
        "JOIN unit ON unit.encoding_id = member_work.encoding_id AND number = unit_number "
        "JOIN member ON member.id = member_id ORDER BY ALL"
    )
    assert rows(filled, "SELECT * FROM exposure ORDER BY ALL") == rows(filled, joined) != []
    put(filled, "INSERT INTO withdrawal VALUES (0, 'asset', 1, 'asked', 'x', ?)", NOW)
    put(filled, "INSERT INTO withdrawal_work VALUES (0, 0, 1)")
    assert rows(filled, "SELECT asset_id, reason FROM withdrawn_work") == [(1, "asked")]
    saw = [index for index in range(4) if 1 in units.assets_of_member(index)]
    assert [row[1] for row in rows(filled, query.format("asset_id = 1 AND newest"))] == saw
    for index in saw:
        _put_member(filled, index, 2, 0, LATER)
    assert rows(filled, query.format("asset_id = 1 AND newest")) == []
    assert [row[1] for row in rows(filled, query.format("asset_id = 1 AND generation = 1"))] == saw
    assert rows(filled, query.format("newest")) == [item for item in expected if item[0] != 1]


def test_candidates_come_by_the_rightsholders_of_their_works(filled: Registry) -> None:
    """One row per rightsholder and candidate, and whether it reached the audit's rate."""
    encoding = create_encoding(filled, "column", "data_set", 4, 2, 0, NOW)
    put(
        filled,
        "INSERT INTO ensemble (id, encoding_id, settings, created_at) VALUES ('e', ?, '{}', ?)",
        encoding.id,
        NOW,
    )
    put(
        filled,
        "INSERT INTO audit (id, ensemble_id, subject_kind, image_sha256, settings, ranker, test, attributable, "
        "artefact_sha256, versions, timings, created_at) "
        "VALUES ('a', 'e', 'image', 'x', '{\"false_discovery_rate\": 0.05}', '{}', '{}', true, 'x', '{}', '{}', ?)",
        NOW,
    )
    put(
        filled,
        "INSERT INTO candidate (audit_id, rank, unit_number, score, statistic, p_value, q_value) "
        "VALUES ('a', 1, 0, 1.0, 1.0, 0.01, 0.04)",
    )
    query = "SELECT rightsholder, works, q_value, passes FROM candidate_by_rightsholder ORDER BY rightsholder"
    assert rows(filled, query) == [("Ada", 1, 0.04, True), ("Zoe", 2, 0.04, True)]


def test_near_duplicates_of_one_rightsholder_are_left_out(filled: Registry) -> None:
    """What matters is the same picture under two names."""
    put(filled, "INSERT INTO near_duplicate VALUES (0, 0, 1, 12, ?), (1, 1, 2, 3, ?)", NOW, NOW)
    query = "SELECT asset_id, rightsholder, other_asset_id, other_rightsholder FROM near_duplicate_across_rightsholders"
    assert rows(filled, query) == [(0, "Ada", 1, "Zoe")]


def _put_member(registry: Registry, index: int, generation: int, withdrawn_through: int | None, at: datetime) -> None:
    through = "null" if withdrawn_through is None else str(withdrawn_through)
    put(
        registry,
        'INSERT INTO member (id, ensemble_id, "index", generation, origin, manifest, manifest_sha256, merkle_root, '
        "weights_sha256, registered_at) VALUES (?, 'e', ?, ?, 'trained', ?, 'm', 'r', 'w', ?)",
        f"e-{index}-{generation}",
        index,
        generation,
        f'{{"withdrawn_through": {through}}}',
        at,
    )
