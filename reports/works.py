"""Reads works with their newest rights and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from registry.database import driver_of
from registry.errors import IntegrityError
from registry.home import Home
from registry.models import Asset, AssetRights, DataSet, Licence, Rightsholder
from registry.permission_history import permissions_at
from reports.facts import LicenceFacts, NotMeasured, Rights, Work
from reports.pictures import read_picture

Listed = Mapping[int, Sequence[tuple[int, float | None, float | None]]]
"""Unit number -> (asset id, distance, weight) of its works, in the order in which they are shown."""
UNLISTED = NotMeasured("it was changed together with so many others that the log does not list them")


def read_works(session: Session, home: Home, listed: Listed, trained_at: datetime) -> dict[int, tuple[Work, ...]]:
    """The works of each unit of ``listed``. ``trained_at``: the moment whose permissions are shown beside those of now.

    Raises:
        IntegrityError: an asset or its data set is not in the registry.
    """
    ids = sorted({asset_id for works in listed.values() for asset_id, _, _ in works})
    if not ids:
        return {}
    assets = {asset.id: asset for asset in session.exec(select(Asset).where(col(Asset.id).in_(ids)))}
    rights = _newest_rights(session, ids)
    then = permissions_at(driver_of(session), ids, trained_at)
    names = {
        data_set.id: data_set.name
        for data_set in session.exec(
            select(DataSet).where(col(DataSet.id).in_({asset.data_set_id for asset in assets.values()}))
        )
    }
    found: dict[int, tuple[Work, ...]] = {}
    for number, works in listed.items():
        for asset_id, _, _ in works:
            if asset_id not in assets:
                raise IntegrityError(
                    f"unit {number} lists asset {asset_id}, which the registry lacks; restore it from a copy"
                )
        found[number] = tuple(
            _work(assets[asset_id], names, rights, then, home, distance, weight) for asset_id, distance, weight in works
        )
    return found


def _work(
    asset: Asset,
    data_sets: Mapping[int, str],
    rights: Mapping[tuple[int, str], Rights],
    then: Mapping[int, str | None],
    home: Home,
    distance: float | None,
    weight: float | None,
) -> Work:
    # A work that a member trained on is a file, of which all of this was read.
    if asset.sha256 is None or asset.path is None or asset.width is None or asset.height is None:
        raise IntegrityError(f"asset {asset.id} is in an encoding but has no file on record; restore the registry")
    return Work(
        asset_id=asset.id,
        sha256=asset.sha256,
        path=asset.path,
        data_set=data_sets.get(asset.data_set_id, ""),
        media_type=asset.media_type or "",
        width=asset.width,
        height=asset.height,
        declared=rights.get((asset.id, "declared")),
        verified=rights.get((asset.id, "verified")),
        distance=distance,
        weight=weight,
        picture=read_picture(home.picture(asset.sha256)),
        permission=asset.permission,
        permission_then=then.get(asset.id) or UNLISTED,
    )


def _newest_rights(session: Session, asset_ids: Sequence[int]) -> dict[tuple[int, str], Rights]:
    """(asset id, basis) -> its newest row; rows are read oldest first, so the newest is what stays."""
    rows = session.exec(
        select(AssetRights)
        .where(col(AssetRights.asset_id).in_(asset_ids))
        .order_by(col(AssetRights.recorded_at), col(AssetRights.id))
    ).all()
    newest = {(row.asset_id, row.basis): row for row in rows}
    holder_ids = {row.rightsholder_id for row in newest.values() if row.rightsholder_id is not None}
    licence_ids = {row.licence_id for row in newest.values() if row.licence_id is not None}
    holders = {
        row.id: row.name for row in session.exec(select(Rightsholder).where(col(Rightsholder.id).in_(holder_ids)))
    }
    licences = {
        row.id: LicenceFacts(row.reference, row.url, row.recognised, row.training, tuple(row.duties))
        for row in session.exec(select(Licence).where(col(Licence.id).in_(licence_ids)))
    }
    return {
        key: Rights(
            basis=row.basis,
            rightsholder=holders.get(row.rightsholder_id) if row.rightsholder_id is not None else None,
            licence=licences.get(row.licence_id) if row.licence_id is not None else None,
            title=row.title,
            creator=row.creator,
            source_url=row.source_url,
            recorded_from=row.recorded_from,
            recorded_at=row.recorded_at,
        )
        for key, row in newest.items()
    }
