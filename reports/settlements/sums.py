"""Sums of shares over outputs, with intervals by resampling the outputs.

The outputs of a period are a sample of what the models make. The bootstrap (Efron 1979) draws as
many of them again, with replacement, and sums again; the middle 95 % of the sums are the interval.
All rows are summed over the same draws, so that they still add up in every draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

RESAMPLES, SEED, LEVEL = 400, 0, 0.05
AT_ONCE = 25
"""Resamples in memory at once."""
METHOD = "95 % interval by resampling the outputs (bootstrap)"


@dataclass(frozen=True)
class Sums:
    """Per row: the sum of its shares, and the interval of its mean share over the outputs."""

    outputs: NDArray[np.int64]
    amount: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def summed(
    rows: NDArray[np.int64], outputs: NDArray[np.int64], shares: NDArray[np.float64], shape: tuple[int, int]
) -> Sums:
    """Sum the shares of every row over all outputs.

    Args:
        rows: of each share.
        outputs: of each share, by their place in a fixed order.
        shares: above 0 or 0.
        shape: number of rows, number of outputs; at least one output.
    """
    table = csr_array((shares, (rows, outputs)), shape=shape)
    generator = np.random.default_rng(SEED)
    count = shape[1]
    drawn = np.empty((RESAMPLES, shape[0]))
    for start in range(0, RESAMPLES, AT_ONCE):
        times = generator.multinomial(count, np.full(count, 1.0 / count), min(AT_ONCE, RESAMPLES - start))
        drawn[start : start + len(times)] = (table @ times.T.astype(np.float64)).T / count
    low, high = np.quantile(drawn, [LEVEL / 2, 1.0 - LEVEL / 2], axis=0)
    amount = np.bincount(rows, shares, shape[0]).astype(np.float64)
    return Sums(np.bincount(rows[shares > 0], minlength=shape[0]), amount, low, high)
