"""The rankers of an ensemble's audits: the choice recorded in the log, or the defaults.

`creditline rankers --keep` records rankers, grades and the chosen fusion in the log; the newest
entry is in force. The entry has everything that decides a score, so an audit under it does not
depend on machine or time. A missing or different file of a ranker is an error, never another
ranking.
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
from attribution.ranking.grading import NO_GIVEN, Choices, RankerChoice, identity_of
from attribution.ranking.rankers.catalogue import RankerInputs, make_ranker, make_rankers
from attribution.ranking.rankers.fusion import Comparison, WeightedRanker
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.member_lds import Gain, MemberLds
from attribution.sampling.requests import default_sampler
from attribution.training.reference_model import (
    has_reference_model,
    is_adapter,
    open_reference_model,
    untrained_model,
)
from registry.errors import IntegrityError, UsageError
from registry.event_log.events import changing
from registry.event_log.verify import newest_statement
from registry.home import Home, write_atomically
from registry.outputs.history import CHOSEN_BY_DEFAULT, CHOSEN_BY_NAME, CHOSEN_BY_RECORD, RANKER_KEPT
from registry.outputs.searches import went_through_an_index
from registry.storage.database import Registry
from registry.storage.tables import Audit

EVENT = RANKER_KEPT


@dataclass(frozen=True)
class RecordedChoice:
    """A log entry by `creditline rankers --keep`."""

    rankers: tuple[Mapping[str, Any], ...]
    """Names, scales and settings of the rankers that make the shortlist."""
    choices: Choices
    weights: str | None
    """Path of the file of weights, if one was named."""


def record_choice(
    registry: Registry,
    ensemble_id: str,
    rankers: Sequence[Ranker],
    choices: Choices,
    weights: Path | None,
    scores: Path | None,
    now: datetime.datetime,
) -> None:
    """Record the rankers of an ensemble's future audits; keep a copy of supplied scores."""
    for ranker in rankers:
        sha256 = ranker.settings().get("scores_sha256")
        if sha256 is not None and scores is not None:
            write_atomically(scores_path(registry.home, str(sha256)), partial(shutil.copyfile, scores))
    document = {
        **choices.generated.to_json(rankers),
        "given_images": choices.given.to_json(rankers),
        "weights_file": None if weights is None else str(weights.absolute()),
    }
    with changing(registry, now) as change:
        change.record(EVENT, f"ensemble {ensemble_id}", after=document)


def recorded_choice(registry: Registry, ensemble_id: str) -> RecordedChoice | None:
    """The newest recorded choice for an ensemble.

    Raises:
        IntegrityError: the log's entry cannot be read.
    """
    with registry.connection() as connection:
        stated = newest_statement(connection, EVENT, f"ensemble {ensemble_id}")
    if stated is None:
        return None
    try:
        found = json.loads(stated)
        generated = _choice_of(found)
        # Entries of earlier releases have one choice, graded on samples, for all images.
        given = _choice_of(found["given_images"]) if "given_images" in found else _ungraded(generated)
        return RecordedChoice(tuple(found["rankers"]), Choices(generated, given), found["weights_file"])
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            f"the log's newest choice of a ranker for ensemble {ensemble_id} cannot be read ({error}); "
            "`creditline log verify` says whether it was edited"
        ) from error


def _choice_of(found: Mapping[str, Any]) -> RankerChoice:
    grade = found["member_lds"]
    return RankerChoice(
        parts=_parts(found["parts"]),
        grade=None if "not_measured" in grade else _grade(grade),
        not_graded=str(grade.get("not_measured", "")),
        by_scale={one["name"]: tuple(one["member_lds_by_scale"]) for one in found["rankers"]},
        comparisons=tuple(
            Comparison(
                _parts(one["simpler"]), _parts(one["best"]), int(one["alternatives"]), Gain(*_three(one["gain"]))
            )
            for one in found.get("comparisons", ())
        ),
    )


def _ungraded(generated: RankerChoice) -> RankerChoice:
    return RankerChoice(generated.parts, None, NO_GIVEN)


def _parts(found: Sequence[Mapping[str, Any]]) -> tuple[WeightedRanker, ...]:
    return tuple(WeightedRanker(str(p["name"]), float(p["scale"]), float(p["weight"])) for p in found)


def _three(found: Mapping[str, Any]) -> tuple[float, float, float]:
    return float(found["value"]), float(found["low"]), float(found["high"])


def _grade(found: Mapping[str, Any]) -> MemberLds:
    over = {
        name: (float(found[f"{name}_low"]), float(found[f"{name}_high"])) if f"{name}_low" in found else None
        for name in ("images", "members")
    }
    interval = str(found.get("interval", "bootstrap over samples"))
    return MemberLds(*_three(found), int(found["samples"]), over["images"], over["members"], interval)


