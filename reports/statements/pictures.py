"""Small pictures for a statement: of works, and of images that were generated or audited."""

from __future__ import annotations

from registry.home import Home
from registry.storage.database import Registry
from registry.storage.tables import Audit
from reports.facts import NotMeasured
from reports.outputs.artefacts import read_artefact
from reports.rendering.pictures import Picture, read_picture
from reports.statements.facts import OutputPart

SIDE = 176
"""Pixels of a thumbnail's longer side."""

Shown = Picture | NotMeasured


def picture_of_work(home: Home, sha256: str | None) -> Shown:
    """A work as the registry keeps it, small."""
    if sha256 is None:
        return NotMeasured("the work is known by its metadata alone")
    path = home.picture(sha256)
    # Pictures are kept of works that a test listed; of the others there is nothing to show, and
    # nothing is lost.
    return read_picture(path, side=SIDE) if path.exists() else NotMeasured("none is kept of it")


def pictures_of_outputs(registry: Registry, outputs: list[OutputPart]) -> dict[str, Shown]:
    """By audit, the image that it is of: the sample's own file, else the copy that the audit
    kept.
    """
    with registry.session() as session:
        audits = {output.audit_id: session.get(Audit, output.audit_id) for output in outputs}
    found: dict[str, Shown] = {}
    for output in outputs:
        audit = audits[output.audit_id]
        if audit is None:
            found[output.audit_id] = NotMeasured("the audit is no longer registered")
            continue
        picture: Shown = NotMeasured("an image from outside is kept by its audit alone")
        if audit.sample_id is not None:
            picture = read_picture(registry.home.sample_image(audit.sample_id), sha256=audit.image_sha256, side=SIDE)
        if isinstance(picture, NotMeasured):
            kept = read_artefact(registry.home.audit(audit.id), audit.artefact_sha256).picture("output")
            picture = picture if isinstance(kept, NotMeasured) else kept
        found[output.audit_id] = picture
    return found
