"""The kinds of documents, and how the facts of each are read again.

``creditline report verify`` reads the facts again to compare them. Facts are plain JSON values
without the moment of rendering; :class:`reports.issuing.stamp.Stamp` has their hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.storage.database import Registry
from reports.certificates.document import CERTIFICATE
from reports.credentials import assertion, findings
from reports.data_sets.document import DATA_SET
from reports.evaluations.document import EVALUATION
from reports.filings import ab2013, ai_act
from reports.imitations.document import IMITATION
from reports.issuing.document import Document
from reports.outputs.documents import CANDIDATES, INDEX, REPORT, candidates_now
from reports.portfolios.document import PORTFOLIO
from reports.settlements.document import SETTLEMENT
from reports.standards import croissant, cyclonedx, prov, spdx
from reports.standards import write as standards
from reports.statements.document import STATEMENT
from reports.tables import write as tables

Facts = Callable[[Registry, str], object]
"""Reads a document's facts from the registry; the text is the stamp's subject."""

DOCUMENTS: tuple[Document[Any], ...] = (
    REPORT,
    INDEX,
    EVALUATION,
    IMITATION,
    STATEMENT,
    DATA_SET,
    CERTIFICATE,
    PORTFOLIO,
    SETTLEMENT,
)
"""Kinds that are a page and a JSON of the same facts."""

KINDS: dict[str, Facts] = {
    **{document.kind: document.facts_now for document in DOCUMENTS},
    CANDIDATES: candidates_now,
    assertion.KIND: findings.signed_image_facts,
    ai_act.KIND: ai_act.facts,
    ab2013.KIND: ab2013.facts,
    croissant.KIND: croissant.facts,
    cyclonedx.KIND: standards.ensemble_facts,
    spdx.KIND: standards.ensemble_facts,
    prov.KIND: standards.output_facts,
    **{table.kind: tables.facts_again(name) for name, table in tables.TABLES.items()},
}

VERSIONED = frozenset({ai_act.KIND, ab2013.KIND})
"""Kinds whose documents have versions; the newest counts."""
