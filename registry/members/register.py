"""Registering trained members: only what the codes imply gets in.

The worker that trains a member writes its folder; its parent registers it here. The check is the
registry's promise to everyone who relies on ablation: a member is believed to have seen exactly the
works that its bit of the codes says.
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
    """``<ensemble>-<index>``, later generations with their number behind it: the member's id and
    the name of its folder.
    """
    return f"{ensemble_id}-{index:02d}" + (f"-{generation}" if generation > 1 else "")


def expected_works(
    registry: Registry, encoding_id: str, index: int | None, withdrawn_through: int | None = None
) -> list[str]:
    """SHA-256 of every work that the codes give to member ``index``, sorted; None: of every work of
    the encoding.

    Works of the withdrawals up to ``withdrawn_through`` are left out; None: no work is left out.
    """
    with registry.connection() as connection:
        works = encoded_works(connection, encoding_id)
    return works.hashes(works.seen_by(index, withdrawn_through))


def last_withdrawal(registry: Registry) -> int | None:
    """The number of the newest withdrawal; None if there is none."""
    with registry.connection() as connection:
        row = connection.execute("SELECT max(id) FROM withdrawal").fetchall()[0]
    return None if row[0] is None else int(row[0])


def register_member(registry: Registry, folder: MemberFolder, origin: str, now: datetime) -> Member:
    """Put a member into the registry; one that is there already is returned as it is.

    Args:
        registry: where the ensemble is and the member goes.
        folder: as :func:`registry.members.manifest.read_member_folder` read it.
        origin: ``trained`` or ``imported``.
        now: the time to record.

    Raises:
        NotFoundError: the registry has no such ensemble.
        InputError: the manifest names another encoding, or an index that the ensemble does not
            have.
        IntegrityError: the works are not those that the codes imply, or another member holds this
            place.
    """
    manifest = folder.manifest
    with registry.session() as session:
        ensemble = session.get(Ensemble, manifest.ensemble_id)
        encoding = session.get(Encoding, ensemble.encoding_id) if ensemble else None
        existing = session.get(Member, member_id(manifest.ensemble_id, manifest.index, manifest.generation))
    if ensemble is None or encoding is None:
        raise NotFoundError(f"{folder.path} is of ensemble {manifest.ensemble_id}, which this registry does not have")
    _check_encoding(folder, encoding)
    if existing is not None:
        if existing.manifest_sha256 == manifest.sha256:
            return existing
        raise IntegrityError(
            f"{folder.path} is not member {existing.id} as it was registered (another manifest); restore the first one"
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
        change.insert(member)
        facts = member.model_dump(include={"origin", "generation", "manifest_sha256", "merkle_root", "weights_sha256"})
        change.record("member registered", f"member {member.id}", after={**facts, "works": manifest.works.count})
        change.seal("member", member.id)
    return member


def check_against_codes(registry: Registry, folder: MemberFolder) -> None:
    """Hold a member's folder against the encoding that its manifest names, before anything of it
    enters.

    Raises:
        NotFoundError: the encoding is not registered here.
        InputError: the manifest describes another encoding than the registered one of that id.
        IntegrityError: the works are not those that the codes give to the member.
    """
    with registry.session() as session:
        encoding = session.get(Encoding, folder.manifest.encoding.id)
    if encoding is None:
        raise NotFoundError(
            f"{folder.path} is of encoding {folder.manifest.encoding.id}, which this registry does not have; "
            "register the same works and run `creditline encode` with the same choice first"
        )
    _check_encoding(folder, encoding)
    _check_works(registry, folder, encoding)


def check_member(folder: Path, member: Member) -> MemberFolder:
    """The member's folder, if it still is what was registered.

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
    # A number that is still to come would make the member look as if it had heeded withdrawals that
    # nobody had made.
    if manifest.withdrawn_through is not None and (last is None or manifest.withdrawn_through > last):
        raise InputError(
            f"the manifest in {folder.path} heeds withdrawals up to {manifest.withdrawn_through}, this registry's last is "
            f"{'none' if last is None else last}: it was altered, or comes from another registry"
        )
    expected = set(expected_works(registry, encoding.id, manifest.index, manifest.withdrawn_through))
    got = set(folder.works)
    if got != expected:
        raise IntegrityError(
            f"{folder.path} lists {len(got - expected)} works that the codes do not give to member "
            f"{folder.manifest.index} and lacks {len(expected - got)} that they do; train the member again"
        )
