"""Look-alikes are tested as one; the joint test is exact by every law of codes, whoever serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from attribution.evidence.adjustment import Neighbours
from attribution.evidence.look_alikes import SAME_PICTURE, drawn_together, look_alikes
from attribution.evidence.randomisation import Evidence, Together, assess_units, has_contrast
from registry.encodings.assignment import Assignment
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.outputs.grades import MAIN_SOURCE, MATTERS, Thresholds, grade_of
from tests.registry.encodings.test_assignment import nested

UNITS, VALUES, NONE = 24, 16, np.empty((0, 2), np.int64)
TWINS = np.array([0, 1])
"""Units that made no difference to any member; all others pull members."""


def plain(seed: int) -> Assignment:
    return Assignment(10, 5, seed, 2, codes_of(seed, 10, 5, np.arange(UNITS), 2))


def in_supports(seed: int) -> Assignment:
    """Four groups of six works; the twins are of two groups."""
    return nested(seed, 10, 8, 4, [6, 6, 6, 6], [6, 6, 6, 6])


LAWS = {"plain codes": (plain, TWINS), "nested codes": (in_supports, np.array([0, 6]))}


@dataclass(frozen=True)
class Dealt:
    """One deal of the codes, with members that are moved by all units but the twins."""

    evidence: Evidence
    alone: Evidence


def dealt(law: str, seed: int, withdrawn: int = 0, size: float = 0.0) -> Dealt | None:
    """Test the twins, together and alone; None: a twin has no contrast among those that serve.

    Args:
        law: of the codes.
        seed: of everything.
        withdrawn: number of other units whose members are out of service.
        size: effect of the first twin on members that saw it.
    """
    make, twins = LAWS[law]
    rng = np.random.default_rng((seed, withdrawn))
    assignment = make(seed)
    n = assignment.n
    shown = bits(assignment.codes, n)
    gone = rng.choice(np.setdiff1d(np.arange(UNITS), twins), withdrawn, replace=False)
    members = np.flatnonzero(~shown[gone].any(axis=0))
    serving = None if len(members) == n else members.tolist()
    seen = shown[:, members]
    if not has_contrast(seen[twins]).all():
        return None
    drawn = assignment.decoys(twins, 300, 1, serving)
    if drawn.count < 19:
        return None
    pictures = rng.normal(size=(UNITS, VALUES)) * 0.5 + rng.normal(size=VALUES)
    pictures[twins[1]] = pictures[twins[0]] + 0.01 * rng.normal(size=VALUES)
    effects = rng.gamma(0.7, size=UNITS) * 0.2
    effects[twins] = size, 0.0
    clean = (effects * (seen - 0.5).T) @ pictures + 0.1 * rng.standard_t(3, size=(len(members), VALUES))

    def members_of(words: np.ndarray) -> np.ndarray:
        return np.asarray(bits(words, n)[:, members])

    others = members_of(drawn.words.ravel()).reshape(*drawn.words.shape, -1)
    around = Neighbours(np.arange(UNITS), pictures, seen)
    together = drawn_together([np.arange(2)], twins, assignment, drawn.count, serving, members_of, seed)
    tested = (clean, pictures[twins], seen[twins], others, around, twins)
    return Dealt(assess_units(*tested, together), assess_units(*tested))


@pytest.mark.slow
@pytest.mark.parametrize("withdrawn", [0, 1])
@pytest.mark.parametrize("law", LAWS)
def test_p_values_are_uniform_when_codes_are_dealt_anew(law: str, withdrawn: int) -> None:
    """For a unit and for a group of look-alikes; the intervals cover 0 as often as stated."""
    found = [one for seed in range(250) if (one := dealt(law, seed, withdrawn)) is not None]
    assert len(found) > 120
    for name in ("evidence", "alone"):
        p_values = np.array([getattr(one, name).p_value[0] for one in found])
        if withdrawn:
            # Codes that are one code among those that serve tie, and ties count against the unit.
            for level in (0.05, 0.1, 0.25, 0.5):
                assert stats.binom.sf((p_values <= level).sum() - 1, len(found), level) > 0.001
        else:
            assert stats.kstest(p_values, "uniform").pvalue > 0.005
        effects = [getattr(one, name).effects for one in found]
        covered = [one.low[0] <= 0.0 <= one.high[0] for one in effects if one.not_measured[0] is None]
        assert stats.binom.cdf(sum(covered), len(covered), 0.95) > 0.001


def test_p_values_of_few_deals_are_no_smaller_than_stated() -> None:
    """The quick form of the test above, over both laws."""
    found = [one for law in LAWS for seed in range(40) if (one := dealt(law, seed)) is not None]
    p_values = np.array([one.evidence.p_value[0] for one in found])
    assert stats.kstest(p_values, "uniform").pvalue > 0.005


def test_a_group_has_one_result() -> None:
    """Both twins get the group's p, q and effect; decoys are as many as for a unit alone."""
    one = dealt("plain codes", 3, size=0.8)
    assert one is not None
    for values in (one.evidence.p_value, one.evidence.q_value, one.evidence.effects.low, one.evidence.statistic):
        assert values[0] == values[1]
    assert one.evidence.decoy_statistic.shape == one.alone.decoy_statistic.shape
    np.testing.assert_array_equal(one.evidence.alignment, one.alone.alignment)


