"""Works of candidates: their current rights, and their permission then and now."""

from __future__ import annotations

from pathlib import PurePosixPath

from registry.errors import IntegrityError
from reports.facts import NotMeasured
from reports.outputs.facts import Work
from reports.outputs.rows import Listed, Rows

UNLISTED = NotMeasured("it was changed together with so many others that the log does not list them")
UNSEEN = NotMeasured("no member that served saw it")


def work_of(rows: Rows, listed: Listed, unit: int, then: tuple[str | None, ...]) -> Work:
    """A work that a candidate lists. ``then``: the permission that it had when each member that saw
    it was registered.

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
    work = Work(
        asset_id=asset.id,
        sha256=asset.sha256,
        data_set=rows.data_sets.get(asset.data_set_id, ""),
        path=asset.path,
        title=(verified and verified.title) or (declared and declared.title) or PurePosixPath(asset.path).name,
        rightsholder=None,
        rightsholders=rows.owners.get(asset.id, []),
        licence=licence.reference if licence else None,
        declared=declared,
        verified=verified,
        distance=listed.distance,
        weight=listed.weight,
        licence_duties=list(licence.duties) if licence and licence.recognised else None,
        permission=asset.permission,
        permissions_when_trained=_permissions(then),
    )
    return work.model_copy(update={"rightsholder": work.holder.text if work.holder else None})


def _permissions(then: tuple[str | None, ...]) -> list[str] | NotMeasured:
    if not then:
        return UNSEEN
    known = sorted({permission for permission in then if permission is not None})
    return known if None not in then else UNLISTED
