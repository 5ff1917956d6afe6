"""The order of candidates by their evidence, and a candidate's chance to pass if it did nothing.

Benjamini and Hochberg's procedure at rate a over m candidates lets a candidate pass if its p is at
most a k / m, where k is the number that would pass if its own p were 0; k follows from the other
candidates alone. A unit that made no difference has a p at most x with probability at most x, and
with p a multiple of 1 / (decoys + 1) with x rounded down to such a multiple. So

    chance = a k / m, rounded down to a multiple of the smallest possible p

bounds the probability that the unit passes by chance, given the others. Summed over all tests of a
rightsholder's units, the chances bound the number of findings that are expected by chance: of units
that made a difference they add nothing to it but slack. The sum is a bound on an expectation, and
says nothing on how far the number of one rightsholder may lie from it. With more than one unit of
the rightsholder in an image the others' p-values are taken as they are, so that a real effect of
one raises the chance of the next, as it does in the procedure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

EVIDENCE_ORDER = "q_value, p_value, rank"
"""SQL: candidates of one audit, strongest evidence first; DuckDB puts NaN last. Passing candidates
have the smallest q, so they come first. In Python: :func:`evidence_key`."""


def evidence_key(q_value: float, p_value: float, rank: int) -> tuple[bool, float, bool, float, int]:
    """The key that sorts candidates of one audit like :data:`EVIDENCE_ORDER`."""
    q_missing, p_missing = math.isnan(q_value), math.isnan(p_value)
    return (q_missing, 0.0 if q_missing else q_value, p_missing, 0.0 if p_missing else p_value, rank)


ROUNDING = 1e-9
"""Tolerance of the grid of p-values, as a share of its step."""


def chances_of(tests: str) -> str:
    """SQL: (audit_id, rank, chance) of the tests of a query, as by :func:`chances_to_pass`.

    ``tests``: a query of (audit_id, rank, p_value, rate, step); rate and smallest p, the step, are
    those of the audit. An audit without a rate has no findings, so the chance is 0.
    """
    return f"""
    WITH counted AS (
        SELECT audit_id, rank, isfinite(p_value) AS known, p_value, rate, step,
            count(*) OVER (PARTITION BY audit_id) AS tested,
            row_number() OVER (PARTITION BY audit_id ORDER BY p_value, rank) AS place
        FROM ({tests})
    ), needed AS (
        SELECT mine.audit_id, mine.rank, any_value(mine.rate) AS rate, any_value(mine.step) AS step,
            any_value(mine.rate) / any_value(mine.tested) * greatest(1, coalesce(max(
                others.place + (others.place < mine.place)::INT
            ) FILTER (others.known AND others.p_value <= mine.rate
                * (others.place + (others.place < mine.place)::INT) / mine.tested * (1 + {ROUNDING})), 1)) AS level
        FROM counted AS mine LEFT JOIN counted AS others
            ON others.audit_id = mine.audit_id AND others.rank <> mine.rank
        GROUP BY mine.audit_id, mine.rank
    )
    SELECT audit_id, rank, CASE
        WHEN NOT coalesce(isfinite(rate), false) THEN 0
        WHEN step > 0 AND step <= 1 THEN least(1, floor(level / step + {ROUNDING}) * step)
        ELSE level END AS chance
    FROM needed
    """  # noqa: S608 - constants


CHANCES = chances_of("""
    SELECT candidate.audit_id, candidate.rank, p_value,
        TRY_CAST(audit.settings ->> 'false_discovery_rate' AS DOUBLE) AS rate,
        TRY_CAST(audit.test ->> 'smallest_p' AS DOUBLE) AS step
    FROM candidate JOIN audit ON audit.id = candidate.audit_id
""")
"""SQL: a row per candidate of every audit, with its chance to pass."""


def chances_to_pass(p_values: Sequence[float], rate: float, smallest_p: float | None) -> list[float]:
    """For each candidate of one audit: the probability, at most, of passing by chance.

    ``p_values``: in order of rank. ``smallest_p``: the step of the p-values; None: not known.
    """
    tested = len(p_values)
    found = []
    for own in range(tested):
        others = sorted(p for place, p in enumerate(p_values) if place != own and math.isfinite(p))
        needed = max(
            (place for place, p in enumerate(others, start=2) if p <= rate * place / tested * (1 + ROUNDING)), default=1
        )
        level = rate * needed / tested
        if smallest_p is not None and 0 < smallest_p <= 1:
            level = min(1.0, math.floor(level / smallest_p + ROUNDING) * smallest_p)
        found.append(level)
    return found
