"""A randomisation test of rightsholders, from the codes of their works.

A model may have learned a little from each of many works of a rightsholder, so that no single work
is found. The statistic is a weighted sum over the rightsholder's works,

    T_R = sum over R's works of w_x T_x

with weights by closeness to the image, which do not depend on the codes. Under the sharp null "none
of these works made a difference to any member" their codes, given all others, are a draw without
replacement from the codes that no other unit has: the decoys and R's own. So codes for all of R's
works are drawn jointly from this pool, and p = (1 + #{draws with T >= T_R}) / (1 + #draws) is
exact. R's own codes must be in the pool: otherwise the true assignment would not be a possible
draw. Where codes nest, all of R's works share a support; the codes are then dealt anew by the law
of the encoding (:meth:`registry.encodings.assignment.Assignment.joint_draws`), with a new support
for R's group, out of the supports that no group has. Benjamini and Hochberg's procedure runs over
the tested rightsholders. Rightsholders and works are taken from the top of the ranking, which does
not depend on the codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt64

from attribution.ensemble.serving import ServingEnsemble
from attribution.evidence.adjustment import Neighbours, alignment_alone
from attribution.evidence.randomisation import contrast_weights, mean_predictions
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.statistics import benjamini_hochberg
from attribution.ranking.encoded_works import EncodedWorks
from attribution.sampling.predictions import MemberPredictions
from registry.basis.p_values import exact_p_values
from registry.encodings.assignment import Assignment, distinct_draws
from registry.encodings.words import bits
from registry.storage.current_rights import rights_of, with_rightsholders
from registry.storage.database import Registry

Deal = Callable[[str, Int64[np.ndarray, " unit"], int, np.random.Generator], Float64[np.ndarray, "draw unit member"]]
"""Contrast weights of codes dealt anew: for a rightsholder's name, units, draws, a generator."""
DRAWS = 1_999
"""Joint draws of codes: the smallest p is 1/2000."""
REACH = 200
"""First works of the ranking, searched for rightsholders."""
MOST_WORKS = 32
"""Works tested of one rightsholder, at most: the first in the ranking. Weights fall off so fast
that more add nothing."""
WORK_BANDWIDTH = 0.01
"""tau of the weights exp(-d / tau), for mean squared differences d. Fixed, since a chosen one would
depend on the codes."""
UNITS_ARE_NOT_WORKS = "this encoding's units are not single works, so its own test is about owners or groups already"
NO_RIGHTSHOLDER = "none of the works that the ranking puts first has a rightsholder on record"
METHOD = "weighted sum of the works' directional statistics against joint draws of codes"


@dataclass(frozen=True)
class Pulls:
    """The members' alignment with a rightsholder's units in one image, as their test weights them.

    It depends on the codes of none of these units.
    """

    units: Int64[np.ndarray, " unit"]
    """All of the rightsholder's units that the image's ranking was searched for."""
    alignment: Float64[np.ndarray, "unit member"]
    """0 for units beyond :data:`MOST_WORKS`."""


@dataclass(frozen=True)
class RightsholderEvidence:
    """One rightsholder's test."""

    name: str
    works: int
    """Number of tested works."""
    statistic: float
    p_value: float
    q_value: float
    """Over the tested rightsholders."""
    pulls: Pulls = field(repr=False, compare=False)
    """What the test over all images needs of this image."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        return {
            "name": self.name,
            "works": self.works,
            "statistic": self.statistic,
            "p": self.p_value,
            "q": self.q_value,
        }


@dataclass(frozen=True)
class RightsholderTests:
    """The tests of one image."""

    tested: tuple[RightsholderEvidence, ...]
    """In the order of their best works in the ranking."""
    draws: int
    works: int
    """Number of works searched for rightsholders."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        tested = [evidence.to_json() for evidence in self.tested]
        return {"method": METHOD, "draws": self.draws, "works": self.works, "tested": tested}


