"""Fetches the rows of several audits at once: candidates, their units and works, the works' rights.

A query costs the same for one audit as for ten, so the reports of many outputs are read in parts.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from sqlmodel import Session, col, func, select, tuple_

from registry.encodings.supports import Support, supports_of_units
from registry.errors import IntegrityError
from registry.outputs.shares import Received, received_of
from registry.permissions.history import PermissionHistory, registrations
from registry.permissions.rule import deciding_grounds
from registry.storage.current_rights import written_out
from registry.storage.database import driver_of
from registry.storage.tables import (
    Asset,
    AssetRights,
    Audit,
    Candidate,
    CandidateWork,
    DataSet,
    Ensemble,
    Licence,
    Member,
    Rightsholder,
    Unit,
    UnitAsset,
)
from registry.works.captions import captions_of_works
from registry.works.synthetic import signs_of
from reports.facts import NotMeasured, PermissionGround
from reports.outputs.facts import Rights, Work
from reports.outputs.method import tested_rightsholders

UNLISTED = NotMeasured("it was changed together with so many others that the log does not list them")
UNSEEN = NotMeasured("no member that served saw it")


class Listed(NamedTuple):
    """A work listed for a candidate."""

    asset_id: int
    distance: float | None
    weight: float | None


@dataclass(frozen=True)
class Rows:
    """The registry's rows for some audits."""

    candidates: Mapping[str, Sequence[Candidate]]
    """By audit, in order of rank."""
    units: Mapping[tuple[str, int], Unit]
    """By encoding and number."""
    work_counts: Mapping[tuple[str, int], int]
    """Number of works per unit."""
    listed: Mapping[tuple[str, int], Sequence[Listed]]
    """By audit and unit: its works, closest first; of a unit without a list its first work."""
    assets: Mapping[int, Asset]
    data_sets: Mapping[int, str]
    captions: Mapping[int, tuple[str, str]]
    """By work: its caption and where it came from."""
    rights: Mapping[tuple[int, str], Rights]
    """By work and basis: the statement."""
    licences: Mapping[int, Licence]
    """By work: the effective licence."""
    owners: Mapping[int, list[str]]
    """By work: names of its rightsholders now, the first stated first."""
    merged: Mapping[str, str]
    """By name of a tested rightsholder: the record that it was merged into since."""
    received: Mapping[str, Sequence[Received]]
    """By audit: the shares of the output by rightsholder."""
    grounds: Mapping[int, Sequence[Mapping[str, Any]]]
    """By work: the grounds that decide its permission."""
    permissions: PermissionHistory
    registrations: Mapping[str, int]
    """By member: the end of the log when the member was registered."""
    supports: Mapping[tuple[str, int], Support]
    """By encoding and number, where codes nest."""
    synthetic: Mapping[int, str]
    """By work: what its file says about an AI model that made it."""
    seen: frozenset[tuple[str, int]]
    """(member, work) pairs of the works in ``listed`` that the member saw."""

    def permissions_then(self, asset_id: int, members: Sequence[Member]) -> tuple[str | None, ...]:
        """The work's permission when each of these members that saw it was registered."""
        return tuple(
            self.permissions.at(self.registrations[member.id]).get(asset_id)
            for member in members
            if (member.id, asset_id) in self.seen
        )


