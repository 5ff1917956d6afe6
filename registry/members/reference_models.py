"""Reference models: at most one per ensemble, trained on all works of the encoding, for ranking.

A reference model generates nothing and has no bit in the codes, so it is not a member. The newest
event about it is its record, and its folder must be the one named there. Every withdrawal of a work
of the encoding puts it out of use at once, until it is trained again without the work.
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
from registry.members.serving import ServiceStatus, service_status
from registry.storage.database import Registry

EVENT = "reference model trained"


@dataclass(frozen=True)
class RecordedReference:
    """The log's record of a reference model."""

    manifest_sha256: str
    weights_sha256: str
    withdrawals_applied_through: int | None
    """The last withdrawal applied before it was trained; None: none was."""


def command_for(ensemble_id: str) -> str:
    """The command that trains the reference model of an ensemble, for messages."""
    return f"`creditline members reference --ensemble {ensemble_id}`"


def record_reference(registry: Registry, folder: ReferenceFolder, now: datetime) -> None:
    """Record a reference model in the log; it replaces an earlier one of the ensemble.

    Raises:
        NotFoundError: no such ensemble.
        IntegrityError: its works are not the encoding's works less the withdrawn ones.
    """
    manifest = folder.manifest
    service = service_status(registry, manifest.ensemble_id)
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
    """The newest record of an ensemble's reference model; None if none was ever trained.

    Raises:
        IntegrityError: the event cannot be read.
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
            f"the newest event about the reference model of ensemble {ensemble_id} cannot be read ({error}); "
            "run `creditline log verify` to see whether it was edited"
        ) from error


def usable_reference(registry: Registry, ensemble_id: str) -> ReferenceFolder:
    """The folder of a usable reference model: as recorded, and without works withdrawn now.

    Raises:
        NotFoundError: no such ensemble.
        MissingPartError: there is none, or it saw works that are withdrawn now.
        InputError: its manifest cannot be read.
        IntegrityError: its files are not those recorded.
    """
    service = service_status(registry, ensemble_id)
    place = registry.home.reference_model(ensemble_id)
    with registry.connection() as connection:
        recorded = recorded_reference(connection, ensemble_id)
    if recorded is None or not place.is_dir():
        raise MissingPartError(
            f"ensemble {ensemble_id} has no reference model, and one is needed: run {command_for(ensemble_id)}"
        )
    seen = int(service.withdrawn.seen_by(None, recorded.withdrawals_applied_through).sum())
    if seen:
        raise MissingPartError(
            f"the reference model of ensemble {ensemble_id} saw {seen:,} works that are withdrawn now, so it is not used: "
            f"run {command_for(ensemble_id)} again"
        )
    return check_reference(service, read_reference_folder(place), recorded)


def check_reference(service: ServiceStatus, folder: ReferenceFolder, recorded: RecordedReference) -> ReferenceFolder:
    """The folder, after a check that it is the recorded one and has the ensemble's settings.

    Raises:
        IntegrityError: it is not, or has not.
    """
    if folder.manifest.sha256 != recorded.manifest_sha256:
        raise IntegrityError(
            f"{folder.path / MANIFEST_NAME} is not the manifest recorded for ensemble {service.ensemble.id}; restore the "
            f"folder or run {command_for(service.ensemble.id)} again"
        )
    if folder.manifest.settings != service.ensemble.settings:
        raise IntegrityError(
            f"{folder.path} was trained with other settings than those of ensemble {service.ensemble.id}; run "
            f"{command_for(service.ensemble.id)} again"
        )
    return folder


def reference_saw(registry: Registry, service: ServiceStatus, asset_ids: Sequence[int]) -> bool:
    """Whether the ensemble has a reference model that saw one of these withdrawn works."""
    if not registry.home.reference_model(service.ensemble.id).is_dir():
        return False
    named = np.isin(service.withdrawn.asset_ids, np.asarray(asset_ids, dtype=np.int64))
    with registry.connection() as connection:
        try:
            recorded = recorded_reference(connection, service.ensemble.id)
        except IntegrityError:
            # Unknown counts as seen.
            recorded = None
    return bool(
        (service.withdrawn.seen_by(None, recorded.withdrawals_applied_through if recorded else None) & named).any()
    )
