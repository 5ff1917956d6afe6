"""Which members saw which works: the view, the function for arrays and a count by hand agree, and a
filter on the view reaches the tables below.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.encodings.store import UnitTable
from registry.members.seen import (
    encoded_works,
    saw,
    seen_by_any,
    units_seen,
    withdrawals_applied_through,
    withdrawn_works,
)
from registry.schema.views import VIEWS
from registry.storage.tables import Encoding, Member
from tests.support.works import NOW

TABLES = """
    CREATE TABLE asset (id BIGINT, sha256 VARCHAR, permission VARCHAR);
    CREATE TABLE unit (encoding_id VARCHAR, number BIGINT, label VARCHAR, code UBIGINT);
    CREATE TABLE unit_asset (encoding_id VARCHAR, unit_number BIGINT, asset_id BIGINT);
    CREATE TABLE withdrawal_work (id BIGINT, withdrawal_id BIGINT, asset_id BIGINT);
    CREATE TABLE ensemble (id VARCHAR, encoding_id VARCHAR);
    CREATE TABLE member (id VARCHAR, ensemble_id VARCHAR, "index" BIGINT, generation BIGINT, manifest JSON,
        manifest_sha256 VARCHAR, merkle_root VARCHAR, weights_sha256 VARCHAR, registered_at TIMESTAMPTZ);
"""


@dataclass(frozen=True)
class World:
    """Works in units of encodings, withdrawals, and members by ensemble, index and generation."""

    works: int
    n: int
    encodings: dict[str, tuple[list[int], dict[int, int]]]
    """For each, the codes by unit number, and the unit of each of its works."""
    withdrawals: list[tuple[int, int]]
    """Id of the withdrawal, and a work that it covers."""
    members: dict[tuple[str, int, int], int | None]
    """By ensemble (named as its encoding), index and generation: the last withdrawal applied."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to 64 members, works that several withdrawals cover, works outside an encoding."""
    works, n = draw(st.integers(1, 8)), draw(st.sampled_from([2, 5, 64]))
    encodings = {}
    for name in draw(st.sampled_from([["a"], ["a", "b"]])):
        codes = draw(st.lists(st.integers(1, 2**n - 1), min_size=1, max_size=4))
        unit = st.integers(0, len(codes) - 1)
        encodings[name] = (codes, draw(st.dictionaries(st.integers(0, works - 1), unit)))
    withdrawals = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, works - 1)), unique=True, max_size=6))
    key = st.tuples(st.sampled_from(sorted(encodings)), st.integers(0, n - 1), st.integers(1, 3))
    members = draw(st.dictionaries(key, st.none() | st.integers(0, 3), max_size=8))
    return World(works, n, encodings, withdrawals, members)


def database_of(world: World) -> duckdb.DuckDBPyConnection:
    """The tables that the views read, and the views."""
    connection = duckdb.connect()
    connection.execute(TABLES)
    covered = {work for _, work in world.withdrawals}
    for work in range(world.works):
        connection.execute(
            "INSERT INTO asset VALUES (?, ?, ?)",
            [work, f"{work:064x}", "withdrawn" if work in covered else "permitted"],
        )
    for name, (codes, units) in world.encodings.items():
        connection.execute("INSERT INTO ensemble VALUES (?, ?)", [name, name])
        for number, code in enumerate(codes):
            connection.execute("INSERT INTO unit VALUES (?, ?, ?, ?)", [name, number, str(number), code])
        for work, unit in units.items():
            connection.execute("INSERT INTO unit_asset VALUES (?, ?, ?)", [name, unit, work])
    for number, (withdrawal, work) in enumerate(world.withdrawals):
        connection.execute("INSERT INTO withdrawal_work VALUES (?, ?, ?)", [number, withdrawal, work])
    for (ensemble, index, generation), through in world.members.items():
        connection.execute(
            "INSERT INTO member VALUES (?, ?, ?, ?, ?, '', '', '', now())",
            [f"{ensemble}-{index}-{generation}", ensemble, index, generation, {"withdrawn_through": through}],
        )
    for view in ("encoded_work", "trained_member", "member_work"):
        connection.execute(f"CREATE VIEW {view} AS {VIEWS[view]}")
    return connection


def seen_by_hand(world: World, ensemble: str, index: int, through: int | None) -> set[int]:
    """Works with the bit, less those of a withdrawal that training applied."""
    codes, units = world.encodings[ensemble]
    return {
        work
        for work, unit in units.items()
        if codes[unit] >> index & 1
        and not any(
            through is not None and withdrawal <= through for withdrawal, each in world.withdrawals if each == work
        )
    }


