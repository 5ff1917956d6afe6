"""Influence by an adapter's gradients: the curvature, whichever of its two forms is smaller."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.ranking.rankers.gradients.adapters import Curvature, InnerProducts
from attribution.ranking.rankers.interface import ArrayRows, dense_scores


@pytest.mark.parametrize("works", [5, 40])
def test_both_forms_of_the_curvature_give_the_definition(works: int) -> None:
    """(G^T G + ridge)^-1 g, with the ridge a share of the mean squared length."""
    rng = np.random.default_rng(0)
    gradients, own = rng.normal(size=(works, 12)).astype(np.float32), rng.normal(size=(3, 12))
    curvature = Curvature(ArrayRows(gradients))
    assert curvature.few == (works < 12)
    exact = gradients.astype(np.float64)
    for ridge in (0.01, 1.0):
        level = ridge * (exact**2).sum() / works
        expected = np.linalg.solve(exact.T @ exact + level * np.eye(12), own.T).T
        np.testing.assert_allclose(curvature.solved(own, ridge), expected, rtol=1e-6, atol=1e-9)
    query = InnerProducts(own[:, None].astype(np.float32), curvature.rows)
    np.testing.assert_allclose(dense_scores(query, works)[0], own @ exact.T, rtol=1e-4, atol=1e-5)


def test_works_without_gradients_have_no_influence() -> None:
    """A base that no view moves gives zeros, and no error."""
    curvature = Curvature(ArrayRows(np.zeros((3, 4), dtype=np.float32)))
    query = InnerProducts(curvature.solved(np.ones((1, 4)), 0.1)[:, None].astype(np.float32), curvature.rows)
    assert not dense_scores(query, 3).any()