def fetch_rows(session: Session, audits: Sequence[Audit]) -> Rows:
    """The rows of these audits, in as many queries as for one audit."""
    encodings = dict(
        session.exec(
            select(Ensemble.id, Ensemble.encoding_id).where(
                col(Ensemble.id).in_({audit.ensemble_id for audit in audits})
            )
        ).all()
    )
    encoding_of = {audit.id: encodings.get(audit.ensemble_id, "") for audit in audits}
    candidates: dict[str, list[Candidate]] = {audit.id: [] for audit in audits}
    for row in session.exec(
        select(Candidate).where(col(Candidate.audit_id).in_(candidates)).order_by(col(Candidate.rank))
    ):
        candidates[row.audit_id].append(row)
    wanted = {(encoding_of[audit], row.unit_number) for audit, rows in candidates.items() for row in rows}
    of_wanted = tuple_(col(Unit.encoding_id), col(Unit.number)).in_(wanted)
    assets_of_wanted = tuple_(col(UnitAsset.encoding_id), col(UnitAsset.unit_number)).in_(wanted)
    counted = session.exec(
        select(UnitAsset.encoding_id, UnitAsset.unit_number, func.count(), func.min(UnitAsset.asset_id))
        .where(assets_of_wanted)
        .group_by(col(UnitAsset.encoding_id), col(UnitAsset.unit_number))
    ).all()
    listed: dict[tuple[str, int], list[Listed]] = {}
    for work in session.exec(
        select(CandidateWork)
        .where(col(CandidateWork.audit_id).in_(candidates))
        .order_by(col(CandidateWork.unit_number), col(CandidateWork.position))
    ):
        listed.setdefault((work.audit_id, work.unit_number), []).append(
            Listed(work.asset_id, work.distance, work.weight)
        )
    first = {(encoding, number): asset_id for encoding, number, _, asset_id in counted}
    for audit, rows in candidates.items():
        for row in rows:
            place = (encoding_of[audit], row.unit_number)
            if (audit, row.unit_number) not in listed and place in first:
                listed[audit, row.unit_number] = [Listed(first[place], None, None)]
    asset_ids = sorted({work.asset_id for works in listed.values() for work in works})
    assets = {asset.id: asset for asset in session.exec(select(Asset).where(col(Asset.id).in_(asset_ids)))}
    of_assets = {asset.data_set_id for asset in assets.values()}
    rights, licences = _rights(session, assets.values())
    return Rows(
        candidates=candidates,
        units={(unit.encoding_id, unit.number): unit for unit in session.exec(select(Unit).where(of_wanted))},
        work_counts={(encoding, number): count for encoding, number, count, _ in counted},
        listed=listed,
        assets=assets,
        data_sets=dict(session.exec(select(DataSet.id, DataSet.name).where(col(DataSet.id).in_(of_assets))).all()),
        captions=captions_of_works(driver_of(session), asset_ids),
        rights=rights,
        licences=licences,
        owners=_owners(session, asset_ids),
        merged=_merged(session, {name for audit in audits for name in tested_rightsholders(audit)}),
        received=received_of(driver_of(session), list(candidates)),
        grounds=deciding_grounds(driver_of(session), asset_ids),
        permissions=PermissionHistory.read(driver_of(session), asset_ids),
        registrations=registrations(driver_of(session)),
        supports={
            (encoding, unit): support
            for encoding in sorted({encoding for encoding, _ in wanted})
            for unit, support in supports_of_units(
                driver_of(session), encoding, [unit for other, unit in wanted if other == encoding]
            ).items()
        },
        synthetic=signs_of(driver_of(session), asset_ids),
        seen=_seen(session, asset_ids),
    )


def _seen(session: Session, asset_ids: list[int]) -> frozenset[tuple[str, int]]:
    query = f"SELECT member_id, asset_id FROM member_work WHERE asset_id IN ({written_out(asset_ids)})"  # noqa: S608 - numbers
    return frozenset(driver_of(session).execute(query).fetchall())


def _rights(session: Session, assets: Collection[Asset]) -> tuple[dict[tuple[int, str], Rights], dict[int, Licence]]:
    """(work id, basis) -> current statement; and work id -> its licence."""
    current = {(asset.id, "verified"): asset.verified_id for asset in assets}
    current |= {(asset.id, "declared"): asset.declared_id for asset in assets}
    ids = [row_id for row_id in current.values() if row_id is not None]
    rows = {row.id: row for row in session.exec(select(AssetRights).where(col(AssetRights.id).in_(ids)))}
    stated = {key: rows[row_id] for key, row_id in current.items() if row_id in rows}
    holder_ids = {row.rightsholder_id for row in stated.values()}
    licence_ids = {row.licence_id for row in stated.values()}
    holders: dict[int | None, str] = dict(
        session.exec(select(Rightsholder.id, Rightsholder.name).where(col(Rightsholder.id).in_(holder_ids))).all()
    )
    rows_of_licences = session.exec(select(Licence).where(col(Licence.id).in_(licence_ids)))
    licences: dict[int | None, Licence] = {row.id: row for row in rows_of_licences}
    rights: dict[tuple[int, str], Rights] = {}
    of_works: dict[int, Licence] = {}
    for (asset_id, basis), row in stated.items():
        licence = licences.get(row.licence_id)
        if licence is not None:
            # Verified rows come first.
            of_works.setdefault(asset_id, licence)
        rights[asset_id, basis] = Rights(
            rightsholder=holders.get(row.rightsholder_id),
            licence=licence.reference if licence else None,
            licence_url=licence.url if licence else None,
            title=row.title,
            creator=row.creator,
            source_url=row.source_url,
            recorded_from=row.recorded_from,
            recorded_at=row.recorded_at.astimezone(datetime.UTC),
        )
    return rights, of_works


