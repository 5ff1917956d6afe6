"""The strength of a verdict in one word, for readers without statistics.

| word | q of the best candidate, by the audit's rate | effect |
|---|---|---|
| strong | at most a half | more than slight |
| weak | at most a half | slight, or not measured |
| borderline | more than a half, at most twice | any |

A verdict over twice the rate finds nothing, and has no word. Half and twice: a limit that were half
or twice as high is as good a limit, so a verdict that depends on it is told as borderline.
"""

from __future__ import annotations

from typing import Literal

Strength = Literal["strong", "weak", "borderline"]
NEAR = 2.0
"""A q within this factor of the rate, on either side, is borderline."""


def strength_of(q_value: float, rate: float, *, slight: bool) -> Strength | None:
    """The strength of a verdict; None: nothing was found.

    ``slight``: the lower end of the effect is too low to matter, or is not measured.
    """
    if not q_value <= NEAR * rate:
        return None
    if q_value * NEAR > rate:
        return "borderline"
    return "weak" if slight else "strong"
