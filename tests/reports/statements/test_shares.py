"""Shares of the listed influence: closed forms, and what must hold for any numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.facts import NotMeasured
from reports.statements.facts import IntervalPart, SharePart
from reports.statements.shares import Passing, share_of

POSITIVE = st.floats(0.01, 100)


@st.composite
def candidates(draw: st.DrawFn) -> list[Passing]:
    """Some that passed, with exact influences and effects within their intervals."""
    found = []
    for rank in range(1, draw(st.integers(1, 6)) + 1):
        value = draw(POSITIVE)
        effect = IntervalPart(value=value, low=value - draw(POSITIVE), high=value + draw(POSITIVE))
        found.append(Passing(rank, draw(st.booleans()), draw(POSITIVE), None, effect))
    return found


def measured(found: SharePart | NotMeasured) -> SharePart:
    assert isinstance(found, SharePart)
    return found


def test_two_by_hand() -> None:
    """30 and 10: a share of 3/4, its ends from the intervals of both effects."""
    passing = [
        Passing(1, True, 30.0, None, IntervalPart(value=1.0, low=0.5, high=1.5)),
        Passing(2, False, 10.0, None, IntervalPart(value=0.5, low=0.25, high=1.0)),
    ]
    share = measured(share_of(passing, frozenset({1})))
    assert (share.value, share.among, share.method) == (0.75, 2, "exact ablation")
    assert share.low == pytest.approx(15 / (15 + 20))
    assert share.high == pytest.approx(45 / (45 + 5))


@settings(deadline=None)
@given(candidates())
def test_shares_add_up_and_lie_in_their_intervals(passing: list[Passing]) -> None:
    """Of all that passed they sum to one; each lies between its ends, which are between nought and
    one.
    """
    shares = [measured(share_of(passing, frozenset({each.rank}))) for each in passing]
    assert math.fsum(share.value for share in shares) == pytest.approx(1)
    for share in shares:
        assert isinstance(share.low, float)
        assert isinstance(share.high, float)
        assert -1e-12 <= share.low <= share.value + 1e-9
        assert share.value - 1e-9 <= share.high <= 1 + 1e-12


@settings(deadline=None)
@given(candidates())
def test_ends_of_complements_mirror_each_other(passing: list[Passing]) -> None:
    """What is the least for some is the most for all others."""
    theirs = frozenset(each.rank for each in passing if each.theirs)
    others = frozenset(each.rank for each in passing) - theirs
    if theirs and others:
        mine, rest = measured(share_of(passing, theirs)), measured(share_of(passing, others))
        assert isinstance(mine.low, float)
        assert mine.low == pytest.approx(1 - float(rest.high))  # type: ignore[arg-type]  # a number, as the other one is
        assert mine.value == pytest.approx(1 - rest.value)


def test_methods_are_never_mixed() -> None:
    """Exact influences where all have one, else estimates where all have one, else no share and the
    reason.
    """
    effect = IntervalPart(value=1.0, low=0.5, high=1.5)
    one, other = Passing(1, True, 30.0, 3.0, effect), Passing(2, False, None, 1.0, effect)
    share = measured(share_of([one, other], frozenset({1})))
    assert (share.method, share.value) == ("first-order estimate", 0.75)
    missing = share_of([one, Passing(2, False, None, None, effect)], frozenset({1}))
    assert isinstance(missing, NotMeasured)
    assert "one method" in missing.not_measured


def test_share_without_effects_has_no_range() -> None:
    """An effect that was not measured, or that is none, leaves the range open and says so."""
    for effect in (NotMeasured("no"), IntervalPart(value=0.0, low=-0.1, high=0.1)):
        passing = [
            Passing(1, True, 3.0, None, IntervalPart(value=1.0, low=0.5, high=1.5)),
            Passing(2, False, 1.0, None, effect),
        ]
        share = measured(share_of(passing, frozenset({1})))
        assert isinstance(share.low, NotMeasured)
        assert isinstance(share.high, NotMeasured)
        assert share.value == 0.75
    alone = measured(share_of([Passing(1, True, 3.0, None, NotMeasured("no"))], frozenset({1})))
    assert (alone.low, alone.value, alone.high) == (1.0, 1.0, 1.0)
