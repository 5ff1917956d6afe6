"""E18: how many members do so many units need? (TDA, "only need O(log |X|^(1 + eps)) models")

n members with h = floor(n / 2) have C(n, h) codes. The smallest sufficient n is computed and
checked by counting the codes for small n, and by the defining property of an encoded ensemble: no
unit's members are a subset of another's.

    python -m benchmarks.papers.e18_members_needed
"""

from __future__ import annotations

import itertools
import sys
from math import comb, log2
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.papers.reporting import arguments, keep, plot
from registry.encodings.codes import capacity, codes_of, members_needed
from registry.encodings.words import bits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e18_members_needed"
PUBLISHED = {10_000: 16, 60_000: 20}
UNITS = (256, 300, 1_000, 8_192, 10_000, 50_000, 60_000, 1_000_000, 5_000_000_000)
CHECKED = 1_000
"""Most units to check in pairs."""


def main() -> int:
    """Compute, write the result, and return 1 if a count is wrong or above the published one."""
    setting, _ = arguments(NAME)
    needed = {units: members_needed(units) for units in UNITS}
    counted = all(sum(1 for _ in itertools.combinations(range(n), n // 2)) == capacity(n, n // 2) for n in range(2, 15))
    smallest = all(comb(n - 1, (n - 1) // 2) < units <= comb(n, n // 2) for units, n in needed.items())
    separated = {n: never_contained(n, min(CHECKED, comb(n, n // 2))) for n in (6, 10, 12, 16, 20)}
    results = {
        "members_needed": needed,
        "published": PUBLISHED,
        "codes_counted_one_by_one_agree": counted,
        "one_member_less_never_suffices": smallest,
        "no_unit_within_another": separated,
        "members_less_log2_units": {units: round(n - log2(units), 2) for units, n in needed.items()},
        "held": counted
        and smallest
        and all(separated.values())
        and all(needed[units] <= members for units, members in PUBLISHED.items()),
    }

    def paint(axes: Axes) -> None:
        axes.step(list(needed), list(needed.values()), "o-", where="post", label="smallest n")
        axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "s", label="published")
        axes.plot(UNITS, np.log2(UNITS), "--", color="0.7", label="log2 N")
        axes.set(xscale="log", xlabel="units N", ylabel="members n")
        axes.legend(frameon=False)

    plot(setting.name_of(NAME), "E18: members that N units need", paint)
    return keep(NAME, setting, "16 members suffice for 10,000 units and 20 for 60,000; n grows like log N", results)


def never_contained(n: int, units: int) -> bool:
    """Whether for every ordered pair of units some member saw the first and not the second."""
    membership = bits(codes_of(0, n, n // 2, np.arange(units)), n).astype(np.int64)
    only_first = membership @ (1 - membership).T
    np.fill_diagonal(only_first, 1)
    return bool((only_first > 0).all())


if __name__ == "__main__":
    sys.exit(main())
