"""Reference models: one for an ensemble, trained on all of its works, for ranking alone.

It serves no image and has no place in the codes, so it is no member: what is on record of it is an
event, of which the newest counts, and its folder must be the one that this event names. It saw
everything, so every withdrawal of a work of its encoding puts it out of use, the moment that it is
recorded, until it is trained again without the work.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from registry.errors import IntegrityError, MissingPartError
from registry.event_log.events import changing
from registry.event_log.verify import newest_statement
from registry.members.manifest import MANIFEST_NAME, ReferenceFolder, read_reference_folder
from registry.members.register import expected_works
from registry.members.serving import Service, service_of
from registry.storage.database import Registry

EVENT = "reference model trained"


@dataclass(frozen=True)
class RecordedReference:
    """What the log says of a reference model."""

    manifest_sha256: str
    weights_sha256: str
    withdrawn_through: int | None
    """The last withdrawal that its training heeded."""


def command_for(ensemble_id: str) -> str:
    """What trains the reference model of an ensemble, as people type it."""
    return f"`creditline members reference --ensemble {ensemble_id}`"


def record_reference(registry: Registry, folder: ReferenceFolder, now: datetime) -> None:
    """Have the log say that this is the ensemble's reference model from now on.

    Raises:
        NotFoundError: no such ensemble.
        IntegrityError: its works are not those of the ensemble's encoding less the withdrawn ones.
    """
    manifest = folder.manifest
    service = service_of(registry, manifest.ensemble_id)
    expected = expected_works(registry, service.encoding.id, None, manifest.withdrawn_through)
    if list(folder.works) != sorted(set(expected)):
        raise IntegrityError(
            f"{folder.path} lists {len(folder.works):,} works, which are not the {len(expected):,} of encoding "
            f"{service.encoding.id} that were not withdrawn; run {command_for(manifest.ensemble_id)} again"
        )
    after = {
        "manifest_sha256": manifest.sha256,
        "weights_sha256": manifest.weights_sha256,
        "merkle_root": manifest.works.merkle_root,
        "works": manifest.works.count,
        "withdrawn_through": manifest.withdrawn_through,
    }
    with changing(registry, now) as change:
        change.record(EVENT, f"ensemble {manifest.ensemble_id}", after=after)


def recorded_reference(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> RecordedReference | None:
    """What the newest event says of an ensemble's reference model; None if none was ever trained.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    stated = newest_statement(connection, EVENT, f"ensemble {ensemble_id}")
    if stated is None:
        return None
    try:
        found = json.loads(stated)
        through = found["withdrawn_through"]
        return RecordedReference(
            str(found["manifest_sha256"]), str(found["weights_sha256"]), None if through is None else int(through)
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(
            f"the log's newest event of a reference model of ensemble {ensemble_id} cannot be read ({error}); "
            "`creditline log verify` says whether it was edited"
        ) from error


def usable_reference(registry: Registry, ensemble_id: str) -> ReferenceFolder:
    """The reference model's folder, if it is what was recorded and saw no work that was withdrawn
    since.

    Raises:
        NotFoundError: no such ensemble.
        MissingPartError: there is none, or it saw works that were withdrawn since.
        InputError: its manifest cannot be understood.
        IntegrityError: its files are not what was recorded.
    """
    service = service_of(registry, ensemble_id)
    place = registry.home.reference_model(ensemble_id)
    with registry.connection() as connection:
        recorded = recorded_reference(connection, ensemble_id)
    if recorded is None or not place.is_dir():
        raise MissingPartError(
            f"a reference model of ensemble {ensemble_id} is needed, and there is none: "
            f"{command_for(ensemble_id)} trains it"
        )
    seen = int(service.withdrawn.seen_by(None, recorded.withdrawn_through).sum())
    if seen:
        raise MissingPartError(
            f"the reference model of ensemble {ensemble_id} saw {seen:,} works that were withdrawn since and is not used: "
            f"run {command_for(ensemble_id)} again"
        )
    return check_reference(service, read_reference_folder(place), recorded)


def check_reference(service: Service, folder: ReferenceFolder, recorded: RecordedReference) -> ReferenceFolder:
    """The folder, if it is the recorded one and of this ensemble's recipe.

    Raises:
        IntegrityError: it is not.
    """
    if folder.manifest.sha256 != recorded.manifest_sha256:
        raise IntegrityError(
            f"{folder.path / MANIFEST_NAME} is not the one that the log names for ensemble {service.ensemble.id}; restore the "
            f"folder or run {command_for(service.ensemble.id)} again"
        )
    if folder.manifest.settings != service.ensemble.settings:
        raise IntegrityError(
            f"{folder.path} was trained with other settings than ensemble {service.ensemble.id} has; run "
            f"{command_for(service.ensemble.id)} again"
        )
    return folder


def reference_saw(registry: Registry, service: Service, asset_ids: Sequence[int]) -> bool:
    """Whether a reference model is there that saw one of these works, all of which were
    withdrawn.
    """
    if not registry.home.reference_model(service.ensemble.id).is_dir():
        return False
    named = np.isin(service.withdrawn.asset_ids, np.asarray(asset_ids, dtype=np.int64))
    with registry.connection() as connection:
        try:
            recorded = recorded_reference(connection, service.ensemble.id)
        except IntegrityError:
            # What it saw is unknown, so it may have.
            recorded = None
    return bool((service.withdrawn.seen_by(None, recorded.withdrawn_through if recorded else None) & named).any())
