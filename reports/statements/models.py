"""The models that saw works of the rightsholder, by the codes and the members' own listings."""

from __future__ import annotations

from typing import Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.encodings.supports import supports_of_works
from registry.errors import IntegrityError
from registry.members.exposure import Exposure, MemberExposure
from registry.members.reference_models import recorded_reference
from registry.members.seen import withdrawals_applied_through
from registry.members.serving import ServiceStatus
from registry.outputs.base_claim import base_claim
from registry.storage.database import Registry
from reports.statements.facts import MemberPart, ModelPart, ReferencePart

State = Literal["in service", "out of service", "replaced"]


def models_of(
    registry: Registry, exposure: Exposure, services: list[ServiceStatus], works: NDArray[np.int64]
) -> tuple[list[ModelPart], list[str]]:
    """Ensembles with some of the works in their encoding, and the errors of reading them.

    ``exposure``: of the works with the ids ``works``; ``services``: of every ensemble, in order.
    """
    encoded = {ensemble: each.works for each in exposure.encodings for ensemble in each.ensembles}
    found, gaps = [], []
    for service in services:
        ensemble_id = service.ensemble.id
        if ensemble_id not in encoded:
            continue
        newest = {state.member.id for state in service.states}
        members = [
            _member(service, member, newest, works) for member in exposure.members if member.ensemble == ensemble_id
        ]
        current = [member for member in members if member.id in newest]
        with registry.connection() as connection:
            supports = supports_of_works(connection, service.encoding.id, works)
            try:
                reference = _reference(connection, service, works)
            except IntegrityError as error:
                reference = None
                gaps.append(str(error))
            base = base_claim(connection, ensemble_id)
        found.append(
            ModelPart(
                ensemble_id=ensemble_id,
                encoding_id=service.encoding.id,
                unit_kind=service.encoding.unit_kind,
                works=encoded[ensemble_id],
                members_in_all=service.encoding.n,
                members_that_saw=len(current),
                in_service=len(service.serving),
                in_service_that_saw=sum(member.state == "in service" for member in current),
                out_of_service_that_saw=sum(member.state == "out of service" for member in current),
                members=members,
                reference=reference,
                base_id=None if base is None else base.id,
                support=sorted({index for each in supports for index in each.members(service.encoding.n)}) or None,
            )
        )
    return found, gaps


def _member(service: ServiceStatus, member: MemberExposure, newest: set[str], works: NDArray[np.int64]) -> MemberPart:
    state: State = "in service" if member.serves else "out of service" if member.member in newest else "replaced"
    because = None
    if state == "replaced":
        because = "trained anew; kept to verify what it made"
    elif state == "out of service":
        because = (
            "it saw a work of yours that was withdrawn"
            if _saw_withdrawn(service, member, works)
            else "it saw a work of another rightsholder that was withdrawn"
        )
    return MemberPart(
        id=member.member,
        index=member.index,
        generation=member.generation,
        works=member.works,
        state=state,
        because=because,
        manifest_sha256=member.manifest_sha256,
    )


def _saw_withdrawn(service: ServiceStatus, member: MemberExposure, works: NDArray[np.int64]) -> bool:
    (applied,) = (
        withdrawals_applied_through(state.member) for state in service.states if state.member.id == member.member
    )
    seen = service.withdrawn.seen_by(member.index, applied)
    return bool((seen & np.isin(service.withdrawn.asset_ids, works)).any())


def _reference(
    connection: duckdb.DuckDBPyConnection, service: ServiceStatus, works: NDArray[np.int64]
) -> ReferencePart | None:
    recorded = recorded_reference(connection, service.ensemble.id)
    if recorded is None:
        return None
    encoded = connection.execute(
        "SELECT DISTINCT asset_id FROM unit_asset WHERE encoding_id = ? ORDER BY asset_id", [service.encoding.id]
    ).to_arrow_table()["asset_id"]
    theirs = np.intersect1d(encoded.to_numpy(), works)
    left_out = service.withdrawn.asset_ids[~service.withdrawn.seen_by(None, recorded.withdrawals_applied_through)]
    return ReferencePart(
        works=len(np.setdiff1d(theirs, left_out)),
        in_use=not service.withdrawn.seen_by(None, recorded.withdrawals_applied_through).any(),
    )
