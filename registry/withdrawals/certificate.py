"""Certificates of withdrawal: a document which shows that no member in service saw the works that
were withdrawn.

It names the works by hash, who withdrew them and why, every member in service with its manifest,
and for every work and member the Merkle proof that the work is not under the manifest's root.
Whoever holds it can check it with :func:`check` alone, without the registry, and holds it against
manifests that were handed over before. It also names the newest hash of the log, so that the log
can no longer be cut off before that point without notice.
:mod:`registry.withdrawals.issue_certificate` makes it.

The proofs bear out that the works are absent, and nothing else. Who withdrew them, when and why is
what its maker says. A hash over the whole document covers that, too, and the maker's log has the
same hash: an alteration shows when the two are compared.

What it cannot prove is stated in it: that the models which really answer are these weights, that a
manifest lists all that a member trained on, or that a similar copy of a work is not among what the
members saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from registry.errors import InputError
from registry.ids import canonical_json, sha256_of
from registry.members.manifest import MANIFEST_NAME, Identifier, Manifest, Sha256
from registry.members.merkle import AbsenceProof, verify
from registry.members.register import member_id

LARGEST_CERTIFICATE = 256 * 2**20
PROVED = (
    "Each work is absent from the manifest of each member in service: by Merkle proof, under the root that the manifest names.",
    "Each manifest, with the hash of its member's weights, is the one that its hash is of.",
)
"""What a check shows by itself."""
STATED = (
    "When, by whom and for which reason the works were withdrawn, and that no other member is in service: the word of the "
    "certificate's maker, which no proof bears out.",
    "All of the document is under its own hash, but whoever alters it can compute that anew: compare it with the hash that "
    "the maker gave you or has in the log, in the event `certificate made`.",
)
"""What it has to be taken on trust for, and how far."""


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
    """A member in service, with the manifest that its hash is of."""

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
        """The document's bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def document_hash(fields: Mapping[str, JsonValue]) -> str:
    """SHA-256 of a certificate's canonical JSON without the field for the hash itself."""
    return sha256_of({name: value for name, value in fields.items() if name != "document_sha256"})


def check(data: bytes, manifests: Path | None = None) -> tuple[Certificate, list[str]]:
    """Check a certificate without a registry; returns it with what is wrong with it, nothing if all
    of it holds.

    Args:
        data: the document.
        manifests: a folder with manifests that are trusted: ``*.json``, or members' folders.

    Raises:
        InputError: it is not a certificate, or the folder has no manifest.
    """
    certificate = _parse(data)
    problems = _member_problems(certificate)
    if document_hash(certificate.model_dump(mode="json")) != certificate.document_sha256:
        problems.append("the document is not the one that its hash is of: something in it was altered")
    members = {member.id: member for member in certificate.in_service}
    wanted = {(work.sha256, member.id) for work in certificate.works for member in certificate.in_service}
    shown = set()
    for entry in certificate.absence:
        pair = (entry.work, entry.member)
        if pair not in wanted or pair in shown:
            problems.append(f"a proof for work {entry.work[:12]} and member {entry.member} that is not called for")
            continue
        shown.add(pair)
        if not _holds(entry, members[entry.member].manifest):
            problems.append(f"the proof that work {entry.work[:12]} is not in member {entry.member} does not hold")
    problems += [f"no proof for work {work[:12]} and member {member}" for work, member in sorted(wanted - shown)]
    if manifests is not None:
        problems += _differences(certificate, manifests)
    return certificate, problems


def summary(certificate: Certificate) -> str:
    """The certificate for people."""
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
        "What it takes the maker's word for:",
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
        return Certificate.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200] or "the document"
        raise InputError(f"not a certificate of withdrawal: {place}: {first['msg'][:200]}") from error
    except (ValueError, RecursionError) as error:
        raise InputError("not a certificate of withdrawal: it cannot be read as JSON") from error


def _member_problems(certificate: Certificate) -> list[str]:
    problems = []
    indices = [member.manifest.index for member in certificate.in_service]
    if sorted([*indices, *certificate.out_of_service]) != list(range(certificate.n)):
        problems.append(f"members in and out of service are not each of 0 to {certificate.n - 1} once")
    if len({member.id for member in certificate.in_service}) != len(certificate.in_service):
        problems.append("a member comes twice")
    for member in certificate.in_service:
        manifest = member.manifest
        if manifest.sha256 != member.manifest_sha256:
            problems.append(f"the manifest of member {member.id} is not the one that its hash is of")
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
