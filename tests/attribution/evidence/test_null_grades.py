"""Where there is nothing to name, no grade names it: codes dealt anew explain no member."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from attribution.audit.record import AuditSettings
from attribution.evidence.adjustment import Neighbours
from attribution.evidence.randomisation import assess_units
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits
from registry.outputs.grades import MAIN_SOURCE, MATTERS, Thresholds, grade_of

N, H, UNITS, VALUES = 12, 6, 48, 48
SETTINGS = AuditSettings()
THRESHOLDS = Thresholds(SETTINGS.main_source, SETTINGS.contributes)


def grades(seed: int, *, wrong: bool) -> list[str]:
    """A shortlist of ten; the first unit moves the members that saw it half of the way, the others
    less and less. ``wrong``: the codes are dealt anew after training.
    """
    rng = np.random.default_rng(seed)
    trained = bits(codes_of(seed, N, H, np.arange(UNITS)), N)
    said = seed + 10_000 if wrong else seed
    seen, others = bits(codes_of(said, N, H, np.arange(UNITS)), N), bits(decoys(said, N, H, UNITS, 400, draw_seed=0), N)
    pictures = rng.normal(size=(UNITS, VALUES)) * 0.6 + rng.normal(size=VALUES)
    effects = 0.5 * 0.6 ** np.arange(UNITS)
    clean = (effects * (trained - 0.5).T) @ (pictures - pictures.mean(axis=0)) + 0.05 * rng.normal(size=(N, VALUES))
    around, listed = Neighbours(np.arange(UNITS), pictures, seen), np.arange(10)
    found = assess_units(clean, pictures[:10], seen[:10], others, around, listed)
    return [
        grade_of(q, low, SETTINGS.false_discovery_rate, THRESHOLDS)
        for q, low in zip(found.q_value.tolist(), found.effects.low.tolist(), strict=True)
    ]


def test_the_main_source_is_named() -> None:
    """With the true codes the strongest unit is a main source, and no unit from the sixth on is."""
    found = [grades(seed, wrong=False) for seed in range(20)]
    assert all(each[0] == MAIN_SOURCE for each in found)
    assert not any(MAIN_SOURCE in each[5:] for each in found)


def test_wrong_codes_name_no_main_source() -> None:
    """The quick form of the test below."""
    assert sum(MAIN_SOURCE in grades(seed, wrong=True) for seed in range(60)) <= 1


@pytest.mark.slow
def test_wrong_codes_name_a_main_source_as_seldom_as_stated() -> None:
    """At most in the false discovery rate of the ensembles; so with works that contribute."""
    found = [grades(seed, wrong=True) for seed in range(600)]
    for named in ((MAIN_SOURCE,), MATTERS):
        count = sum(any(grade in named for grade in each) for each in found)
        assert stats.binom.sf(count - 1, len(found), SETTINGS.false_discovery_rate) > 0.001
