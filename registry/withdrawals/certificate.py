"""Certificates of withdrawal: proofs that no member in service saw the withdrawn works.

A certificate names the works by hash, the authors and reasons of the withdrawals, and every member
in service with its manifest. For every work and member it has the Merkle proof that the work is not
under the manifest's root. :func:`check` needs no registry; it also compares the manifests
with earlier copies. The certificate names the newest hash of the log, so cutting off the log before
that point shows. :mod:`registry.withdrawals.issue_certificate` makes certificates.

The proofs show that the works are absent, and nothing else. Authors, times and reasons of the
withdrawals are the maker's statement. A hash covers the whole document, and the maker's log has
the same hash: comparing the two reveals an alteration. The document states what it cannot prove.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from registry.errors import InputError
from registry.ids import canonical_json, each_once, sha256_of
from registry.members.manifest import MANIFEST_NAME, Identifier, Manifest, Sha256
from registry.members.merkle import AbsenceProof, verify
from registry.members.register import member_id
from registry.messages import plain_reason

LARGEST_CERTIFICATE = 256 * 2**20
STATEMENT = (
    "The works were withdrawn. None of the manifests of the members in service lists any of them, as the proofs show; "
    "members out of service are not used to generate."
)
"""What every certificate says; a document that says anything else is none."""
LIMITS = (
    "It does not prove that a model in use somewhere has these weights: compare the hashes there.",
    "It does not prove that a manifest lists all works that a member was trained on: the maker states it, and the log and the "
    "codes of the encoding support it.",
    "A proof relies on the order of the manifest's tree; the whole list of a member's works is needed to check that order.",
    "Only these files are shown to be absent. A scaled or edited copy of the same picture is another file and another work.",
)
"""What no certificate proves. A certificate about adapters has further limits before these."""
PROVED = (
    "Each work is absent from the manifest of each member in service, by Merkle proof under the root in the manifest.",
    "Each manifest, with the hash of its member's weights, has the hash that the certificate states.",
)
"""Facts that a check shows."""
STATED = (
    "When, by whom and for what reason the works were withdrawn, when the certificate was made, the log's newest event at "
    "that time, and that no other member is in service: the maker states it, without proof.",
    "A hash covers the whole document, but a forger can compute it anew: compare it with the hash that the maker gave you, or "
    "with that in the maker's log, in the event `certificate made`.",
)
"""Statements of the maker that a check does not show."""
ALTERED = "the document was altered: its hash is not the one stated in it"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WithdrawalFacts(_Frozen):
    """Why a work is withdrawn."""

    id: int = Field(ge=0)
    scope: Literal["asset", "rightsholder"]
    rightsholder: str | None
    reason: str
    recorded_by: str
    recorded_at: Annotated[AwareDatetime, Field(strict=False)]


class CertifiedWork(_Frozen):
    """A work that was withdrawn, and the withdrawals that cover it."""

    sha256: Sha256
    withdrawals: tuple[WithdrawalFacts, ...] = Field(min_length=1, strict=False)


class CertifiedMember(_Frozen):
    """A member in service, with its manifest and the manifest's hash."""

    id: str
    manifest_sha256: Sha256
    manifest: Manifest


class AbsenceOfWork(_Frozen):
    """The proof that one work is not in one member's manifest; see
    :mod:`registry.members.merkle`.
    """

    work: Sha256
    member: str
    proof: dict[str, JsonValue]


class LogHead(_Frozen):
    """The newest event of the registry's log when the certificate was made."""

    sequence: int = Field(ge=1)
    sha256: Sha256


class Certificate(_Frozen):
    """The document."""

    creditline_certificate: Literal[1] = 1
    made_by: str
    made_at: Annotated[AwareDatetime, Field(strict=False)]
    ensemble_id: Identifier
    encoding_id: Identifier
    n: int = Field(ge=2, le=64)
    works: tuple[CertifiedWork, ...] = Field(min_length=1, strict=False)
    in_service: tuple[CertifiedMember, ...] = Field(min_length=1, strict=False)
    out_of_service: tuple[int, ...] = Field(strict=False)
    """Indices of the members that are not used."""
    absence: tuple[AbsenceOfWork, ...] = Field(strict=False)
    log_head: LogHead
    statement: str
    limits: tuple[str, ...] = Field(strict=False)
    document_sha256: Sha256
    """Over all the other fields, see :func:`document_hash`."""

    def to_json(self) -> bytes:
        """The document as indented JSON."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def document_hash(fields: Mapping[str, JsonValue]) -> str:
    """SHA-256 of a certificate's canonical JSON, without the field for the hash."""
    return sha256_of({name: value for name, value in fields.items() if name != "document_sha256"})


