"""How firm the verdicts of one audit are: measured, beside benign changes and the theorem.

Verdicts by similarity are the nearest unit among the audit's candidates: by pixels, and by an
embedding whose weights are at hand. The verdict of the ranking is the unit that the audit's own
fused ranking displays first. The picture is the audit's own, at the size of the works.

The theorem (Dai and Gifford, *Fundamental limits on the robustness of image classifiers*, ICLR
2023, arXiv 2112.04033): over the space of all n x n images, all but a tiny fraction of the images
of a class that takes up at most half of the space leave the class by a change with a 2-norm of the
order of the square root of n, in units of the range of a value; the diameter of the space is of
the order of n. It speaks of all images, each as likely as another. Pictures of things are a tiny
part of them, so it gives an order of magnitude to compare with, and no bound for a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from safetensors import SafetensorError
from safetensors.numpy import load

from attribution.firmness.changes import BENIGN, Picture
from attribution.firmness.flips import Flip, norms, smallest_l2, smallest_linf
from attribution.firmness.ranking import MOST_CHECKS, AuditRanking, Checks, within
from attribution.firmness.ranking import NAME as RANKING
from attribution.firmness.similarity import Features, Similarity, of_length_one, pixel_similarity, similarity_of
from attribution.firmness.surrogates import followed
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.encoded_works import EncodedWorks
from registry.errors import IntegrityError
from registry.home import Home
from registry.ids import sha256_of_file
from registry.storage.tables import Audit

SOURCE = "Dai and Gifford, Fundamental limits on the robustness of image classifiers, ICLR 2023, arXiv:2112.04033"
CONDITIONS = (
    "It holds for all but a tiny fraction of all possible images of n by n values, each as likely as another, and for classes "
    "that take up at most half of them. Pictures of things are a tiny part of all images, so for one picture it is an order of "
    "magnitude to compare with, and no bound."
)
INVISIBLE = 2
"""Grey levels: a change of at most so many in each value is called invisible."""
OF_A_SAMPLE = (
    "The test of a sample rests on the codes and on the members' predictions that were kept while the sample was generated: a "
    "change of the finished picture does not reach them. It can only change the works that are tested and the look-alikes that "
    "are taken off."
)


@dataclass(frozen=True, eq=False)
class Competitors:
    """The works that an audit listed, and the audited picture at their size."""

    picture: Picture
    works: Float32[np.ndarray, "work channel height width"]
    units: Int64[np.ndarray, " work"]
    label: Callable[[int], str]
    """Of a unit."""


def audited_picture(home: Home, audit: Audit) -> Picture:
    """The picture in an audit's file.

    Raises:
        IntegrityError: the file is gone, altered, or has no picture.
    """
    path = home.audit(audit.id)
    try:
        if sha256_of_file(path) != audit.artefact_sha256:
            raise IntegrityError(f"audit {audit.id}: {path} was altered; restore it from a copy, or audit again")
        picture = load(path.read_bytes())["output"]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"audit {audit.id}: {path} cannot be read; restore it from a copy, or audit again"
        ) from error
    if picture.dtype != np.uint8 or picture.ndim != 3:
        raise IntegrityError(f"audit {audit.id}: {path} has no picture of 8 bits; audit again")
    return picture


def competitors(
    home: Home,
    audit: Audit,
    encoded: EncodedWorks,
    listed: Sequence[tuple[int, int]],
    label: Callable[[int], str],
) -> Competitors:
    """The audit's picture and its listed works. ``listed``: unit and asset id of each."""
    rows = encoded.source.row_of_asset
    kept = [(unit, rows[asset]) for unit, asset in listed if asset in rows]
    places = np.asarray([row for _, row in kept], np.int64)
    works = encoded.pictures(places).reshape(len(kept), *encoded.shape)
    return Competitors(audited_picture(home, audit), works, np.asarray([unit for unit, _ in kept], np.int64), label)


def order_of_magnitude(side: int) -> float:
    """The theorem's order of magnitude of a change that turns a class: an L2 norm in grey levels.

    ``side``: n, for images of n x n places. The change is of the order of sqrt(n) times the range
    of a value, 255. The theorem holds under :data:`CONDITIONS`; for one picture it is a comparison
    and no bound. Constants of order one are left out.

    Source: Dai and Gifford (ICLR 2023, arXiv 2112.04033).
    """
    return 255.0 * math.sqrt(side)


def space_diameter(values: int) -> float:
    """The largest L2 distance between two images of so many values, in grey levels."""
    return 255.0 * math.sqrt(values)


def firmness(
    found: Competitors,
    embeddings: dict[str, Features],
    ranking: AuditRanking | NotMeasured,
    first: int | None,
    most_checks: int = MOST_CHECKS,
) -> dict[str, Any]:
    """The facts of one audit, as they are recorded.

    Args:
        found: the picture, and the works that the audit listed.
        embeddings: by name.
        ranking: the audit's own, or why it cannot be opened.
        first: the unit that the audit lists first; None: the audit lists none.
        most_checks: pictures that each search shows to the whole ranking at most.
    """
    height, _, channels = found.picture.shape
    similarities = [pixel_similarity(found.works, found.units)] if len(found.units) else []
    if len(found.units):
        similarities += [
            similarity_of(name, of_length_one(features), found.works, found.units)
            for name, features in embeddings.items()
        ]
    return {
        "side": height,
        "channels": channels,
        "works": len(found.units),
        "verdicts": [_verdict(similarity, found) for similarity in similarities],
        "ranking": _ranking(ranking, found, first, most_checks),
        "theorem": {
            "order_l2": order_of_magnitude(height),
            "diameter_l2": space_diameter(found.picture.size),
            "source": SOURCE,
            "conditions": CONDITIONS,
        },
    }