def test_an_effect_of_the_group_is_on_the_scale_of_a_unit() -> None:
    """Members that saw any of two twins move a third of the way: the group's effect is a third."""
    rng = np.random.default_rng(0)
    assignment, picture = plain(1), rng.normal(size=VALUES)
    seen = bits(assignment.codes[:2], 10)
    moved = seen.any(axis=0) / 3.0
    clean = np.outer(moved - moved.mean(), picture) + 1e-4 * rng.normal(size=(10, VALUES))
    others = bits(assignment.decoys(TWINS, 199, 0).words, 10)
    words = assignment.joint_draws(TWINS, len(others), rng)
    group = Together(TWINS, bits(words.ravel(), 10).reshape(len(others), 2, 10))
    found = assess_units(clean, np.tile(picture, (2, 1)), seen, others, None, TWINS, [group])
    assert found.effects.estimate[0] == pytest.approx(1 / 3, abs=0.06)


def test_joint_draws_differ() -> None:
    """No draw is the units' own codes, and none comes twice."""
    assignment = Assignment(6, 3, 0, 2, codes_of(0, 6, 3, np.arange(7), 2))
    (group,) = drawn_together([TWINS], np.arange(7), assignment, 3, None, lambda words: bits(words, 6), 0)
    rows = [row.tobytes() for row in group.draws]
    assert len(set(rows)) == 3
    assert bits(assignment.codes[:2], 6).tobytes() not in rows


def test_what_looks_alike() -> None:
    """Near fingerprints, or pictures that correlate about the mean; directly or through others."""
    rng = np.random.default_rng(1)
    mean = rng.normal(size=200)
    pictures = mean + rng.normal(size=(6, 200))
    assert look_alikes(pictures, mean, NONE) == []
    pictures[3] = mean + 1.7 * (pictures[1] - mean)
    assert [group.tolist() for group in look_alikes(pictures, mean, NONE)] == [[1, 3]]
    found = look_alikes(pictures, mean, np.array([[3, 5], [0, 2]]))
    assert [group.tolist() for group in found] == [[0, 2], [1, 3, 5]]
    pictures[3] = mean
    assert look_alikes(pictures, mean, NONE) == []
    assert 0.9 < SAME_PICTURE < 1.0


THRESHOLDS = Thresholds(0.1, 0.03)


def grades(one: Dealt) -> list[str]:
    return [
        grade_of(q, low, 0.05, THRESHOLDS)
        for q, low in zip(one.alone.q_value.tolist(), one.alone.effects.low.tolist(), strict=True)
    ]


def test_a_look_alike_of_the_true_source_is_no_source() -> None:
    """The second twin did nothing, and its picture is the first one's. Tested alone, each after the
    other's effect is taken off, the first is found and the second is not.
    """
    found = [one for seed in range(40) if (one := dealt("plain codes", seed, size=0.6)) is not None]
    first, second = zip(*map(grades, found), strict=True)
    assert np.mean([grade == MAIN_SOURCE for grade in first]) > 0.7
    assert np.mean([grade in MATTERS for grade in second]) <= 0.1