@given(worlds())
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_view_and_function_count_as_one_counts_by_hand(world: World) -> None:
    """Over random codes, withdrawals and generations, for every member."""
    with database_of(world) as connection:
        rows = connection.execute("SELECT member_id, asset_id FROM member_work").fetchall()
        newest = connection.execute("SELECT DISTINCT member_id FROM member_work WHERE newest").fetchall()
        by_encoding = {name: encoded_works(connection, name) for name in world.encodings}
        some = {name: encoded_works(connection, name, np.array([0, 3])) for name in world.encodings}
        withdrawn = {name: withdrawn_works(connection, name) for name in world.encodings}
        chosen = list(world.members.items())
        columns = ", ".join(seen_by_any([(index, through)]) for (_, index, _), through in chosen) or "NULL"
        by_column = connection.execute(f"SELECT encoding_id, asset_id, {columns} FROM encoded_work").fetchall()  # noqa: S608 - numbers
        anyone = seen_by_any((index, through) for (ensemble, index, _), through in chosen if ensemble == "a")
        by_any = connection.execute(
            f"SELECT asset_id FROM encoded_work WHERE encoding_id = 'a' AND {anyone}"  # noqa: S608 - numbers
        ).fetchall()
    assert len(rows) == len(set(rows))
    assert {work for (work,) in by_any} == {work for name, work in rows if name.startswith("a-")}
    for place, ((ensemble, index, generation), _) in enumerate(chosen, start=2):
        assert {row[1] for row in by_column if row[0] == ensemble and row[place]} == {
            work for name, work in rows if name == f"{ensemble}-{index}-{generation}"
        }
    last = {key[:2]: max(each[2] for each in world.members if each[:2] == key[:2]) for key in world.members}
    for (ensemble, index, generation), through in world.members.items():
        member = f"{ensemble}-{index}-{generation}"
        expected = seen_by_hand(world, ensemble, index, through)
        assert {work for name, work in rows if name == member} == expected
        assert not expected or ((member,) in newest) == (generation == last[ensemble, index])
        for found, among in (
            (by_encoding[ensemble], set(range(world.works))),
            (some[ensemble], {0, 3}),
            (withdrawn[ensemble], {work for _, work in world.withdrawals}),
        ):
            seen = found.seen_by(index, through)
            assert set(found.asset_ids[seen].tolist()) == expected & among
            assert found.hashes(seen) == [f"{work:064x}" for work in sorted(expected & among)]


@given(worlds())
@settings(max_examples=30, deadline=None)
def test_a_member_saw_a_unit_if_it_saw_a_work_of_it(world: World) -> None:
    """A unit of which every work was left out was not seen, whatever its code."""
    members = [key for key in world.members if key[0] == "a"]
    codes, units = world.encodings["a"]
    ids = np.array(sorted(units), dtype=np.int64)
    table = UnitTable(
        encoding=Encoding(
            id="a", unit_kind="asset", n=world.n, h=1, seed=0, unit_count=len(codes), left_out={}, created_at=NOW
        ),
        codes=np.array(codes, dtype=np.uint64),
        keys=[],
        labels=[],
        asset_ids=ids,
        unit_numbers=np.array([units[work] for work in ids.tolist()], dtype=np.int64),
    )
    with database_of(world) as connection:
        withdrawn = withdrawn_works(connection, "a")
    found = units_seen(table, withdrawn, [key[1] for key in members], [world.members[key] for key in members])
    for column, (_, index, generation) in enumerate(members):
        seen = seen_by_hand(world, "a", index, world.members["a", index, generation])
        assert set(np.flatnonzero(found[:, column]).tolist()) == {units[work] for work in seen}


def test_a_reference_model_sees_the_works_of_every_code() -> None:
    """No bit is asked for; withdrawals are left out as for a member."""
    codes, first = np.array([1, 2], dtype=np.uint64), np.array([2**62, 1])
    assert saw(codes, first, None, None).tolist() == [True, True]
    assert saw(codes, first, None, 1).tolist() == [True, False]


def test_a_member_names_the_last_withdrawal_applied() -> None:
    """As its manifest has it; 0 is the first withdrawal, not none."""
    for through in (None, 0, 3):
        member = Member.model_construct(manifest={"withdrawn_through": through})
        assert withdrawals_applied_through(member) == through


@pytest.mark.parametrize("condition", ["asset_id=7", "encoding_id='e'"])
def test_filters_reach_the_tables(condition: str) -> None:
    """A question about one work or one encoding does not make rows of all others."""
    world = World(1, 2, {"e": ([1], {}), "f": ([1], {})}, [(0, 0)], {("e", 1, 1): None, ("f", 0, 1): None})
    with database_of(world) as connection:
        connection.execute("INSERT INTO unit_asset SELECT 'e', 0, range FROM range(5000)")
        plan = connection.execute(f"EXPLAIN SELECT * FROM member_work WHERE {condition}").fetchall()[0][1]  # noqa: S608 - of the test
    assert f"Filters: {condition}" in " ".join(plan.replace("│", " ").split())
