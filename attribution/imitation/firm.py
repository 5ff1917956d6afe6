"""How firm identifications are: the smallest change of an image that makes a classifier take it for
another artist, beside benign changes.

Each classifier is linear in standardised features of length 1, so one differentiable form serves
all (:func:`attribution.firmness.similarity.prototype_similarity`). Attacks cost some hundred passes
through the encoder for an image and a classifier. So a few images of each artist are attacked, and
at most :data:`MOST_IMAGES` in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from attribution.firmness.changes import BENIGN
from attribution.firmness.flips import Flip, smallest_l2, smallest_linf
from attribution.firmness.measure import CONDITIONS, INVISIBLE, SOURCE
from attribution.firmness.similarity import Similarity
from attribution.imitation.classifiers import Classifiers
from attribution.imitation.encoders import OpenEncoder
from attribution.metrics.euclidean import NotMeasured
from registry.imitations.facts import Firm, FirmChange, FirmVerdict, MethodName, Missing

MOST_IMAGES = 24
"""Images that are attacked, at most."""
Picture = UInt8[np.ndarray, "height width channel"]


def attacked_images(artist: Int64[np.ndarray, " image"], each: int, seed: int) -> Int64[np.ndarray, " attacked"]:
    """Rows of some images of each artist, drawn at random: first one of each, then the next."""
    drawn = np.random.default_rng(seed).permutation(len(artist))
    turn = np.zeros(len(artist), np.int64)
    for number in np.unique(artist):
        own = drawn[artist[drawn] == number]
        turn[own] = np.arange(len(own))
    order = np.lexsort((artist, turn))
    return np.sort(order[turn[order] < each][:MOST_IMAGES])


def firm_facts(
    classifiers: Classifiers,
    encoder: OpenEncoder,
    look: Float64[np.ndarray, " feature"],
    pixels: UInt8[np.ndarray, "image height width channel"],
    rows: Int64[np.ndarray, " attacked"],
    names: Sequence[str],
    each: int,
    advance: Callable[[int], object],
) -> Firm:
    """The firmness of every classifier's verdict on some images.

    Args:
        classifiers: learned, of one audit.
        encoder: of the same audit.
        look: the common look of the images.
        pixels: of all images, at the size of the audit.
        rows: the images to attack.
        names: of the artists, then of the distractors.
        each: images asked for of each artist.
        advance: gets 1 after each image.
    """
    found = []
    for row in rows.tolist():
        for method in classifiers.methods:
            similarity = classifiers.similarity(method, encoder.embedding.features, look)
            found.append(_verdict(row, method, similarity, pixels[row], names))
        advance(1)
    return Firm(
        images_each=each,
        most_images=MOST_IMAGES,
        invisible=INVISIBLE,
        order_l2=255.0 * math.sqrt(pixels.shape[1]),
        source=SOURCE,
        conditions=CONDITIONS,
        verdicts=found,
    )


def _verdict(
    row: int, method: MethodName, similarity: Similarity, picture: Picture, names: Sequence[str]
) -> FirmVerdict:
    before = similarity.nearest(picture)
    turned = [name for name, change in BENIGN.items() if similarity.nearest(change(picture)) != before]
    return FirmVerdict(
        image=row,
        method=method,
        taken_for=names[before],
        smallest_l2=_change(smallest_l2(similarity, picture), names),
        smallest_linf=_change(smallest_linf(similarity, picture), names),
        benign=len(BENIGN),
        turned_by=turned,
    )


def _change(found: Flip | NotMeasured, names: Sequence[str]) -> FirmChange | Missing:
    if isinstance(found, NotMeasured):
        return Missing(not_measured=found.reason)
    return FirmChange(into=names[found.unit], l2=found.l2, linf=found.linf)