def _ranking(
    ranking: AuditRanking | NotMeasured, found: Competitors, first: int | None, most_checks: int
) -> dict[str, Any]:
    """The verdict of the audit's own ranking, or why it was not attacked."""
    if isinstance(ranking, NotMeasured):
        return _not_attacked(ranking)
    similarity = ranking.similarity(found.picture)
    if isinstance(similarity, NotMeasured):
        return _not_attacked(similarity)
    now = similarity.nearest(found.picture)
    if now != first:
        listed = "no work" if first is None else repr(found.label(first))
        return _not_attacked(
            NotMeasured(f"today it lists {found.label(now)!r} first, and the audit lists {listed}; audit again")
        )
    rankers = [
        {"name": part.name, "weight": part.weight, "search": followed(ranker)} for ranker, part in ranking.covered
    ]
    searched = {norm: Checks(most_checks) for norm in ("l2", "linf")}
    facts = _verdict(similarity, found, {norm: within(similarity, checks) for norm, checks in searched.items()})
    ended = [norm for norm, checks in searched.items() if checks.ended]
    if ended:
        facts["sentence"] += f" {limit_sentence(most_checks)}"
    used = {norm: checks.used for norm, checks in searched.items()}
    return {**facts, "rankers": rankers, "checks": {"most": most_checks, **used, "ended": ended}}


def _not_attacked(why: NotMeasured) -> dict[str, Any]:
    said = f"The ranking that orders the candidates was not attacked, so how firm it is is not known: {why.reason}."
    return {**why.to_json(), "sentence": said}


def _verdict(
    similarity: Similarity, found: Competitors, searched: Mapping[str, Similarity] = MappingProxyType({})
) -> dict[str, Any]:
    """The facts of one verdict; ``searched``: by norm, what the search sees in place of it."""
    unit = similarity.nearest(found.picture)
    flips = {
        "l2": smallest_l2(searched.get("l2", similarity), found.picture),
        "linf": smallest_linf(searched.get("linf", similarity), found.picture),
    }
    benign = []
    for name, change in BENIGN.items():
        changed = change(found.picture)
        now, (l2, linf) = similarity.nearest(changed), norms(found.picture, changed)
        benign.append(
            {
                "change": name,
                "unit": now,
                "label": found.label(now),
                "same": now == unit,
                "l2": l2,
                "linf": linf,
            }
        )
    facts: dict[str, Any] = {
        "by": similarity.name,
        "unit": unit,
        "label": found.label(unit),
        **{norm: _flip(flip, found) for norm, flip in flips.items()},
        "benign": benign,
    }
    return {**facts, "sentence": sentence(facts)}


def _flip(flip: Flip | NotMeasured, found: Competitors) -> dict[str, Any]:
    if isinstance(flip, NotMeasured):
        return flip.to_json()
    return {
        "unit": flip.unit,
        "label": found.label(flip.unit),
        "l2": flip.l2,
        "linf": flip.linf,
        "rms": flip.l2 / math.sqrt(found.picture.size),
    }


def limit_sentence(most: int) -> str:
    """That a search was ended, in words."""
    return f"The search was ended after {most:,} pictures were shown to the ranking, so smaller changes may have been missed."


def sentence(verdict: dict[str, Any]) -> str:
    """A verdict's firmness in words."""
    what = {
        "pixels": "the nearest work by pixels",
        RANKING: "the first work of the ranking that orders the candidates",
    }.get(verdict["by"], f"the nearest work by the embedding {verdict['by']}")
    least, turned = verdict["linf"], [each["change"] for each in verdict["benign"] if not each["same"]]
    if "not_measured" in least:
        said = f"{what.capitalize()} is {verdict['label']!r}; {least['not_measured']}, which does not show that there is none."
    else:
        kind = "An invisible change" if least["linf"] <= INVISIBLE else "A change"
        levels = "1 grey level" if least["linf"] == 1 else f"{least['linf']} grey levels"
        said = f"{kind} of at most {levels} of 255 in each value turns {what} from {verdict['label']!r} into {least['label']!r}."
    shortest, stored = verdict["l2"], verdict["benign"][0]
    if "not_measured" not in shortest:
        said += (
            f" The shortest change found has the length {shortest['l2']:.1f} (L2, in grey levels); {stored['change']} "
            f"changes the picture by {stored['l2']:.1f}."
        )
    total = len(verdict["benign"])
    if not turned:
        return f"{said} None of {total} benign changes (JPEG, scaling, one pixel, a cut edge) turns it."
    turns = "turns" if len(turned) == 1 else "turn"
    return f"{said} {len(turned)} of {total} benign changes {turns} it too: {'; '.join(turned)}."
