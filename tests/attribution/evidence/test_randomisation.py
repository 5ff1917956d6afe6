"""The randomisation test: exact, valid under the null, powerful if members really pull."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from attribution.evidence.randomisation import (
    assess_shortlist,
    contrast_weights,
    mean_predictions,
)
from attribution.sampling.predictions import BAND_EDGES, MemberPredictions
from registry.basis.p_values import exact_p_values
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits
from registry.errors import UsageError

N, H, UNITS, VALUES = 10, 5, 40, 12
BANDS = len(BAND_EDGES) - 1


def predictions_of(clean: np.ndarray) -> MemberPredictions:
    """MemberPredictions of a trajectory of one step, in a band with a weight."""
    clean_sum = np.zeros((BANDS, *clean.shape), dtype=np.float32)
    band_steps = np.zeros(BANDS)
    clean_sum[3], band_steps[3] = clean, 1
    return MemberPredictions(clean_sum, band_steps, np.zeros(len(clean)))


def test_contrast_weights_compare_means() -> None:
    """A code's weights are the mean over its members minus the mean over the others."""
    values = np.random.default_rng(0).normal(size=N)
    membership = bits(codes_of(0, N, H, np.arange(UNITS)), N)
    expected = [values[row].mean() - values[~row].mean() for row in membership]
    np.testing.assert_allclose(contrast_weights(membership) @ values, expected)


def test_statistic_is_the_formula() -> None:
    """The sums that sampling keeps give the statistic of the method page."""
    rng = np.random.default_rng(1)
    clean, image = rng.normal(size=(N, VALUES)), rng.normal(size=VALUES)
    code = codes_of(0, N, H, [3])
    row = bits(code, N)[0]
    contrast = clean[row].mean(axis=0) - clean[~row].mean(axis=0)
    way = image - clean.mean(axis=0)
    # The difference of two means, as a multiple of what unit noise in each value would make of it.
    expected = contrast @ (way / np.linalg.norm(way)) / np.sqrt(1 / H + 1 / (N - H))
    evidence = assess_shortlist(predictions_of(clean), image[None], code, decoys(0, N, H, UNITS, 500, draw_seed=0), N)
    assert evidence.statistic[0] == pytest.approx(expected, rel=1e-5)


def test_steps_count_by_their_weights() -> None:
    """Predictions are the weighted mean over steps; bands without a weight do not count."""
    rng = np.random.default_rng(2)
    clean_sum, band_steps = rng.normal(size=(BANDS, N, VALUES)).astype(np.float32), np.arange(1.0, BANDS + 1)
    found = mean_predictions(MemberPredictions(clean_sum, band_steps, np.zeros(N)))
    weights = [0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
    expected = sum(w * s.astype(np.float64) for w, s in zip(weights, clean_sum, strict=True))
    np.testing.assert_allclose(found, expected / np.dot(weights, band_steps))
    loud = clean_sum.copy()
    loud[:2] += 1e6
    np.testing.assert_array_equal(mean_predictions(MemberPredictions(loud, band_steps, np.zeros(N))), found)
    with pytest.raises(UsageError, match="more steps"):
        mean_predictions(MemberPredictions(clean_sum, np.eye(BANDS)[0], np.zeros(N)))


def test_planted_pull_has_the_smallest_p() -> None:
    """Members that saw a unit and pull towards its image give the smallest possible p-value."""
    rng = np.random.default_rng(3)
    code, image = codes_of(0, N, H, [7]), rng.normal(size=VALUES)
    clean = rng.normal(scale=0.1, size=(N, VALUES)) + np.outer(bits(code, N)[0], image)
    drawn = decoys(0, N, H, UNITS, 10_000, draw_seed=0)
    evidence = assess_shortlist(predictions_of(clean), image[None], code, drawn, N)
    assert evidence.p_value[0] == 1 / (1 + len(drawn))


def test_p_values_are_uniform_when_codes_mean_nothing() -> None:
    """Over redrawn codes, p-values pass a Kolmogorov-Smirnov test of uniformity."""
    rng = np.random.default_rng(4)
    p_values = []
    for seed in range(400):
        clean, image = rng.normal(size=(N, VALUES)), rng.normal(size=VALUES)
        drawn = decoys(seed, N, H, UNITS, 10_000, draw_seed=0)
        evidence = assess_shortlist(predictions_of(clean), image[None], codes_of(seed, N, H, [seed % UNITS]), drawn, N)
        p_values.append(evidence.p_value[0])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_what_is_no_number_is_no_evidence() -> None:
    """A member that diverged cannot make anything significant."""
    assert exact_p_values(np.array([np.nan]), np.full((1, 199), np.nan))[0] == 1.0


def test_p_value_counts_ties_against_the_unit() -> None:
    """A statistic equal to every decoy's is no evidence at all."""
    assert exact_p_values(np.array([2.0]), np.full((1, 9), 2.0))[0] == 1.0
