"""The split of reference works into those that classifiers learn from, and those held out.

Near duplicates stay on one side: a copy of a work that a classifier learned from would make the
ceiling too high.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64


def held_out_works(
    artist: Int64[np.ndarray, " work"],
    alike: Sequence[Int64[np.ndarray, " duplicate"]],
    share: float,
    seed: int,
) -> Bool[np.ndarray, " work"]:
    """Which works are held out: about ``share`` of each artist's, and never all of them.

    Args:
        artist: of each work.
        alike: groups of rows that are near duplicates. A group may have works of several artists.
        share: of each artist's works, between 0 and 1.
        seed: of the random order in which groups are taken.
    """
    group = np.arange(len(artist))
    for rows in alike:
        group[rows] = rows.min()
    numbers, place = np.unique(group, return_inverse=True)
    works = np.bincount(artist)
    # At least one work is held out, where the artist's works do not all look alike.
    wanted = np.clip(np.round(works * share), 1, works - 1)
    held = np.zeros(len(works), dtype=np.int64)
    chosen = np.zeros(len(numbers), dtype=np.bool_)
    rows_of = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    for number in np.random.default_rng(seed).permutation(len(numbers)):
        adds = np.bincount(artist[rows_of[number]], minlength=len(works))
        if (held + adds <= wanted)[adds > 0].all():
            chosen[number] = True
            held += adds
    return np.asarray(chosen[place])
