"""Registering trained members, if their works are exactly those of their codes.

Ablation relies on this check: a registered member saw exactly the works of its code, less those
withdrawn before its training.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from registry.errors import InputError, IntegrityError, NotFoundError
from registry.event_log.events import changing
from registry.members.manifest import MemberFolder, read_member_folder
from registry.members.seen import encoded_works
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member


def member_id(ensemble_id: str, index: int, generation: int = 1) -> str:
    """The id, also the folder's name: ``<ensemble>-<index>``, later ones with ``-<generation>``."""
    return f"{ensemble_id}-{index:02d}" + (f"-{generation}" if generation > 1 else "")


def expected_works(
    registry: Registry, encoding_id: str, index: int | None, applied_through: int | None = None
) -> list[str]:
    """SHA-256 of every work that a model of the encoding trains on, sorted.

    ``index`` is the member's bit; None: a reference model. ``applied_through`` is the last
    withdrawal applied before training; None: none is.
    """
    with registry.connection() as connection:
        works = encoded_works(connection, encoding_id)
    return works.hashes(works.seen_by(index, applied_through))


def last_withdrawal(registry: Registry) -> int | None:
    """The id of the newest withdrawal; None if there is none."""
    with registry.connection() as connection:
        row = connection.execute("SELECT max(id) FROM withdrawal").fetchall()[0]
    return None if row[0] is None else int(row[0])


def register_member(registry: Registry, folder: MemberFolder, origin: str, now: datetime) -> Member:
    """Register a member; one that is registered already is returned as it is.

    ``folder`` comes from :func:`registry.members.manifest.read_member_folder`; ``origin`` is
    ``trained`` or ``imported``.

    Raises:
        NotFoundError: the registry has no such ensemble.
        InputError: the manifest names another encoding, or an index outside the ensemble.
        IntegrityError: the works are not those of the codes, or another member has this place.
    """
    manifest = folder.manifest
    with registry.session() as session:
        ensemble = session.get(Ensemble, manifest.ensemble_id)
        encoding = session.get(Encoding, ensemble.encoding_id) if ensemble else None
        existing = session.get(Member, member_id(manifest.ensemble_id, manifest.index, manifest.generation))
    if ensemble is None or encoding is None:
        raise NotFoundError(
            f"{folder.path} is a member of ensemble {manifest.ensemble_id}, which is not registered; "
            "import it into the registry that it comes from"
        )
    _check_encoding(folder, encoding)
    if existing is not None:
        if existing.manifest_sha256 == manifest.sha256:
            return existing
        raise IntegrityError(
            f"{folder.path} has another manifest than the registered member {existing.id}; restore the registered folder"
        )
    _check_works(registry, folder, encoding)
    member = Member(
        id=member_id(manifest.ensemble_id, manifest.index, manifest.generation),
        ensemble_id=manifest.ensemble_id,
        index=manifest.index,
        generation=manifest.generation,
        origin=origin,
        manifest=manifest.model_dump(mode="json"),
        manifest_sha256=manifest.sha256,
        merkle_root=manifest.works.merkle_root,
        weights_sha256=manifest.weights_sha256,
        registered_at=now,
    )
    with changing(registry, now) as change:
        # Another process may have registered it since.
        if not change.has("member", member.id):
            change.insert(member)
            facts = member.model_dump(
                include={"origin", "generation", "manifest_sha256", "merkle_root", "weights_sha256"}
            )
            change.record("member registered", f"member {member.id}", after={**facts, "works": manifest.works.count})
            change.seal("member", member.id)
            return member
    return register_member(registry, folder, origin, now)


def check_against_codes(registry: Registry, folder: MemberFolder) -> None:
    """Check a member's folder against the encoding named in its manifest, before it is registered.

    Raises:
        NotFoundError: the encoding is not registered here.
        InputError: the manifest describes another encoding than the registered one of that id.
        IntegrityError: the works are not those of the member's codes.
    """
    with registry.session() as session:
        encoding = session.get(Encoding, folder.manifest.encoding.id)
    if encoding is None:
        raise NotFoundError(
            f"{folder.path} names encoding {folder.manifest.encoding.id}, which is not registered; "
            "register the same works and run `creditline encode` with the same options first"
        )
    _check_encoding(folder, encoding)
    _check_works(registry, folder, encoding)


def check_member(folder: Path, member: Member) -> MemberFolder:
    """The member's folder, checked against its registration.

    Raises:
        IntegrityError: a file was altered or is missing; the message names it.
    """
    found = read_member_folder(folder)
    if found.manifest.sha256 != member.manifest_sha256:
        raise IntegrityError(
            f"the manifest in {folder} was altered since member {member.id} was registered; restore it"
        )
    return found


def _check_encoding(folder: MemberFolder, encoding: Encoding) -> None:
    for name in ("id", "n", "h", "seed", "unit_kind", "unit_column"):
        got, expected = getattr(folder.manifest.encoding, name), getattr(encoding, name)
        if got != expected:
            raise InputError(
                f"the manifest in {folder.path} has encoding {name} {got!r}, the registry's is {expected!r}"
            )
    if folder.manifest.index >= encoding.n:
        raise InputError(
            f"the manifest in {folder.path} has index {folder.manifest.index}, expected 0 to {encoding.n - 1}"
        )


def _check_works(registry: Registry, folder: MemberFolder, encoding: Encoding) -> None:
    manifest = folder.manifest
    last = last_withdrawal(registry)
    # With a future id, the member would count as trained without works that are withdrawn later.
    if manifest.withdrawn_through is not None and (last is None or manifest.withdrawn_through > last):
        raise InputError(
            f"the manifest in {folder.path} names withdrawal {manifest.withdrawn_through} as applied, but the last one here is "
            f"{'none' if last is None else last}: the manifest was altered or is from another registry; import it there"
        )
    expected = set(expected_works(registry, encoding.id, manifest.index, manifest.withdrawn_through))
    got = set(folder.works)
    if got != expected:
        raise IntegrityError(
            f"{folder.path} lists {len(got - expected)} works that are not in the codes of member "
            f"{folder.manifest.index} and lacks {len(expected - got)} that are; train the member again"
        )