def rightsholder_tests(
    registry: Registry,
    ensemble: ServingEnsemble,
    encoded: EncodedWorks,
    image: Float[np.ndarray, " value"],
    predictions: MemberPredictions,
    neighbours: Neighbours,
    ranked: Int64[np.ndarray, " place"],
    assignment: Assignment,
    decoys: UInt64[np.ndarray, " decoy"],
    length: int,
    seed: int,
) -> RightsholderTests | NotMeasured:
    """Test the rightsholders of the first works of a ranking; units must be works.

    Args:
        registry: has the rights.
        ensemble: the members in service.
        encoded: the works and units.
        image: the audited image in [0, 1].
        predictions: the members' predictions for the image.
        neighbours: units whose effects are subtracted, except works of the same rightsholder.
        ranked: units, best first, by a ranking without the codes; :data:`REACH` are searched.
        assignment: the law of the codes. Where they nest, the null distribution is that of codes
            dealt anew within supports, and of new supports for the rightsholder's own group.
        decoys: codes that no unit has, with contrast; for plain codes.
        length: rightsholders to test, at most.
        seed: of the draws.
    """
    if ensemble.encoding.unit_kind != "asset":
        return NotMeasured(UNITS_ARE_NOT_WORKS)
    units = np.array([unit for unit in ranked if int(unit) not in encoded.not_testable][:REACH], dtype=np.int64)
    rows = np.array([encoded.index.rows_of(int(unit))[0] for unit in units], dtype=np.int64)
    owners = owners_of_works(registry, encoded.asset_ids[rows])
    held = holdings([owners.get(int(asset), ()) for asset in encoded.asset_ids[rows]], length)
    if not held:
        return NotMeasured(NO_RIGHTSHOLDER)
    works = encoded.pictures(rows).astype(np.float64)
    membership = ensemble.membership_of(encoded.codes[units])
    predicted, pictures = mean_predictions(predictions), encoded.targets(rows)
    # All of them are left out, so that a test over several images may draw their codes; and all of
    # their group, which may get another support.
    left_out = [
        np.union1d(units[p], units_of_groups(assignment, groups_named(assignment, name), neighbours.units))
        for name, p in held.items()
    ]
    tested = assess_rightsholders(
        [
            alignment_alone(predicted, pictures[p], neighbours, [out] * len(p))
            for p, out in zip(held.values(), left_out, strict=True)
        ],
        membership,
        ensemble.membership_of(decoys),
        ((works - image) ** 2).mean(axis=1),
        held,
        units,
        seed,
        deal=dealer_of(assignment, None if ensemble.complete else ensemble.indices),
    )
    return RightsholderTests(tuple(tested), DRAWS, len(units))


def dealer_of(assignment: Assignment, serving: Sequence[int] | None) -> Deal | None:
    """Deals codes anew where they nest; None: codes are plain, and joint draws of decoys do."""
    if assignment.groups is None:
        return None
    members = list(range(assignment.n) if serving is None else serving)

    def deal(
        name: str, units: Int64[np.ndarray, " unit"], draws: int, generator: np.random.Generator
    ) -> Float64[np.ndarray, "draw unit member"]:
        dealt = assignment.joint_draws(
            units, draws, generator, serving=serving, new_supports=groups_named(assignment, name)
        )
        return contrast_weights(bits(dealt.ravel(), assignment.n)[:, members]).reshape(*dealt.shape, len(members))

    return deal


def groups_named(assignment: Assignment, name: str) -> list[int]:
    """The groups whose works are a rightsholder's, by their names."""
    nested = assignment.groups
    if nested is None or nested.within != "rightsholder":
        return []
    return [group for group, label in enumerate(nested.labels) if label == name and nested.keys[group] is not None]


def units_of_groups(
    assignment: Assignment, groups: Sequence[int], among: Int64[np.ndarray, " unit"]
) -> Int64[np.ndarray, " some"]:
    """Those units that are in one of these groups."""
    if assignment.groups is None:
        return among[:0]
    return among[np.isin(assignment.groups.group_of_unit[among], groups)]


def owners_of_works(registry: Registry, asset_ids: Int64[np.ndarray, " work"]) -> dict[int, tuple[str, ...]]:
    """Names of the works' rightsholders, by asset id."""
    listed = ", ".join(str(int(number)) for number in asset_ids) or "NULL"
    query = with_rightsholders(rights_of(asset_ids.tolist()), f"IN ({listed})")
    with registry.connection() as connection:
        found = connection.execute(f"SELECT asset_id, rightsholders FROM ({query})").fetchall()  # noqa: S608 - of numbers
    return {int(asset): tuple(names) for asset, names in found}


