"""What is measured on a set: shares by every rule, and their grades against every truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.evidence.randomisation import mean_predictions
from attribution.sampling.predictions import MemberPredictions
from benchmarks.shares.grades import graded, mean_of
from benchmarks.shares.mixtures import PARTS, closeness, mixtures, pairs_of
from benchmarks.shares.rules import RULES, Case
from benchmarks.shares.sets import MEMBERS, ONES, RIGHTSHOLDERS, Set
from benchmarks.shares.truth import changes, doubled, outputs, predicted, whole

SHORTLIST = 10
WORDS = np.array([[member in word for member in range(MEMBERS)] for word in combinations(range(MEMBERS), ONES)])
TRUTHS = ("output", "loss", "prediction")


def decoys_of(membership: np.ndarray) -> np.ndarray:
    """All codes that neither a unit nor its mirror image has."""
    used = {row.tobytes() for row in membership} | {(~row).tobytes() for row in membership}
    return WORDS[[row.tobytes() not in used for row in WORDS]]


def case_of(
    found: MemberPredictions,
    output: np.ndarray,
    pictures: np.ndarray,
    membership: np.ndarray,
    listed: Sequence[int] = (),
) -> Case:
    """An output with the most similar works as its shortlist, after those ``listed``."""
    order = np.argsort(((pictures - output) ** 2).mean(axis=1), kind="stable")
    shortlist = np.array([*listed, *(unit for unit in order if unit not in listed)][:SHORTLIST])
    return Case(
        mean_predictions(found), found.member_loss, output, pictures, membership, decoys_of(membership), shortlist
    )


def divided(case: Case, rule: str) -> np.ndarray:
    """The shares of all units, and the unattributed part."""
    found = RULES[rule](case)
    shares = np.zeros(len(case.pictures) + 1)
    shares[case.shortlist], shares[-1] = found[:-1], found[-1]
    return shares


def measure(works: Set, folder: Path) -> dict[str, Any]:
    """All facts of one set."""
    ensemble = whole(works, folder)
    images = outputs(works, folder, ensemble)
    pictures = works.images().flatten(1).double().numpy()
    membership = works.membership()
    base = membership[: works.count]
    found = predicted(folder, "whole", ensemble, images)
    cases = [
        case_of(one, image, pictures[: works.count], base) for one, image in zip(found, _flat(images), strict=True)
    ]
    truth = {kind: changes(works, folder, kind) for kind in ("unit", "rightsholder")}
    owners = np.eye(RIGHTSHOLDERS)[works.rightsholder[: works.count]]
    mixed = _mixed(works, folder, ensemble)
    twice = _cases(doubled(works, folder), "doubled", images, pictures, membership, folder)
    rules = {}
    for rule in RULES:
        shares = np.array([divided(case, rule) for case in cases])
        rules[rule] = {
            "unattributed": mean_of(shares[:, -1].tolist()),
            **{
                kind: {
                    name: graded(
                        shares[:, :-1] @ (owners if kind == "rightsholder" else np.eye(works.count)),
                        getattr(truth[kind], name),
                    )
                    for name in TRUTHS
                }
                for kind in truth
            },
            "mixtures": mixed_grades(works, *mixed, rule),
            "twins": _twins(works, shares),
            "doubled": _doubled(works, shares, np.array([divided(case, rule) for case in twice])),
        }
        print(works.name, rule, flush=True)
    return {
        "works": works.count,
        "rightsholders": RIGHTSHOLDERS,
        "members": MEMBERS,
        "outputs": len(images),
        "shortlist": SHORTLIST,
        "nearest_work": mean_of([float(case.distances[0]) for case in cases]),
        "rules": rules,
    }


def _flat(images: Tensor) -> np.ndarray:
    return np.asarray(images.flatten(1).double().numpy())


def _cases(
    ensemble: Ensemble, name: str, images: Tensor, pictures: np.ndarray, membership: np.ndarray, folder: Path
) -> list[Case]:
    found = predicted(folder, name, ensemble, images)
    return [case_of(one, image, pictures, membership) for one, image in zip(found, _flat(images), strict=True)]


def _mixed(works: Set, folder: Path, ensemble: Ensemble) -> tuple[list[Case], np.ndarray]:
    """The mixtures, both works on the shortlist, and how much of the first work each shows."""
    images = mixtures(works, folder, ensemble)
    pictures, membership = works.images()[: works.count].flatten(1).double().numpy(), works.membership()[: works.count]
    found = predicted(folder, "mixtures", ensemble, images)
    pairs = [pair for pair in pairs_of(works) for _ in PARTS]
    cases = [
        case_of(one, image, pictures, membership, pair)
        for one, image, pair in zip(found, _flat(images), pairs, strict=True)
    ]
    return cases, closeness(works, images)


def mixed_grades(works: Set, cases: Sequence[Case], shown: np.ndarray, rule: str) -> dict[str, Any]:
    """Does the first work's part of both shares follow its part of the blend?"""
    pairs = [pair for pair in pairs_of(works) for _ in PARTS]
    blend = np.array([part for _ in pairs_of(works) for part in PARTS])
    shares = np.array([divided(case, rule) for case in cases])
    both = np.array([[row[one], row[other]] for row, (one, other) in zip(shares, pairs, strict=True)])
    known = both.sum(axis=1) > 0
    if known.sum() < 8:
        return {"not_measured": "both works of a mixture have no share in nearly all outputs"}
    first = both[known, 0] / both[known].sum(axis=1)
    attributed = 1.0 - shares[:, -1]
    return {
        "outputs": len(cases),
        "divided": int(known.sum()),
        "with_blend": round(float(np.nan_to_num(spearmanr(first, blend[known]).statistic)), 3),
        "with_what_shows": round(float(np.nan_to_num(spearmanr(first, shown[known]).statistic)), 3),
        "of_attributed": round(float((both.sum(axis=1) / np.maximum(attributed, 1e-12)).mean()), 3),
    }


