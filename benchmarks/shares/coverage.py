"""Does the interval of a share hold the true share? Members that follow the regression's model.

Every unit that a member saw moves its prediction towards the unit's picture, and noise is added.
The true share follows from the true effects and the expected noise. Codes, pictures, effects and
noise are drawn anew every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from attribution.evidence.shares import shares_of
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.statistics import Share
from benchmarks.shares.measuring import WORDS

TIMES, UNITS, VALUES, DRAWS = 150, 8, 64, 200
NOISE = 0.35
EFFECTS = (0.6, 0.4, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0)


def measure() -> dict[str, Any]:
    """How often intervals hold the true share, for units with an effect, without one, and the
    rest.
    """
    held: dict[str, list[bool]] = {"with an effect": [], "without an effect": [], "unattributed": []}
    widths, bias = [], []
    for time in range(TIMES):
        generator = np.random.default_rng(time)
        pictures = generator.normal(size=(UNITS, VALUES))
        rows = generator.permutation(len(WORDS))
        membership, decoys = WORDS[rows[:UNITS]], WORDS[rows[UNITS:]]
        codes = membership - membership.mean(axis=1, keepdims=True)
        effects, n = np.array(EFFECTS), membership.shape[1]
        noise = NOISE * generator.normal(size=(n, VALUES))
        predictions = (codes * effects[:, None]).T @ pictures + noise
        gram = (codes @ codes.T) * (pictures @ pictures.T)
        parts = np.maximum(effects * (gram @ effects), 0.0)
        rest = NOISE**2 * VALUES * (n - 1)
        true = np.append(parts, rest) / (parts.sum() + rest)
        found = shares_of(predictions, pictures, membership, decoys, None, (), time, DRAWS)
        if isinstance(found, NotMeasured):
            raise TypeError(found.reason)
        inside = (found.low <= true + 1e-9) & (true <= found.high + 1e-9)
        held["with an effect"] += inside[:-1][effects > 0].tolist()
        held["without an effect"] += inside[:-1][effects == 0].tolist()
        held["unattributed"].append(bool(inside[-1]))
        widths.append(float((found.high - found.low)[:-1].mean()))
        bias.append(found.value - true)
    return {
        "times": TIMES,
        "members": WORDS.shape[1],
        "effects": list(EFFECTS),
        "held": {name: Share(sum(values), len(values)).to_json() for name, values in held.items()},
        "mean_width": round(float(np.mean(widths)), 4),
        "mean_error": [round(float(each), 4) for each in np.mean(bias, axis=0)],
    }