def holdings(owners: Sequence[Sequence[str]], length: int) -> dict[str, Int64[np.ndarray, " work"]]:
    """The first ``length`` rightsholders of a ranking, with the places of their works in it.

    ``owners``: names of the rightsholders of each ranked work, best work first.
    """
    places: dict[str, list[int]] = {}
    for place, names in enumerate(owners):
        for name in dict.fromkeys(names):
            if name in places or len(places) < length:
                places.setdefault(name, []).append(place)
    return {name: np.array(listed, dtype=np.int64) for name, listed in places.items()}


def assess_rightsholders(
    alignments: Sequence[Float64[np.ndarray, "work member"]],
    membership: Bool[np.ndarray, "work member"],
    decoys: Bool[np.ndarray, "decoy member"],
    differences: Float64[np.ndarray, " work"],
    held: Mapping[str, Int64[np.ndarray, " place"]],
    units: Int64[np.ndarray, " work"],
    seed: int,
    draws: int = DRAWS,
    most_works: int = MOST_WORKS,
    deal: Deal | None = None,
) -> list[RightsholderEvidence]:
    """Test each rightsholder, in the order of ``held``.

    Args:
        alignments: per rightsholder, the members' alignment with its works
            (:func:`attribution.evidence.adjustment.member_alignment`), independent of their codes.
        membership: whether a member saw a ranked work.
        decoys: the bits of codes that no unit has.
        differences: mean squared differences of the ranked works from the image.
        held: per rightsholder, the places of its works in the ranking.
        units: numbers of the ranked works' units.
        seed: of the draws; must not depend on the codes.
        draws: joint draws of codes.
        most_works: works tested of one rightsholder, at most.
        deal: deals codes anew where they nest (:func:`dealer_of`); None: from the decoys.
    """
    own, others = contrast_weights(membership), contrast_weights(decoys)
    tested = []
    for number, (name, places) in enumerate(held.items()):
        weights = np.exp(-(differences[places] - differences[places].min()) / WORK_BANDWIDTH)
        weights[most_works:] = 0.0
        weighted = alignments[number] * (weights / weights.sum())[:, None]
        first = places[:most_works]
        generator = np.random.default_rng((seed, number))
        if deal is None:
            statistic, drawn = joint_statistics(weighted[:most_works], own[first], others, draws, generator)
        else:
            dealt = deal(name, units[first], draws, generator)
            statistic, drawn = dealt_statistics(weighted[:most_works], own[first], dealt)
        p_value = float(exact_p_values(np.array([statistic]), drawn[None])[0])
        tested.append((name, len(first), statistic, p_value, Pulls(units[places], weighted)))
    q_values = benjamini_hochberg(np.array([p_value for _, _, _, p_value, _ in tested]))
    return [
        RightsholderEvidence(name, works, statistic, p_value, float(q), pulls)
        for (name, works, statistic, p_value, pulls), q in zip(tested, q_values, strict=True)
    ]


def joint_statistics(
    alignment: Float64[np.ndarray, "unit member"],
    own: Float64[np.ndarray, "unit member"],
    others: Float64[np.ndarray, "decoy member"],
    draws: int,
    generator: np.random.Generator,
) -> tuple[float, Float64[np.ndarray, " draw"]]:
    """The sum of the units' statistics under their codes, and under joint draws of distinct codes.

    Under the null the units' codes are such a draw, from the decoys and the units' own codes.

    Args:
        alignment: the members' alignment with each unit, independent of these units' codes.
        own: contrast weights of the units' codes.
        others: contrast weights of the decoys.
        draws: how many joint draws.
        generator: of the draws; must not depend on the codes.
    """
    by_code = alignment @ np.concatenate([own, others]).T
    units = np.arange(len(own))
    rows = distinct_draws(by_code.shape[1], len(own), draws, generator)
    return float(by_code[units, units].sum()), np.asarray(by_code[units, rows].sum(axis=1))


def dealt_statistics(
    alignment: Float64[np.ndarray, "unit member"],
    own: Float64[np.ndarray, "unit member"],
    dealt: Float64[np.ndarray, "draw unit member"],
) -> tuple[float, Float64[np.ndarray, " draw"]]:
    """The sum of the units' statistics under their codes, and under codes dealt anew.

    Args:
        alignment: the members' alignment with each unit, independent of these units' codes.
        own: contrast weights of the units' codes.
        dealt: contrast weights of the codes of each draw.
    """
    return float((alignment * own).sum()), np.asarray(np.einsum("um,dum->d", alignment, dealt))
