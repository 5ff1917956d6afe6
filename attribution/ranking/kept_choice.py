"""The rankers of an ensemble's audits: those that were kept with it, or the two that need no file.

`creditline rankers --keep` puts rankers, grades and the chosen fusion into the log, where the
newest entry counts. What is kept names everything that decides a score, so an audit under it is the
same audit wherever and whenever it is made; and where a file that a ranker needs is gone or another
one, that is an error and never another ranking.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.grading import RankerChoice, identity_of
from attribution.ranking.rankers.catalogue import DEFAULT_RANKERS, RankerNeeds, make_ranker, make_rankers
from attribution.ranking.rankers.fusion import Part
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.member_lds import MemberLds
from attribution.sampling.generate import default_sampler
from attribution.training.reference_model import open_reference_model
from registry.errors import IntegrityError, UsageError
from registry.event_log.events import changing
from registry.event_log.verify import newest_statement
from registry.home import Home, write_atomically
from registry.storage.database import Registry

EVENT = "ranker chosen"


@dataclass(frozen=True)
class KeptChoice:
    """What `creditline rankers --keep` put into the log."""

    rankers: tuple[Mapping[str, Any], ...]
    """Names, scales and settings of all rankers that have a say in what is tested."""
    choice: RankerChoice
    weights: str | None
    """Path of the file of weights, where one was named."""


def keep_choice(
    registry: Registry,
    ensemble_id: str,
    rankers: Sequence[Ranker],
    choice: RankerChoice,
    weights: Path | None,
    scores: Path | None,
    now: datetime.datetime,
) -> None:
    """Have the log say which rankers audits of an ensemble use from now on, and keep the supplied
    scores in the home.
    """
    for ranker in rankers:
        sha256 = ranker.settings().get("scores_sha256")
        if sha256 is not None and scores is not None:
            write_atomically(scores_path(registry.home, str(sha256)), partial(shutil.copyfile, scores))
    document = {**choice.to_json(rankers), "weights_file": None if weights is None else str(weights.absolute())}
    with changing(registry, now) as change:
        change.record(EVENT, f"ensemble {ensemble_id}", after=document)


def kept_choice(registry: Registry, ensemble_id: str) -> KeptChoice | None:
    """The newest choice for an ensemble, if any was kept.

    Raises:
        IntegrityError: the log's entry is not one that was written here.
    """
    with registry.connection() as connection:
        stated = newest_statement(connection, EVENT, f"ensemble {ensemble_id}")
    if stated is None:
        return None
    try:
        found = json.loads(stated)
        grade = found["member_lds"]
        measured = None if "not_measured" in grade else _grade(grade)
        choice = RankerChoice(
            parts=tuple(Part(str(p["name"]), float(p["scale"]), float(p["weight"])) for p in found["parts"]),
            grade=measured,
            not_graded=str(grade.get("not_measured", "")),
            by_scale={one["name"]: tuple(one["member_lds_by_scale"]) for one in found["rankers"]},
        )
        return KeptChoice(tuple(found["rankers"]), choice, found["weights_file"])
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            f"the log's newest choice of a ranker for ensemble {ensemble_id} cannot be read ({error}); "
            "`creditline log verify` says whether it was edited"
        ) from error


def _grade(found: Mapping[str, Any]) -> MemberLds:
    members = (float(found["members_low"]), float(found["members_high"])) if "members_low" in found else None
    return MemberLds(float(found["value"]), float(found["low"]), float(found["high"]), int(found["samples"]), members)


def scores_path(home: Home, sha256: str) -> Path:
    """Where supplied scores are kept."""
    return home.root / "scores" / f"{sha256}.parquet"


def needs_of(
    registry: Registry,
    ensemble: ServingEnsemble,
    weights: Path | None = None,
    scores: Path | None = None,
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> RankerNeeds:
    """What rankers of an ensemble's works may need; its reference model is opened only for a ranker
    that asks for it.
    """
    opened = partial(open_reference_model, registry, ensemble.id)
    return RankerNeeds(default_sampler(ensemble.settings), weights, scores, advance, opened)


@dataclass(frozen=True, eq=False)
class UsedRankers:
    """What an audit ranks with."""

    rankers: tuple[Ranker, ...]
    choice: RankerChoice | None
    """The choice that was kept; None: the audit lets the ensemble grade and choose."""


def rankers_to_use(registry: Registry, ensemble_id: str, names: Sequence[str], needs: RankerNeeds) -> UsedRankers:
    """The rankers that are named, or those that were kept with the ensemble, or the default ones.

    A file of scores joins those that are named, or the default ones.

    Raises:
        UsageError: there is no ranker of a name, or a kept one is not what it was.
        MissingPartError: what one of them needs is not there.
        InputError: a file that one of them needs cannot be used.
    """
    if names or needs.scores is not None:
        return UsedRankers(tuple(make_rankers(names or DEFAULT_RANKERS, needs)), None)
    kept = kept_choice(registry, ensemble_id)
    if kept is None:
        return UsedRankers(tuple(make_rankers(DEFAULT_RANKERS, needs)), None)
    if needs.weights is None and kept.weights is not None:
        needs = replace(needs, weights=Path(kept.weights))
    rankers = []
    for known in kept.rankers:
        sha256 = known["settings"].get("scores_sha256")
        own = needs if sha256 is None else replace(needs, scores=scores_path(registry.home, str(sha256)))
        ranker = make_ranker(str(known["name"]), own)
        if identity_of(ranker) != {name: known[name] for name in ("name", "scales", "settings")}:
            raise UsageError(
                f"the ranker {ranker.name} is no longer what was kept with ensemble {ensemble_id} (another version, or another "
                "file): run `creditline rankers --keep` again, or name rankers with --ranker"
            )
        rankers.append(ranker)
    return UsedRankers(tuple(rankers), kept.choice)
