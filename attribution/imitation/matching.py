"""Are images of an artist's folder more like the artist's works than images of other folders are?

``nearer`` of an image and an artist is the share of pairs, a work of the artist and a work of
another, in which the image is more like the artist's: 0.5 is what likeness to all alike gives. The
test compares the ``nearer`` of the artist's images with that of all other images, by ranks (Mann
and Whitney 1947, one-sided). Under its null hypothesis the images are dealt to the folders at
random. So a model that gives every image the look of one artist matches nobody. The common look of
all images is taken out before (:mod:`attribution.imitation.classifiers`).

The rank test cannot tell *whose* works the images of a folder came close to. Where the folders
differ for another reason, one of them comes nearer to some artist by chance, and with many images
the test finds it. So one more test is about all artists: do the folders fit their own artists
better than they fit if whole folders are assigned to the artists in another way?
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats


def nearer_shares(
    images: Float64[np.ndarray, "image feature"],
    works: Float64[np.ndarray, "work feature"],
    artist: Int64[np.ndarray, " work"],
    artists: int,
) -> Float64[np.ndarray, "image artist"]:
    """``nearer`` of each image and each of the first ``artists`` artists; a tie counts half.

    Features have length 1 and likeness is their cosine. The works of all artists take part.
    """
    ranks = stats.rankdata(images @ works.T, axis=1)
    found = np.empty((len(images), artists))
    for number in range(artists):
        own = artist == number
        count = int(own.sum())
        above = ranks[:, own].sum(axis=1) - count * (count + 1) / 2
        found[:, number] = above / (count * (len(artist) - count))
    return found


MOST_EXACT = 7
"""Artists up to which all assignments are compared: 5,040."""
DRAWN = 9_999


def assignment_test(
    nearer: Float64[np.ndarray, "image artist"], artist: Int64[np.ndarray, " image"], seed: int
) -> tuple[float, int]:
    """How often another assignment of folders to artists fits as well, and how many were compared.

    The fit of an assignment is the sum of its folders' mean ``nearer`` to their artists. Exact if
    folders are assigned at random. Every artist has an image.
    """
    artists = nearer.shape[1]
    means = np.stack([nearer[artist == number].mean(axis=0) for number in range(artists)])
    if artists <= MOST_EXACT:
        orders = np.array(list(permutations(range(artists))))
    else:
        generator = np.random.default_rng(seed)
        orders = np.vstack([np.arange(artists), *(generator.permutation(artists) for _ in range(DRAWN))])
    fits = means[orders, np.arange(artists)].sum(axis=1)
    own = float(np.trace(means))
    return float((fits >= own - 1e-12).mean()), len(orders)


@dataclass(frozen=True)
class RankTest:
    """The Mann-Whitney test of one artist."""

    auc: float
    p_value: float


def rank_test(own: Float64[np.ndarray, " image"], others: Float64[np.ndarray, " other"]) -> RankTest:
    """``nearer`` of the artist's images against that of all other images; both have some."""
    found = stats.mannwhitneyu(own, others, alternative="greater", method="auto")
    return RankTest(float(found.statistic) / (len(own) * len(others)), float(found.pvalue))
