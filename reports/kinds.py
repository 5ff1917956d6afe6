"""The kinds of documents that are given out, and how the facts of each are read again.

``creditline report verify`` reads them to say whether the registry would still say the same. The facts are plain JSON values
without the moment of rendering; :class:`reports.stamps.Stamp` has their hash.
"""

from __future__ import annotations

from collections.abc import Callable

from registry.database import Registry
from reports import evaluation, site
from reports.credentials import assertion, findings
from reports.data_sets import reading as data_sets
from reports.exports import ab2013, ai_act, croissant, cyclonedx, ensemble_facts, prov, spdx
from reports.statements import reading as statements
from reports.tables import giving as tables

Facts = Callable[[Registry, str], object]
"""Reads a document's facts from the registry; the text is the stamp's subject."""

KINDS: dict[str, Facts] = {
    site.REPORT: site.report_facts,
    site.BATCH: site.batch_facts,
    site.CANDIDATES: site.candidates_again,
    evaluation.KIND: evaluation.evaluation_facts,
    assertion.KIND: findings.signed_image_facts,
    ai_act.KIND: ai_act.facts,
    ab2013.KIND: ab2013.facts,
    croissant.KIND: croissant.facts,
    cyclonedx.KIND: ensemble_facts.facts,
    spdx.KIND: ensemble_facts.facts,
    prov.KIND: prov.facts,
    statements.KIND: statements.facts_again,
    data_sets.KIND: data_sets.facts_again,
    **{table.kind: tables.facts_again(name) for name, table in tables.TABLES.items()},
}

VERSIONED = frozenset({ai_act.KIND, ab2013.KIND})
"""Kinds whose documents are versions, of which the newest counts."""
