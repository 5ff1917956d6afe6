"""Members: row, manifest and files agree; works are those of the codes less withdrawn ones."""

from __future__ import annotations

from pydantic import ValidationError
from sqlmodel import col, select

from registry.doctor.findings import Examination, Progress, Severity
from registry.errors import CreditlineError
from registry.event_log.findings import RESTORE
from registry.members.manifest import Manifest, ManifestWorks
from registry.members.register import check_member, expected_works, member_id
from registry.members.serving import service_statuses, works_left
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member

_RETRAIN = "restore the member's folder from a copy, or train the member again"


def check_members(registry: Registry, found: Examination, on_progress: Progress, *, files: bool) -> None:
    """Check every member of every generation; ``files``: also its folder."""
    with registry.session() as session:
        query = (
            select(Member, Encoding)
            .join(Ensemble, col(Ensemble.id) == col(Member.ensemble_id))
            .join(Encoding, col(Encoding.id) == col(Ensemble.encoding_id))
            .order_by(col(Member.id))
        )
        rows = list(session.exec(query))
    for number, (member, encoding) in enumerate(rows, start=1):
        manifest = _check_row(member, encoding, found)
        if manifest is not None:
            expected = ManifestWorks.of(expected_works(registry, encoding.id, member.index, manifest.withdrawn_through))
            if expected != manifest.works:
                what = (
                    f"its manifest lists {manifest.works.count:,} works that differ from the {expected.count:,} of its codes "
                    "less withdrawn ones"
                )
                found.error("members", f"member {member.id}", what, _RETRAIN)
        if files:
            try:
                check_member(registry.home.member(member.id), member)
            except CreditlineError as error:
                found.error("members", str(registry.home.member(member.id)), str(error), _RETRAIN)
        on_progress("members", number, len(rows))
    found.checked["members"] = len(rows)


def note_out_of_service(registry: Registry, found: Examination) -> None:
    """Note the members that saw withdrawn works, until they are retrained without them."""
    try:
        services = service_statuses(registry)
    except (KeyError, TypeError, ValueError):
        # A manifest cannot be read: :func:`check_members` names it.
        return
    for service in services:
        out = [member.index for member in service.out_of_service]
        left = works_left(registry, service, out)
        where = f"ensemble {service.ensemble.id}"
        for indices, what, repair in (
            (
                [index for index in out if left[index]],
                "were trained on works that are withdrawn now, and are out of service",
                f"`creditline retrain --ensemble {service.ensemble.id}` trains them again without these works",
            ),
            (
                [index for index in out if not left[index]],
                "have no work left that is not withdrawn, and stay out of service",
                "nothing to do; a new encoding can use their places",
            ),
        ):
            if indices:
                listed = ", ".join(map(str, indices))
                found.add("members", Severity.NOTE, where, f"members {listed} {what}", repair)


def _check_row(member: Member, encoding: Encoding, found: Examination) -> Manifest | None:
    where = f"member {member.id}"
    try:
        manifest = Manifest.model_validate(member.manifest, strict=False)
    except ValidationError:
        found.error("members", where, "the manifest in its row cannot be read", RESTORE)
        return None
    said = {
        "id": (member.id, member_id(manifest.ensemble_id, manifest.index, manifest.generation)),
        "ensemble": (member.ensemble_id, manifest.ensemble_id),
        "index": (member.index, manifest.index),
        "generation": (member.generation, manifest.generation),
        "manifest_sha256": (member.manifest_sha256, manifest.sha256),
        "merkle_root": (member.merkle_root, manifest.works.merkle_root),
        "weights_sha256": (member.weights_sha256, manifest.weights_sha256),
        "encoding": (encoding.id, manifest.encoding.id),
    }
    for name, (row, stated) in said.items():
        if row != stated:
            found.error("members", where, f"its row has the {name} {row}, its manifest {stated}", RESTORE)
    if member.index >= encoding.n:
        found.error("members", where, f"has index {member.index}, its encoding has {encoding.n} members", RESTORE)
        return None
    return manifest
