"""Distances between sets of pictures, and intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, Int64

from attribution.metrics.statistics import Share

RESAMPLES = 1000
NEIGHBOURS = 5


def squared_distances(
    first: Float[np.ndarray, "a value"], second: Float[np.ndarray, "b value"]
) -> Float64[np.ndarray, "a b"]:
    """Sums over pixels of squared differences."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    return np.asarray(np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2.0 * (a @ b.T), 0.0))


def nearest(
    pictures: Float[np.ndarray, "picture value"], works: Float[np.ndarray, "work value"]
) -> tuple[Int64[np.ndarray, " picture"], Float64[np.ndarray, " picture"]]:
    """The work nearest to each picture by Euclidean distance over pixels, and that distance."""
    squares = squared_distances(pictures, works)
    which = squares.argmin(axis=1)
    return which, np.sqrt(squares[np.arange(len(pictures)), which])


def classify(
    pictures: Float[np.ndarray, "picture value"],
    works: Float[np.ndarray, "work value"],
    labels: Int64[np.ndarray, " work"],
) -> Int64[np.ndarray, " picture"]:
    """The most common class among the five nearest works; ties go to the smallest class."""
    closest = np.argpartition(squared_distances(pictures, works), NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    votes = np.apply_along_axis(np.bincount, 1, labels[closest], minlength=int(labels.max()) + 1)
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)


def frechet(first: Float[np.ndarray, "a value"], second: Float[np.ndarray, "b value"]) -> float:
    """Frechet distance between the Gaussians of two feature sets (FID, Heusel et al. 2017)."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    covariance_a, covariance_b = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    # tr (Sa Sb)^(1/2) is the sum of the roots of the eigenvalues of the symmetric Sa^(1/2) Sb
    # Sa^(1/2).
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0.0)).sum()
    apart = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    return apart + float(np.trace(covariance_a) + np.trace(covariance_b) - 2.0 * cross)


def energy_distance(first: Float[np.ndarray, "a value"], second: Float[np.ndarray, "b value"]) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo 2013), unbiased: no self-pairs."""

    def within(x: np.ndarray) -> float:
        distances = np.sqrt(squared_distances(x, x))
        np.fill_diagonal(distances, 0.0)
        return float(distances.sum()) / (len(x) * (len(x) - 1))

    return 2.0 * float(np.sqrt(squared_distances(first, second)).mean()) - within(first) - within(second)


def principal_axes(
    pictures: Float[np.ndarray, "picture value"], count: int
) -> Callable[[Float[np.ndarray, "other value"]], Float64[np.ndarray, "other axis"]]:
    """Coordinates along the first ``count`` principal axes of these pictures."""
    centre = pictures.astype(np.float64).mean(axis=0)
    _, _, axes = np.linalg.svd(pictures - centre, full_matrices=False)
    return lambda others: np.asarray((others - centre) @ axes[:count].T)


def interval(
    values: Float[np.ndarray, " sample"], statistic: Callable[[np.ndarray], float] = np.mean, seed: int = 0
) -> list[float]:
    """95 % percentile interval of a statistic, by resampling the samples."""
    generator = np.random.default_rng(seed)
    drawn = [statistic(values[generator.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)]
    return [rounded(bound) for bound in np.quantile(drawn, [0.025, 0.975])]


def estimate(values: Float[np.ndarray, " sample"]) -> dict[str, object]:
    """A mean over samples with its interval."""
    return {"mean": rounded(float(np.mean(values))), "interval_95": interval(values), "samples": len(values)}


def share(found: np.ndarray) -> dict[str, object]:
    """A share with its Clopper-Pearson interval."""
    hits, count = int(np.sum(found)), len(found)
    low, high = Share(hits, count).interval()
    return {"share": rounded(hits / count), "interval_95": [rounded(low), rounded(high)], "of": count}


def geometric_mean(values: np.ndarray) -> float:
    """The geometric mean of positive values."""
    return float(np.exp(np.log(values).mean()))


def rounded(value: float, digits: int = 4) -> float:
    """Round to significant digits."""
    return float(f"{float(value):.{digits}g}")