def _owners(session: Session, asset_ids: Sequence[int]) -> dict[int, list[str]]:
    rows = (
        driver_of(session)
        .execute(
            "SELECT asset_id, list(rightsholder ORDER BY position, rightsholder_id) FROM work_rightsholder "  # noqa: S608 - numbers
            f"WHERE asset_id IN ({written_out(asset_ids)}) GROUP BY asset_id"
        )
        .fetchall()
    )
    return {int(asset_id): list(names) for asset_id, names in rows}


def _merged(session: Session, names: Collection[str]) -> dict[str, str]:
    """By merged name, the record that it was merged into.

    Names that another record still has are left out: the audit does not say which one was tested.
    """
    rows = (
        driver_of(session)
        .execute(
            "SELECT stated.name, any_value(effective.name) FROM effective_rightsholder AS stated "
            "JOIN rightsholder AS effective ON effective.id = effective_id WHERE list_contains(?, stated.name) "
            "GROUP BY stated.name HAVING count(DISTINCT effective_id) = 1",
            [sorted(names)],
        )
        .fetchall()
    )
    return {str(name): str(counting) for name, counting in rows if name != counting}


def work_of(rows: Rows, listed: Listed, unit: int, then: tuple[str | None, ...]) -> Work:
    """A listed work of a candidate.

    ``then``: its permission when each member that saw it was registered.

    Raises:
        IntegrityError: the work is not in the registry, or has no file on record.
    """
    asset = rows.assets.get(listed.asset_id)
    if asset is None:
        raise IntegrityError(
            f"unit {unit} lists asset {listed.asset_id}, which the registry lacks; restore it from a copy"
        )
    if asset.sha256 is None or asset.path is None:
        raise IntegrityError(f"asset {asset.id} is in an encoding but has no file on record; restore the registry")
    verified, declared = (rows.rights.get((asset.id, basis)) for basis in ("verified", "declared"))
    licence = rows.licences.get(asset.id)
    caption, caption_source = rows.captions.get(asset.id, (None, None))
    work = Work(
        asset_id=asset.id,
        sha256=asset.sha256,
        data_set=rows.data_sets.get(asset.data_set_id, ""),
        path=asset.path,
        title=(verified and verified.title) or (declared and declared.title) or PurePosixPath(asset.path).name,
        caption=caption,
        caption_source=caption_source,
        rightsholder=None,
        rightsholders=rows.owners.get(asset.id, []),
        licence=licence.reference if licence else None,
        declared=declared,
        verified=verified,
        distance=listed.distance,
        weight=listed.weight,
        licence_duties=list(licence.duties) if licence and licence.recognised else None,
        permission=asset.permission,
        permission_grounds=[PermissionGround.of(ground) for ground in rows.grounds.get(asset.id, ())],
        permissions_when_trained=_permissions(then),
        synthetic=rows.synthetic.get(asset.id),
    )
    return work.model_copy(update={"rightsholder": work.holder.text if work.holder else None})


def _permissions(then: tuple[str | None, ...]) -> list[str] | NotMeasured:
    if not then:
        return UNSEEN
    known = sorted({permission for permission in then if permission is not None})
    return known if None not in then else UNLISTED
