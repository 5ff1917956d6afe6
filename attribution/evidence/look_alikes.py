"""Look-alikes in a shortlist: works that the test cannot tell apart, so it takes them as one.

Two works look alike if their fingerprints are near (:mod:`registry.similarity`), or if their
pictures, measured from the mean picture of the neighbours, correlate at :data:`SAME_PICTURE` or
more. Works that look alike directly or through others make a group. The members' pull towards one
of them is pull towards all, so an effect that is divided among them would mean nothing.

A group is tested like a unit (:func:`attribution.evidence.randomisation.assess_units`). Its picture
is the mean of the works' pictures; in place of a code it has the share of its works that each
member saw; the null distribution comes from joint draws of the works' codes, given the codes of all
others. Effects of works outside the group alone are subtracted. Its effect is the share of the way
that a member moves which saw all of the works, measured from a member that saw none. All works of
the group get the group's p, q and effect.

Nothing here depends on the tested codes: the pictures, the fingerprints and the neighbours are
chosen without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt64

from attribution.evidence.randomisation import Together
from registry.encodings.assignment import Assignment
from registry.similarity.groups import pairs_among
from registry.similarity.hamming_join import groups
from registry.storage.database import Registry

SAME_PICTURE = 0.98
"""Correlation of two pictures, measured from the mean of the neighbours, from which on they look
alike."""


def look_alikes(
    pictures: Float[np.ndarray, "unit value"],
    mean: Float64[np.ndarray, " value"],
    near: Int64[np.ndarray, "pair 2"],
) -> list[Int64[np.ndarray, " place"]]:
    """The groups of a shortlist, each as ascending places in it; by their first place.

    Args:
        pictures: of the shortlisted units.
        mean: of the neighbours' pictures.
        near: places of units with near fingerprints.
    """
    away = pictures - mean
    length = np.linalg.norm(away, axis=1)
    away = away / np.where(length > 0.0, length, 1.0)[:, None]
    first, second = np.triu_indices(len(pictures), 1)
    same = (away @ away.T)[first, second] >= SAME_PICTURE
    pairs = np.concatenate([near.reshape(-1, 2), np.column_stack([first[same], second[same]])]).astype(np.int64)
    return sorted(groups(pairs), key=lambda group: int(group[0]))


def near_fingerprints(registry: Registry, asset_ids: Int64[np.ndarray, " place"]) -> Int64[np.ndarray, "pair 2"]:
    """The pairs of these works, by place, that are near duplicates or have the same file."""
    with registry.connection() as connection:
        pairs = pairs_among(connection, asset_ids)
    order = np.argsort(asset_ids)
    return np.asarray(order[np.searchsorted(asset_ids, pairs, sorter=order)], dtype=np.int64)


def drawn_together(
    found: Sequence[Int64[np.ndarray, " place"]],
    units: Int64[np.ndarray, " place"],
    assignment: Assignment,
    draws: int,
    serving: Sequence[int] | None,
    membership_of: Callable[[UInt64[np.ndarray, " code"]], Bool[np.ndarray, "code member"]],
    seed: int,
) -> list[Together]:
    """The groups with joint draws of their codes.

    Args:
        found: groups, as places among ``units``.
        units: numbers of the shortlisted units.
        assignment: the law of the codes.
        draws: as many as each unit has decoys.
        serving: the members whose bits count; None: all.
        membership_of: the bits of words at these members.
        seed: of the draws; must not depend on the codes.
    """
    together = []
    for number, places in enumerate(found):
        words = _other_codes(units[places], assignment, draws, serving, np.random.default_rng((seed, number)))
        together.append(Together(places, membership_of(words.ravel()).reshape(*words.shape, -1)))
    return together


def _other_codes(
    units: Int64[np.ndarray, " unit"],
    assignment: Assignment,
    draws: int,
    serving: Sequence[int] | None,
    generator: np.random.Generator,
) -> UInt64[np.ndarray, "draw unit"]:
    """Joint draws that differ from the units' own codes and from each other.

    Among few joint draws, repeats would make a true null pass less often than stated. There are
    always enough: each of two or more units has as many decoys as are drawn.
    """
    own = assignment.codes[units][None]
    found = own
    while len(found) <= draws:
        drawn = assignment.joint_draws(units, draws, generator, serving=serving)
        every = np.concatenate([found, drawn])
        _, first = np.unique(every, axis=0, return_index=True)
        found = every[np.sort(first)]
    return np.asarray(found[1 : draws + 1])
