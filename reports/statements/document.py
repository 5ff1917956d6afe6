"""The statement for machines: its facts and its stamp, under a version."""

from __future__ import annotations

import datetime
import json
from typing import Any

from registry.database import Registry
from reports.stamps import Stamp, stamp_of
from reports.statements.facts import VERSION, StatementFacts
from reports.statements.reading import KIND


def stamp_statement(registry: Registry, facts: StatementFacts, now: datetime.datetime) -> Stamp:
    """The stamp of a statement that was just read."""
    with registry.connection() as connection:
        return stamp_of(connection, KIND, f"#{facts.rightsholder.id}", facts.model_dump(mode="json"), now)


def statement_json(facts: StatementFacts, stamp: Stamp) -> bytes:
    """The document as UTF-8."""
    document: dict[str, Any] = {
        "creditline": "statement",
        "version": VERSION,
        "stamp": stamp.model_dump(mode="json"),
        **facts.model_dump(mode="json"),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")