def scores_path(home: Home, sha256: str) -> Path:
    """Path of a copy of supplied scores."""
    return home.root / "scores" / f"{sha256}.parquet"


def ranker_inputs(
    registry: Registry,
    ensemble: ServingEnsemble,
    weights: Path | None = None,
    scores: Path | None = None,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
    device: str = "cpu",
    *,
    indexed: bool = True,
) -> RankerInputs:
    """Inputs for rankers of an ensemble's works; the reference model is opened if needed."""
    opened = partial(open_reference_model, registry, ensemble.id)
    settings = ensemble.settings
    return RankerInputs(
        default_sampler(settings),
        weights,
        scores,
        on_progress,
        opened,
        partial(untrained_model, settings) if is_adapter(settings) else None,
        partial(has_reference_model, registry, ensemble.id),
        settings.network,
        settings.network.text_features if settings.label_column is not None else None,
        device,
        indexed,
    )


@dataclass(frozen=True, eq=False)
class UsedRankers:
    """The rankers of an audit."""

    rankers: tuple[Ranker, ...]
    choices: Choices | None
    """The recorded choices; None: the audit grades the rankers and chooses."""
    chosen: str = CHOSEN_BY_DEFAULT
    """How the rankers were chosen, for the record of an audit."""


def rankers_to_use(registry: Registry, ensemble_id: str, names: Sequence[str], inputs: RankerInputs) -> UsedRankers:
    """The named rankers; without names, the recorded ones; without a record, the default ones.

    A file of scores is added to the named rankers, or to the default ones.

    Raises:
        UsageError: a name is unknown, or a recorded ranker has changed.
        MissingPartError: a file, model or library that a ranker needs is absent.
        InputError: a file that a ranker needs cannot be used.
    """
    if names or inputs.scores is not None:
        return UsedRankers(tuple(make_rankers(names or inputs.default, inputs)), None, CHOSEN_BY_NAME)
    kept = recorded_choice(registry, ensemble_id)
    if kept is None:
        return UsedRankers(tuple(make_rankers(inputs.default, inputs)), None)
    if inputs.weights is None and kept.weights is not None:
        inputs = replace(inputs, weights=Path(kept.weights))
    rankers = _as_recorded(registry, kept.rankers, inputs)
    for ranker, known in zip(rankers, kept.rankers, strict=True):
        if not _is(ranker, known):
            raise UsageError(
                f"the ranker {ranker.name} is no longer what was kept with ensemble {ensemble_id} (another version, or another "
                "file): run `creditline rankers --keep` again, or name rankers with --ranker"
            )
    return UsedRankers(rankers, kept.choices, CHOSEN_BY_RECORD)


def rankers_of_audit(
    registry: Registry, audit: Audit, inputs: RankerInputs
) -> tuple[tuple[Ranker, ...], tuple[WeightedRanker, ...]]:
    """The rankers that filled an audit's shortlist, and those that ordered its display.

    They search an index only if the audit did: ``audit --no-index`` compared all works.

    Raises:
        UsageError: a ranker is no longer what it was, or its name is unknown.
        MissingPartError: a file, model or library that a ranker needs is absent.
        InputError: a file that a ranker needs cannot be used.
        IntegrityError: the audit's record of its rankers cannot be read.
    """
    try:
        recorded, parts = list(audit.ranker["rankers"]), _parts(audit.ranker["parts"])
        rankers = _as_recorded(registry, recorded, replace(inputs, indexed=went_through_an_index(audit.ranker)))
        changed = [ranker.name for ranker, known in zip(rankers, recorded, strict=True) if not _is(ranker, known)]
        unknown = {part.name for part in parts} - {ranker.name for ranker in rankers}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(f"the rankers of audit {audit.id} cannot be read from its record; audit again") from error
    if changed or unknown:
        raise UsageError(
            f"the ranker {(changed or sorted(unknown))[0]} is no longer what audit {audit.id} used; audit again"
        )
    return rankers, parts


def _as_recorded(registry: Registry, recorded: Sequence[Mapping[str, Any]], inputs: RankerInputs) -> tuple[Ranker, ...]:
    """The rankers of these names; one of supplied scores opens the copy that was kept."""
    rankers = []
    for known in recorded:
        sha256 = known["settings"].get("scores_sha256")
        own = inputs if sha256 is None else replace(inputs, scores=scores_path(registry.home, str(sha256)))
        rankers.append(make_ranker(str(known["name"]), own))
    return tuple(rankers)


def _is(ranker: Ranker, known: Mapping[str, Any]) -> bool:
    """Whether a ranker is still what was recorded."""
    return identity_of(ranker) == {name: known[name] for name in ("name", "scales", "settings")}
