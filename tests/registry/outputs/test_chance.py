"""Candidates have one order; the chance to pass is that of the procedure, in SQL as in Python."""

from __future__ import annotations

import json
import math

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from registry.outputs.chance import CHANCES, EVIDENCE_ORDER, chances_to_pass, evidence_key

GRID = 204
P_VALUES = st.lists(
    st.one_of(st.integers(1, GRID + 1).map(lambda k: k / (GRID + 1)), st.just(math.nan)), min_size=1, max_size=8
)


def in_sql(audits: list[list[float]], rate: float | None, step: float | None, query: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE audit (id VARCHAR, settings JSON, test JSON)")
    connection.execute("CREATE TABLE candidate (audit_id VARCHAR, rank INTEGER, p_value DOUBLE, q_value DOUBLE)")
    for number, p_values in enumerate(audits):
        stated, test = json.dumps({"false_discovery_rate": rate}), json.dumps({"smallest_p": step})
        connection.execute("INSERT INTO audit VALUES (?, ?, ?)", [str(number), stated, test])
        for rank, p_value in enumerate(p_values, start=1):
            connection.execute("INSERT INTO candidate VALUES (?, ?, ?, ?)", [str(number), rank, p_value, p_value])
    return connection.execute(query).fetchall()


@settings(deadline=None, max_examples=25)
@given(audits=st.lists(P_VALUES, min_size=1, max_size=3), rate=st.sampled_from([0.05, 0.2, 0.5]))
def test_chances_are_the_same_in_sql(audits: list[list[float]], rate: float) -> None:
    """Over ties, values that are no number, and audits of several sizes."""
    for step in (1 / (GRID + 1), None):
        query = f"SELECT chance FROM ({CHANCES}) ORDER BY audit_id::INT, rank"  # noqa: S608 - a constant
        rows = in_sql(audits, rate, step, query)
        expected = [chance for p_values in audits for chance in chances_to_pass(p_values, rate, step)]
        assert [row[0] for row in rows] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(values=st.lists(st.tuples(st.sampled_from([0.01, 0.2, math.nan]), st.sampled_from([0.1, 0.4, math.nan]))))
def test_candidates_are_ordered_alike_in_sql(values: list[tuple[float, float]]) -> None:
    """Ties are decided by rank, values that are no number come last."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE candidate (rank INTEGER, p_value DOUBLE, q_value DOUBLE)")
    for rank, (p_value, q_value) in enumerate(values, start=1):
        connection.execute("INSERT INTO candidate VALUES (?, ?, ?)", [rank, p_value, q_value])
    rows = connection.execute(f"SELECT rank FROM candidate ORDER BY {EVIDENCE_ORDER}").fetchall()  # noqa: S608 - a constant
    keys = {rank: evidence_key(q_value, p_value, rank) for rank, (p_value, q_value) in enumerate(values, start=1)}
    assert [row[0] for row in rows] == sorted(keys, key=lambda rank: keys[rank])


@settings(deadline=None)
@given(p_values=P_VALUES)
def test_a_candidate_passes_exactly_if_its_p_is_at_most_its_level(p_values: list[float]) -> None:
    """The level is the largest p with which it passes beside the others."""
    known = [p for p in p_values if math.isfinite(p)]
    if not known:
        return
    q_values = stats.false_discovery_control(known)
    for p_value, q_value, level in zip(known, q_values, chances_to_pass(known, 0.05, None), strict=True):
        assert (q_value <= 0.05 * (1 + 1e-9)) == (p_value <= level * (1 + 1e-9))


@pytest.mark.parametrize("active", [0, 3])
def test_expected_by_chance_is_what_happens(active: int) -> None:
    """4,000 images of ten candidates: findings among null units, and the sum of their chances."""
    rng = np.random.default_rng(active)
    found, expected = 0, 0.0
    for _ in range(4_000):
        p_values = rng.integers(1, GRID + 2, 10) / (GRID + 1)
        p_values[:active] = 1 / (GRID + 1)
        q_values = stats.false_discovery_control(p_values)
        found += int((q_values[active:] <= 0.05).sum())
        expected += sum(chances_to_pass(p_values.tolist(), 0.05, 1 / (GRID + 1))[active:])
    # The number is about Poisson; the bound is met almost exactly.
    assert abs(found - expected) <= 4 * math.sqrt(expected)
    assert expected > 20
