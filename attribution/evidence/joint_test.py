"""One test for each rightsholder over many images of one encoding.

A finding is a statement about one image. Over many images findings by chance add up: limits for
each image do not limit how many of a rightsholder's findings are chance. So each rightsholder is
also tested once, over all images. All members were trained under one draw of codes, and an image's
statistic is linear in the codes' contrast weights W:

    T_image = sum over the rightsholder's units of < a_image,unit , W(code of the unit) >

a is the members' alignment with the unit, weighted by closeness
(:mod:`attribution.evidence.group_test`); it depends on no code of the rightsholder's. So the sum
over images needs the summed alignment alone:

    T = sum over units of < sum over images of a_image,unit / (s_image r_image) , W(code) >

s is the length of the image's centred alignment, so that T_image / s has about the same spread
under the null in every image; r is the rightsholder's place in the image's ranking, 1 for the
first, so that images which resemble its works count most. Neither depends on the codes.

Under the null "none of these units made a difference to any member" the units' codes are a joint
draw of distinct codes from the decoys and their own, the same draw for every image. The rank of T
among its values under such draws gives an exact p. A single unit is compared with every decoy;
several with :data:`DRAWS` random draws, and a p of at most :data:`SMALL` is measured again with
:data:`MORE_DRAWS` new ones. The second measurement replaces the first, and that is exact too: a
final p at or under a level above SMALL needs a first p at or under it; one at or under a lower
level needs a second p at or under it.

The rightsholders' p-values depend on one another through members and neighbours. Benjamini and
Yekutieli's procedure limits the expected share of chance among the rightsholders that pass,
however the tests depend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attribution.evidence.group_test import Pulls
from attribution.evidence.randomisation import contrast_weights
from attribution.metrics.statistics import benjamini_yekutieli
from registry.basis.p_values import exact_p_values

DRAWS, MORE_DRAWS = 1_999, 19_999
SMALL = 0.01
"""A p at or under this is measured again with more draws."""
MOST_UNITS = 256
"""Units tested of one rightsholder, at most: those with the longest summed alignment."""
RATE = 0.05
"""A rightsholder passes with a q at or under this."""
METHOD = (
    "sum over images of the rightsholder's standardised pulls, divided by its place in the ranking, against joint draws "
    "of distinct codes; Benjamini and Yekutieli's procedure over the rightsholders"
)


class Law(Protocol):
    """The codes of an encoding at the members that served, and what they could have been.

    Codes are bits by member; all have a contrast.
    """

    def codes(self, units: Int64[np.ndarray, " unit"], /) -> Bool[np.ndarray, "unit member"]:
        """The units' own codes."""

    def decoys(self, unit: int, /) -> Bool[np.ndarray, "decoy member"]:
        """Codes that the unit could have had and no unit has."""

    def joint_draws(
        self, units: Int64[np.ndarray, " unit"], draws: int, generator: np.random.Generator, /
    ) -> Bool[np.ndarray, "draw unit member"]:
        """Joint draws of the units' codes, given the codes of all others."""


@dataclass(frozen=True)
class ImagePart:
    """One rightsholder in one image."""

    place: int
    """The rightsholder's place in the image's ranking, from 1."""
    pulls: Pulls
    neighbours: Int64[np.ndarray, " unit"]
    """Units whose effects the alignment is adjusted for."""


@dataclass(frozen=True)
class JointEvidence:
    """One rightsholder's test over all images."""

    name: str
    images: int
    units: int
    statistic: float
    p_value: float
    smallest_p: float
    """The smallest p that the test could have given."""
    q_value: float
    """Over the rightsholders tested."""


def summed_pulls(
    parts: Sequence[ImagePart],
) -> tuple[int, Int64[np.ndarray, " unit"], Float64[np.ndarray, "unit member"]]:
    """One rightsholder's images, its units, and their alignment summed over the images.

    Left out: an image that was adjusted for a unit of the same rightsholder, since its alignment
    depends on a code that is drawn. It happens only where rights changed between two audits.
    """
    everything = {int(unit) for part in parts for unit in part.pulls.units}
    total: dict[int, Float64[np.ndarray, " member"]] = {}
    images = 0
    for part in parts:
        others = everything.difference(part.pulls.units.tolist())
        if others.intersection(part.neighbours.tolist()):
            continue
        centred = part.pulls.alignment - part.pulls.alignment.mean(axis=1, keepdims=True)
        length = float(np.sqrt((centred**2).sum()))
        if not (np.isfinite(length) and length > 0.0):
            continue
        images += 1
        for unit, row in zip(part.pulls.units.tolist(), centred / (length * part.place), strict=True):
            if row.any():
                total[unit] = total[unit] + row if unit in total else row
    kept = sorted(total, key=lambda unit: (-float((total[unit] ** 2).sum()), unit))[:MOST_UNITS]
    members = parts[0].pulls.alignment.shape[1] if parts else 0
    rows = np.array([total[unit] for unit in kept], dtype=np.float64).reshape(len(kept), members)
    return images, np.array(kept, dtype=np.int64), rows


def assess_over_images(parts: Iterable[tuple[str, ImagePart]], law: Law) -> list[JointEvidence]:
    """Test every rightsholder once; the smallest q first, then by p and name.

    Args:
        parts: (name of the rightsholder, its part in one image), for every image.
        law: of the codes.
    """
    of_name: dict[str, list[ImagePart]] = {}
    for name, part in parts:
        of_name.setdefault(name, []).append(part)
    tested = []
    for name in sorted(of_name):
        images, units, alignment = summed_pulls(of_name[name])
        if not len(units):
            continue
        tested.append((name, images, len(units), *_ranked(name, units, alignment, law)))
    q_values = benjamini_yekutieli(np.array([p_value for *_, p_value, _ in tested])) if tested else np.empty(0)
    found = [JointEvidence(*facts, float(q)) for facts, q in zip(tested, q_values, strict=True)]
    return sorted(found, key=lambda each: (each.q_value, each.p_value, each.name))


def _ranked(
    name: str, units: Int64[np.ndarray, " unit"], alignment: Float64[np.ndarray, "unit member"], law: Law
) -> tuple[float, float, float]:
    """The statistic, its p, and the smallest p that was possible."""
    statistic = float(_statistics(alignment, law.codes(units)[None])[0])
    if len(units) == 1:
        drawn = _statistics(alignment, law.decoys(int(units[0]))[:, None])
        return statistic, _p_value(statistic, drawn), 1.0 / (1.0 + len(drawn))
    p_value = 1.0
    for stage, draws in enumerate((DRAWS, MORE_DRAWS)):
        key = hashlib.sha256(f"creditline-joint-test/{stage}/{name}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(key[:8], "little"))
        p_value = _p_value(statistic, _statistics(alignment, law.joint_draws(units, draws, generator)))
        if p_value > SMALL:
            break
    return statistic, p_value, 1.0 / (1.0 + MORE_DRAWS)


def _statistics(
    alignment: Float64[np.ndarray, "unit member"], membership: Bool[np.ndarray, "draw unit member"]
) -> Float64[np.ndarray, " draw"]:
    """T under each draw of the units' codes."""
    total = np.zeros(len(membership))
    for unit, row in enumerate(alignment):
        total += contrast_weights(membership[:, unit]) @ row
    return total


def _p_value(statistic: float, drawn: Float64[np.ndarray, " draw"]) -> float:
    return float(exact_p_values(np.array([statistic]), drawn[None])[0])
