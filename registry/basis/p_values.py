"""The p-values and q-values that follow from the statistics of a shortlist and of its decoys.

The test of a shortlist (:mod:`attribution.evidence.randomisation`) computes p here, and the check
of a document computes it here again from the audit's own file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def exact_p_values(statistic: Values, decoy_statistic: Values) -> Values:
    """(1 + #{decoys >= unit}) / (1 + #decoys); ties count against the unit, up to rounding.

    ``statistic``: shape (units). ``decoy_statistic``: shape (units, decoys).
    """
    tolerance = 1e-9 * np.abs(decoy_statistic).max(axis=1, initial=0.0)
    # Counting smaller values makes NaN count against the unit.
    smaller = (decoy_statistic < (statistic - tolerance)[:, None]).sum(axis=1)
    as_large = decoy_statistic.shape[1] - smaller
    return np.asarray((1.0 + as_large) / (1.0 + decoy_statistic.shape[1]), dtype=np.float64)


def q_values(p_value: Values) -> Values:
    """Benjamini and Hochberg (1995), as :func:`attribution.metrics.statistics.benjamini_hochberg`.

    That one is scipy's, whose import takes over half a second; a document needs scipy for nothing
    else.
    """
    order = np.argsort(-p_value, kind="stable")
    scaled = p_value[order] * len(p_value) / np.arange(len(p_value), 0, -1)
    corrected = np.empty_like(p_value)
    corrected[order] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    return corrected
