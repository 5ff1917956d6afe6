"""Makes works of their rows: with their newest rights, their permission then and now, and their
pictures.
"""

from __future__ import annotations

from registry.errors import IntegrityError
from registry.home import Home
from reports.facts import NotMeasured
from reports.outputs.rows import Listed, Rows
from reports.outputs.work_facts import Work
from reports.rendering.pictures import read_picture

UNLISTED = NotMeasured("it was changed together with so many others that the log does not list them")
UNSEEN = NotMeasured("no member that served saw it")


def work_of(rows: Rows, home: Home, listed: Listed, unit: int, then: tuple[str | None, ...]) -> Work:
    """A work that a candidate lists. ``then``: the permission that it had when each member that saw
    it was registered.

    Raises:
        IntegrityError: the asset is not in the registry, or has no file on record.
    """
    asset = rows.assets.get(listed.asset_id)
    if asset is None:
        raise IntegrityError(
            f"unit {unit} lists asset {listed.asset_id}, which the registry lacks; restore it from a copy"
        )
    # A work that a member trained on is a file, of which all of this was read.
    if asset.sha256 is None or asset.path is None or asset.width is None or asset.height is None:
        raise IntegrityError(f"asset {asset.id} is in an encoding but has no file on record; restore the registry")
    return Work(
        asset_id=asset.id,
        sha256=asset.sha256,
        path=asset.path,
        data_set=rows.data_sets.get(asset.data_set_id, ""),
        media_type=asset.media_type or "",
        width=asset.width,
        height=asset.height,
        declared=None if asset.declared_id is None else rows.rights.get(asset.declared_id),
        verified=None if asset.verified_id is None else rows.rights.get(asset.verified_id),
        distance=listed.distance,
        weight=listed.weight,
        picture=read_picture(home.picture(asset.sha256)),
        owners=rows.owners.get(asset.id, ()),
        permission=asset.permission,
        permissions_then=_permissions(then),
    )


def _permissions(then: tuple[str | None, ...]) -> tuple[str, ...] | NotMeasured:
    if not then:
        return UNSEEN
    known = tuple(sorted({permission for permission in then if permission is not None}))
    return known if None not in then else UNLISTED
