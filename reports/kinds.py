"""The kinds of documents that are given out, and how the facts of each are read again.

``creditline report verify`` reads them to say whether the registry would still say the same. The facts are plain JSON values
without the moment of rendering; :class:`reports.stamps.Stamp` has their hash.
"""

from __future__ import annotations

from collections.abc import Callable

from registry.database import Registry
from reports import site
from reports.credentials import assertion, findings
from reports.exports import croissant, cyclonedx, prov, spdx

Facts = Callable[[Registry, str], object]
"""Reads a document's facts from the registry; the text is the stamp's subject."""

KINDS: dict[str, Facts] = {
    site.REPORT: site.report_facts,
    site.BATCH: site.batch_facts,
    site.CANDIDATES: site.candidates_again,
    assertion.KIND: findings.signed_image_facts,
    croissant.KIND: croissant.facts,
    cyclonedx.KIND: cyclonedx.facts,
    spdx.KIND: spdx.facts,
    prov.KIND: prov.facts,
}
