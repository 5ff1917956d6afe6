"""Making certificates of withdrawal, from the registry and the members' folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import duckdb
import pyarrow as pa

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import CapacityError, InputError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.members.merkle import MerkleTree
from registry.members.register import check_member
from registry.members.serving import ServiceStatus, service_status
from registry.outputs.base_claim import BaseClaim, base_claim
from registry.storage.database import Registry
from registry.withdrawals.certificate import (
    LIMITS,
    STATEMENT,
    AbsenceOfWork,
    Certificate,
    CertifiedMember,
    CertifiedWork,
    LogHead,
    WithdrawalFacts,
    document_hash,
)
from registry.withdrawals.record import cover_later_works

EVENT = "certificate made"
_NOT_YET = "0" * 64
MOST_PROOFS = 20_000
"""Works times members in one certificate; a proof takes a few kilobytes."""


def limits_of(base: BaseClaim | None) -> tuple[str, ...]:
    """What a certificate does not prove; of adapters, first what their base may have seen."""
    if base is None:
        return LIMITS
    return (f"It is about the fine-tuning alone: the members are adapters on {base.called}.", base.unknown, *LIMITS)


def certify(registry: Registry, asset_ids: Sequence[int], ensemble_id: str, now: datetime) -> Certificate:
    """Prove that no member in service of an ensemble saw these withdrawn works, and log the proof.

    Raises:
        NotFoundError: no such ensemble or works.
        UsageError: no works, too many works, a work that is not withdrawn, members that were never
            trained, or members in service that changed meanwhile.
        InputError: a work without a SHA-256.
        CapacityError: no member is in service.
        IntegrityError: a member's files are not the registered ones, or a row that the certificate
            rests on is not as it was sealed.
    """
    cover_later_works(registry, now)
    service = service_status(registry, ensemble_id)
    with registry.connection() as connection:
        works = _withdrawn_works(connection, asset_ids, service)
    if len(service.states) < service.encoding.n:
        raise UsageError(
            f"ensemble {ensemble_id} has {len(service.states)} of {service.encoding.n} members; run `creditline train`"
        )
    if not service.serving:
        raise CapacityError(
            f"no member of ensemble {ensemble_id} is in service: run `creditline retrain --ensemble {ensemble_id}` first"
        )
    if len(works) * len(service.serving) > MOST_PROOFS:
        raise UsageError(
            f"{len(works):,} works and {len(service.serving)} members need more than {MOST_PROOFS:,} proofs; certify fewer "
            "works at a time"
        )
    members, absence = [], []
    for member in service.serving:
        folder = check_member(registry.home.member(member.id), member)
        tree = MerkleTree.build(folder.works)
        members.append(CertifiedMember(id=member.id, manifest_sha256=member.manifest_sha256, manifest=folder.manifest))
        for work in works:
            proof = json.loads(tree.prove_absence(work.sha256).to_json())
            absence.append(AbsenceOfWork(work=work.sha256, member=member.id, proof=proof))
    with changing(registry, now) as change:
        # While this is open, no other process can record a withdrawal or a member.
        if _members_of(service_status(registry, ensemble_id)) != _members_of(service):
            raise UsageError(
                f"the members in service of ensemble {ensemble_id} changed while the proofs were made; certify again"
            )
        # The certificate names the end of the log here, so all that it states must be so here.
        if _withdrawn_works(change.connection, asset_ids, service) != works:
            raise UsageError("the withdrawals of the works changed while the proofs were made; certify again")
        basis = Basis(works=asset_ids, ensembles=[ensemble_id], whole_encodings=True)
        sequence, head = checked_head(change.connection, registry.home, basis)
        base = base_claim(change.connection, ensemble_id)
        facts: dict[str, Any] = {
            "made_by": f"creditline {version('creditline')}",
            "made_at": now,
            "ensemble_id": ensemble_id,
            "encoding_id": service.encoding.id,
            "n": service.encoding.n,
            "works": tuple(works),
            "in_service": tuple(members),
            "out_of_service": tuple(member.index for member in service.out_of_service),
            "absence": tuple(absence),
            "log_head": LogHead(sequence=sequence, sha256=head),
            "statement": STATEMENT,
            "limits": limits_of(base),
        }
        unsealed = Certificate(**facts, document_sha256=_NOT_YET)
        made = Certificate(**facts, document_sha256=document_hash(unsealed.model_dump(mode="json")))
        logged = {
            "works": [work.sha256 for work in works],
            "in_service": [member.id for member in members],
            "document_sha256": made.document_sha256,
        }
        change.record(EVENT, f"ensemble {ensemble_id}", after=logged)
    return made


def _members_of(service: ServiceStatus) -> tuple[list[str], list[str]]:
    return [member.id for member in service.serving], [member.id for member in service.out_of_service]


def works_of_withdrawal(connection: duckdb.DuckDBPyConnection, withdrawal_id: int) -> list[int]:
    """Ids of the works that a withdrawal covers.

    Raises:
        NotFoundError: there is no such withdrawal, or it covers no work.
    """
    rows = connection.execute(
        "SELECT asset_id FROM withdrawal_work WHERE withdrawal_id = ? ORDER BY asset_id", [withdrawal_id]
    ).fetchall()
    if not rows:
        raise NotFoundError(f"no withdrawal {withdrawal_id} with works; `creditline withdrawals` lists them")
    return [int(number) for (number,) in rows]


def _withdrawn_works(
    connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int], service: ServiceStatus
) -> list[CertifiedWork]:
    if not asset_ids:
        raise UsageError("no works to certify; name works, or a withdrawal with --withdrawal ID")
    connection.register("named", pa.table({"named_id": pa.array(asset_ids, pa.int64())}))
    rows = connection.execute(
        "SELECT asset.id, asset.sha256, withdrawal.id, scope, rightsholder.name, reason, recorded_by, recorded_at "
        "FROM asset SEMI JOIN named ON asset.id = named_id LEFT JOIN withdrawal_work ON withdrawal_work.asset_id = asset.id "
        "LEFT JOIN withdrawal ON withdrawal.id = withdrawal_id "
        "LEFT JOIN rightsholder ON scope = 'rightsholder' AND rightsholder.id = subject_id "
        "ORDER BY asset.sha256, withdrawal.id"
    ).fetchall()
    covering: dict[str, list[WithdrawalFacts]] = {}
    for asset_id, sha256, number, scope, holder, reason, recorded_by, recorded_at in rows:
        if sha256 is None:
            raise InputError(
                f"work {asset_id} has no SHA-256, so its absence cannot be proved: it was never registered as a file"
            )
        if number is None:
            raise UsageError(_not_withdrawn(connection, int(asset_id), str(sha256), service))
        facts = WithdrawalFacts(
            id=number,
            scope=scope,
            rightsholder=holder,
            reason=reason,
            recorded_by=recorded_by,
            recorded_at=recorded_at,
        )
        covering.setdefault(str(sha256), []).append(facts)
    if not covering:
        raise NotFoundError("no such works; `creditline works` lists them")
    return [CertifiedWork(sha256=sha256, withdrawals=tuple(facts)) for sha256, facts in covering.items()]


def _not_withdrawn(connection: duckdb.DuckDBPyConnection, asset_id: int, sha256: str, service: ServiceStatus) -> str:
    saw = connection.execute(
        "SELECT member_index FROM member_work WHERE asset_id = ? AND list_contains(?, member_id) ORDER BY member_index",
        [asset_id, [member.id for member in service.serving]],
    ).fetchall()
    who = (
        f"members {', '.join(str(index) for (index,) in saw)} in service saw it"
        if saw
        else "no member in service saw it"
    )
    return f"work {sha256[:12]} was not withdrawn, and {who}; run `creditline withdraw {asset_id} --reason …` first"
