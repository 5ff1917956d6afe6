"""The models that saw given works: by the codes, compared with the members' own listings.

Codes answer for any number of works at once. A work is found in a sorted ``works.txt`` by binary
search. A disagreement, or an unreadable listing, is a finding: then the codes alone answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlmodel import col, select

from registry.encodings.probes import probes_among
from registry.errors import CreditlineError, IntegrityError
from registry.home import Home
from registry.members.manifest import MANIFEST_NAME, WORKS_NAME, Manifest
from registry.members.reference_models import RecordedReference, recorded_reference
from registry.members.seen import EncodedWorks, encoded_works, withdrawals_applied_through
from registry.members.serving import ServiceStatus, service_status
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member

_LINE = 65
"""Bytes of a line of ``works.txt``: a SHA-256 in hexadecimal and a newline."""
_LARGEST_MANIFEST = 16 * 2**20


@dataclass(frozen=True)
class MemberExposure:
    """A member that saw at least one of the works."""

    member: str
    ensemble: str
    index: int
    generation: int
    origin: str
    serves: bool
    """Whether the member is in service."""
    works: int
    """Number of the works that the member saw."""
    manifest_sha256: str
    merkle_root: str


@dataclass(frozen=True)
class EncodingExposure:
    """An encoding with at least one of the works."""

    encoding: str
    works: int
    units: int
    examples: tuple[str, ...]
    """Labels of the first units."""
    ensembles: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceExposure:
    """A reference model that saw at least one of the works; no output is made with it."""

    ensemble: str
    works: int
    usable: bool
    """Whether the model saw no work that is withdrawn now; otherwise it is not used."""
    manifest_sha256: str


@dataclass(frozen=True)
class ProbeExposure:
    """An encoding that keeps at least one of the works out of all members by choice."""

    encoding: str
    works: int


@dataclass(frozen=True)
class Exposure:
    """Models that saw these works."""

    works: int
    encodings: tuple[EncodingExposure, ...]
    members: tuple[MemberExposure, ...]
    members_that_did_not: int
    """Members of all ensembles that saw none of the works."""
    reference_models: tuple[ReferenceExposure, ...] = ()
    probes: tuple[ProbeExposure, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def unseen(self) -> bool:
        """Whether no model saw any of the works."""
        return not self.members and not self.reference_models


def exposure_of(registry: Registry, asset_ids: Sequence[int] | NDArray[np.int64]) -> Exposure:
    """The encodings, ensembles and members that saw works; findings name disagreeing listings."""
    asset_ids = np.unique(np.asarray(asset_ids, dtype=np.int64))
    with registry.session() as session:
        encodings = list(session.exec(select(Encoding).order_by(col(Encoding.created_at), col(Encoding.id))))
        ensembles = list(session.exec(select(Ensemble).order_by(col(Ensemble.created_at), col(Ensemble.id))))
        members = list(
            session.exec(select(Member).order_by(col(Member.ensemble_id), col(Member.index), col(Member.generation)))
        )
    with registry.connection() as connection:
        encoded = {each.id: encoded_works(connection, each.id, asset_ids) for each in encodings}
        by_encoding = tuple(
            _encoding(
                connection,
                each.id,
                encoded[each.id],
                tuple(ensemble.id for ensemble in ensembles if ensemble.encoding_id == each.id),
            )
            for each in encodings
            if len(encoded[each.id].asset_ids)
        )
        kept_out = probes_among(connection, pa.table({"asset_id": asset_ids}))
        hashes = _hashes(connection, asset_ids)
        recorded = {ensemble.id: recorded_reference(connection, ensemble.id) for ensemble in ensembles}
    hashes_of = {key: np.array(works.sha256.to_pylist(), dtype="S64") for key, works in encoded.items()}
    services = {ensemble.id: service_status(registry, ensemble.id) for ensemble in ensembles}
    serving = {member.id for service in services.values() for member in service.serving}
    encoding_of = {ensemble.id: ensemble.encoding_id for ensemble in ensembles}
    seen: list[MemberExposure] = []
    findings: list[str] = []
    for member in members:
        by_codes = np.array([], dtype="S64")
        if (encoding_id := encoding_of.get(member.ensemble_id)) in encoded:
            seen_by_member = encoded[encoding_id].seen_by(member.index, withdrawals_applied_through(member))
            by_codes = hashes_of[encoding_id][seen_by_member]
        findings += _compare(registry.home, member, hashes, by_codes)
        if len(by_codes):
            seen.append(_exposure(member, len(by_codes), member.id in serving))
    return Exposure(
        works=len(asset_ids),
        encodings=by_encoding,
        members=tuple(seen),
        members_that_did_not=len(members) - len(seen),
        reference_models=tuple(
            _reference(services[ensemble], reference, works)
            for ensemble, reference in recorded.items()
            if reference is not None
            and (
                works := int(encoded[encoding_of[ensemble]].seen_by(None, reference.withdrawals_applied_through).sum())
            )
        ),
        probes=tuple(ProbeExposure(encoding_id, works) for encoding_id, works in kept_out.items()),
        findings=tuple(findings),
    )


def exposure_by_work(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> pa.Table:
    """A row per work and encoding with it: its unit, and the indices of the members in its code."""
    connection.register("asked", _asked(asset_ids))
    rows = connection.execute(
        "SELECT asset_id, sha256, path, unit.encoding_id AS encoding_id, unit_number, label AS unit, "
        "list_filter(range(n), lambda place: (code >> place::UBIGINT) & 1 = 1) AS members "
        "FROM unit_asset JOIN asked ON asset_id = asked_id JOIN asset ON asset.id = asset_id "
        "JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND number = unit_number "
        "JOIN encoding ON encoding.id = unit.encoding_id ORDER BY asset_id, encoding.rowid"
    ).to_arrow_table()
    connection.unregister("asked")
    return rows


def _asked(asset_ids: Sequence[int] | NDArray[np.int64]) -> pa.Table:
    return pa.table({"asked_id": pa.array(np.unique(np.asarray(asset_ids, dtype=np.int64)), pa.int64())})


def _hashes(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bytes_]:
    connection.register("asked", _asked(asset_ids))
    rows = connection.execute(
        "SELECT sha256 FROM asset JOIN asked ON id = asked_id WHERE sha256 IS NOT NULL ORDER BY sha256"
    ).to_arrow_table()
    connection.unregister("asked")
    return np.array(rows["sha256"].to_pylist(), dtype="S64")


def _encoding(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, works: EncodedWorks, ensembles: tuple[str, ...]
) -> EncodingExposure:
    numbers = np.unique(works.unit_numbers)
    examples = connection.execute(
        "SELECT label FROM unit WHERE encoding_id = ? AND list_contains(?, number) ORDER BY number",
        [encoding_id, numbers[:5].tolist()],
    ).fetchall()
    return EncodingExposure(
        encoding_id, len(works.asset_ids), len(numbers), tuple(str(label) for (label,) in examples), ensembles
    )


def _reference(service: ServiceStatus, reference: RecordedReference, works: int) -> ReferenceExposure:
    return ReferenceExposure(
        ensemble=service.ensemble.id,
        works=works,
        usable=not service.withdrawn.seen_by(None, reference.withdrawals_applied_through).any(),
        manifest_sha256=reference.manifest_sha256,
    )


def _exposure(member: Member, works: int, serves: bool) -> MemberExposure:
    return MemberExposure(
        member=member.id,
        ensemble=member.ensemble_id,
        index=member.index,
        generation=member.generation,
        origin=member.origin,
        serves=serves,
        works=works,
        manifest_sha256=member.manifest_sha256,
        merkle_root=member.merkle_root,
    )


def _compare(home: Home, member: Member, hashes: NDArray[np.bytes_], by_codes: NDArray[np.bytes_]) -> list[str]:
    folder = home.member(member.id)
    try:
        _check_manifest(folder, member)
        listed = hashes[listed_in(folder / WORKS_NAME, hashes)]
    except CreditlineError as error:
        return [str(error)]
    only_listed, only_codes = np.setdiff1d(listed, by_codes), np.setdiff1d(by_codes, listed)
    findings = []
    for found, what in (
        (only_listed, "lists {} that are not in the member's codes"),
        (only_codes, "lacks {} that are in the member's codes"),
    ):
        if len(found):
            works = f"{len(found):,} of the works (for example {found[0].decode()[:12]}…)"
            findings.append(f"{folder / WORKS_NAME} {what.format(works)}; `creditline doctor` says what to do")
    return findings


def _check_manifest(folder: Path, member: Member) -> None:
    path = folder / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            manifest = Manifest.parse(file.read(_LARGEST_MANIFEST + 1), str(path))
    except OSError as error:
        raise IntegrityError(
            f"cannot read {path}: {error.strerror}; restore the file or train the member again"
        ) from error
    if manifest.sha256 != member.manifest_sha256:
        raise IntegrityError(
            f"the manifest in {folder} was altered since member {member.id} was registered; restore it"
        )


def listed_in(path: Path, hashes: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Whether a sorted listing has each of these hashes (64 bytes), by binary search in the file.

    Raises:
        IntegrityError: the file cannot be read, or is not a listing.
    """
    try:
        size = path.stat().st_size
        if size % _LINE:
            raise IntegrityError(f"{path} is not a list of hashes, one per line; restore the file")
        if not size or not len(hashes):
            return np.zeros(len(hashes), dtype=np.bool_)
        lines = np.memmap(path, dtype="S65", mode="r")
    except OSError as error:
        raise IntegrityError(
            f"cannot read {path}: {error.strerror}; restore the file or train the member again"
        ) from error
    lines_sought = np.char.add(hashes, b"\n").astype("S65")
    places = np.searchsorted(lines, lines_sought)
    found: NDArray[np.bool_] = lines[np.minimum(places, len(lines) - 1)] == lines_sought
    return np.asarray(found)