def _twins(works: Set, shares: np.ndarray) -> dict[str, Any]:
    """How unlike the shares of twins are: their difference as a part of their sum."""
    pairs = np.concatenate([shares[:, [one, other]] for one, other in works.twins])
    known = pairs[pairs.sum(axis=1) > 0]
    if not len(known):
        return {"not_measured": "no twin has a share"}
    return {
        "pairs": len(known),
        "difference": round(float((np.abs(known[:, 0] - known[:, 1]) / known.sum(axis=1)).mean()), 3),
    }


def _doubled(works: Set, once: np.ndarray, twice: np.ndarray) -> dict[str, Any]:
    """Shares of doubled works, alone and together with their copies, over all outputs."""
    copies = works.count + np.arange(len(works.copy_of))
    before = once[:, list(works.copy_of)].sum()
    after = (twice[:, list(works.copy_of)] + twice[:, copies]).sum()
    if not before > 0:
        return {"not_measured": "no doubled work has a share"}
    return {"once": round(float(before), 4), "twice": round(float(after), 4), "ratio": round(float(after / before), 3)}


def held(sets: Mapping[str, Any]) -> bool:
    """Whether the kept rule is closer to retraining than the rules in use, by the pooled
    correlation.

    It is the mean over the truths that a set has.
    """
    others = ("similarity", "cosine", "equal", "influence of those that pass")
    return all(
        closeness_of(facts["rules"]["kept"]) > max(closeness_of(facts["rules"][rule]) for rule in others)
        for facts in sets.values()
    )


def closeness_of(grades: Mapping[str, Any]) -> float:
    """The mean pooled correlation of a rule over the truths."""
    kinds = [grades[kind] for kind in ("unit", "rightsholder") if kind in grades]
    return float(np.mean([grade.get("pooled", 0.0) for kind in kinds for grade in kind.values()]))