def check(data: bytes, manifests: Path | None = None) -> tuple[Certificate, list[str]]:
    """Check a certificate without a registry; returns it with its problems, none if it holds.

    An alteration comes first.

    ``manifests`` is a folder with trusted manifests: ``*.json``, or members' folders.

    Raises:
        InputError: the document is not a certificate, or the folder has no manifest.
    """
    certificate = _parse(data)
    problems = []
    if document_hash(certificate.model_dump(mode="json")) != certificate.document_sha256:
        problems.append(ALTERED)
    if certificate.statement != STATEMENT or certificate.limits[-len(LIMITS) :] != LIMITS:
        problems.append(
            "the document states something else than a certificate does, or leaves out what it does not prove"
        )
    problems += _member_problems(certificate)
    members = {member.id: member for member in certificate.in_service}
    expected = {(work.sha256, member.id) for work in certificate.works for member in certificate.in_service}
    shown = set()
    for entry in certificate.absence:
        pair = (entry.work, entry.member)
        if pair not in expected or pair in shown:
            problems.append(
                f"the proof for work {entry.work[:12]} and member {entry.member} is not expected, or comes twice"
            )
            continue
        shown.add(pair)
        if not _holds(entry, members[entry.member].manifest):
            problems.append(f"the proof that work {entry.work[:12]} is not in member {entry.member} does not hold")
    problems += [f"no proof for work {work[:12]} and member {member}" for work, member in sorted(expected - shown)]
    if manifests is not None:
        problems += _differences(certificate, manifests)
    return certificate, problems


def summary(certificate: Certificate) -> str:
    """The certificate as text."""
    lines = [
        f"Certificate of withdrawal, made {certificate.made_at.isoformat()} by {certificate.made_by}",
        f"Ensemble {certificate.ensemble_id}, encoding {certificate.encoding_id}: {len(certificate.in_service)} of "
        f"{certificate.n} members in service",
        "",
        *(
            f"work {work.sha256}: withdrawn {first.recorded_at.isoformat()} ({first.reason})"
            for work in certificate.works
            for first in work.withdrawals[:1]
        ),
        "",
        *(
            f"member {member.manifest.index}, generation {member.manifest.generation}: {member.manifest.works.count} works "
            f"under {member.manifest.works.merkle_root}\n  manifest {member.manifest_sha256}\n"
            f"  weights  {member.manifest.weights_sha256}"
            for member in certificate.in_service
        ),
        "",
        certificate.statement,
        f"Log: event {certificate.log_head.sequence}, {certificate.log_head.sha256}",
        f"Document: {certificate.document_sha256}",
        "",
        "What the check shows:",
        *PROVED,
        "",
        "What the maker states without proof:",
        *STATED,
        "",
        "What it does not prove:",
        *certificate.limits,
    ]
    return "\n".join(lines)


def _parse(data: bytes) -> Certificate:
    if len(data) > LARGEST_CERTIFICATE:
        raise InputError(f"the certificate has {len(data):,} bytes, at most {LARGEST_CERTIFICATE:,} are read")
    try:
        certificate = Certificate.model_validate_json(data)
        json.loads(data, object_pairs_hook=each_once)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200] or "the document"
        raise InputError(f"not a certificate of withdrawal: {place}: {first['msg'][:200]}") from error
    except (ValueError, RecursionError) as error:
        reason = plain_reason(error)
        raise InputError(f"not a certificate of withdrawal: it cannot be read as JSON: {reason}") from error
    return certificate


def _member_problems(certificate: Certificate) -> list[str]:
    problems = []
    indices = [member.manifest.index for member in certificate.in_service]
    if sorted([*indices, *certificate.out_of_service]) != list(range(certificate.n)):
        problems.append(f"the members in and out of service are not 0 to {certificate.n - 1}, each once")
    if len({member.id for member in certificate.in_service}) != len(certificate.in_service):
        problems.append("a member is named twice")
    for member in certificate.in_service:
        manifest = member.manifest
        if manifest.sha256 != member.manifest_sha256:
            problems.append(f"the manifest of member {member.id} does not have the stated hash")
        if member.id != member_id(manifest.ensemble_id, manifest.index, manifest.generation):
            problems.append(f"the manifest of member {member.id} is of another member")
        named = (manifest.ensemble_id, manifest.encoding.id, manifest.encoding.n)
        if named != (certificate.ensemble_id, certificate.encoding_id, certificate.n):
            problems.append(f"the manifest of member {member.id} is of another ensemble or encoding")
    return problems


def _holds(entry: AbsenceOfWork, manifest: Manifest) -> bool:
    try:
        proof = AbsenceProof.from_json(canonical_json(entry.proof))
    except (InputError, ValueError, RecursionError):
        return False
    return verify(proof, manifest.works.merkle_root, manifest.works.count, entry.work)


def _differences(certificate: Certificate, folder: Path) -> list[str]:
    held: dict[tuple[str, int, int], set[str]] = {}
    for path in sorted({*folder.glob("*.json"), *folder.glob(f"*/{MANIFEST_NAME}")}):
        try:
            manifest = Manifest.parse(path.read_bytes(), str(path))
        except (InputError, OSError):
            continue
        key = (manifest.ensemble_id, manifest.index, manifest.generation)
        held.setdefault(key, set()).add(manifest.sha256)
    if not held:
        raise InputError(f"{folder} has no manifest: expected *.json, or members' folders with {MANIFEST_NAME}")
    problems = []
    for member in certificate.in_service:
        key = (member.manifest.ensemble_id, member.manifest.index, member.manifest.generation)
        if key not in held:
            problems.append(f"{folder} has no manifest of member {member.id}")
        elif held[key] != {member.manifest.sha256}:
            problems.append(f"the manifest of member {member.id} is not the one in {folder}")
    return problems
