"""The pull towards the image itself: exact under codes dealt anew, and exact among probes."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.evidence.adjustment import Neighbours
from attribution.metrics.statistics import uniformity
from attribution.seen.statistic import Look, conformal_p, pull_towards_itself
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits
from registry.errors import UsageError

N, H, UNITS, VALUES = 10, 4, 30, 12


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures of units, codes, decoys."""
    generator = np.random.default_rng(seed)
    pictures = generator.normal(size=(UNITS, VALUES))
    codes = bits(codes_of(seed, N, H, np.arange(UNITS), 2), N)
    return pictures, codes, bits(decoys(seed, N, H, UNITS, 1000, draw_seed=0, code_format=2), N)


def looks(pictures: np.ndarray, codes: np.ndarray, image: np.ndarray, memory: float, seed: int) -> list[Look]:
    """Members that lean on every unit that they saw, and restore the image by ``memory``."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        shared = 0.1 * codes.T @ pictures + generator.normal(scale=0.3, size=(N, VALUES))
        found.append(Look(shared + memory * codes[0][:, None] * image, image))
    return found


def around(pictures: np.ndarray, codes: np.ndarray) -> Neighbours:
    """All units."""
    return Neighbours(np.arange(UNITS), pictures, codes)


def test_a_seen_image_stands_out_and_its_p_is_small() -> None:
    """The largest of both looks counts, and both are told."""
    pictures, codes, others = world(0)
    found = pull_towards_itself(
        looks(pictures, codes, pictures[0], 1.0, 0), codes[0], others, around(pictures, codes), 0
    )
    assert found.value == max(found.by_look) > 2.5
    assert found.p_value == pytest.approx(1 / (1 + len(others)))


def test_p_is_uniform_if_the_nearest_unit_made_no_difference() -> None:
    """Its code dealt anew, given all others, over the maximum of dependent looks."""
    ranks, places = [], 0
    for seed in range(300):
        pictures, codes, others = world(seed)
        free = np.concatenate([codes[:1], others])
        # The unit's own code is a draw from what was free; the members never learned from it.
        drawn = np.random.default_rng(1000 + seed).integers(len(free))
        trained = codes.copy()
        trained[0] = False
        members = looks(pictures, trained, pictures[0], 0.0, seed)
        mine, rest = free[drawn], np.delete(free, drawn, axis=0)
        placed = np.concatenate([mine[None], codes[1:]])
        found = pull_towards_itself(members, mine, rest, around(pictures, placed), 0)
        places = len(free)
        ranks.append(round(found.p_value * places))
    assert uniformity(np.array(ranks), places)[1] > 0.01


def test_standardised_images_compare() -> None:
    """Twice the difference between members is no more evidence; members that agree give none."""
    pictures, codes, others = world(1)
    seen = looks(pictures, codes, pictures[0], 0.5, 1)
    mean = [look.predictions.mean(axis=0) for look in seen]
    double = [
        Look(centre + 2.0 * (look.predictions - centre), look.image) for look, centre in zip(seen, mean, strict=True)
    ]
    near = around(pictures, codes)
    once, twice = (pull_towards_itself(each, codes[0], others, near, 0) for each in (seen, double))
    assert once.value == pytest.approx(twice.value)
    alike = [Look(np.ones((N, VALUES)), pictures[0])]
    assert pull_towards_itself(alike, codes[0], others, near, 0).value == 0.0


def test_too_few_decoys_are_refused() -> None:
    """No spread is known from one."""
    pictures, codes, others = world(2)
    with pytest.raises(UsageError, match="got 1 decoys, expected at least 2"):
        pull_towards_itself(
            looks(pictures, codes, pictures[0], 0.0, 2), codes[0], others[:1], around(pictures, codes), 0
        )


def test_conformal_p_counts_ties_and_what_is_no_number_against_the_image() -> None:
    """And without probes it is 1."""
    probes = np.array([0.0, 1.0, 2.0])
    assert conformal_p(3.0, probes) == 0.25
    assert conformal_p(2.0, probes) == 0.5
    assert conformal_p(np.nan, probes) == 1.0
    assert conformal_p(3.0, np.array([np.nan, 0.0])) == pytest.approx(2 / 3)
    assert conformal_p(9.0, np.array([])) == 1.0


def test_conformal_p_is_exact_for_one_more_probe() -> None:
    """Over random draws: at most the level, and about it."""
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(4000, 40))
    p_values = np.array([conformal_p(row[0], row[1:]) for row in drawn])
    assert 0.04 <= (p_values <= 0.05).mean() <= 0.06
