"""The audits of one image, and the grades of rankers that were on record before an audit.

Auditing again until something is found, or naming the ranker that graded best on the same images,
makes findings by chance more likely than one audit states. So both are recorded and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from registry.outputs.evaluations import EVENT as EVALUATED

RANKER_KEPT = "ranker chosen"
"""Kind of the event of `creditline rankers --keep`, which grades rankers first."""
CHOSEN_BY_DEFAULT, CHOSEN_BY_NAME, CHOSEN_BY_RECORD = "by default", "named for this audit", "kept with the ensemble"
"""How an audit's rankers were chosen."""

_AUDITS = """
    SELECT audit.id, audit.created_at, audit.ranker ->> 'name', audit.settings, audit_order.newest
    FROM audit JOIN audit_order ON audit_order.audit_id = audit.id
    WHERE coalesce(sample_id, image_sha256) = (
        SELECT coalesce(sample_id, image_sha256) FROM audit WHERE id = ?
    )
    ORDER BY audit_order.place
"""

_GRADES = """
    SELECT sequence, recorded_at FROM event WHERE kind IN (?, ?) AND subject = ? ORDER BY sequence DESC LIMIT 1
"""


@dataclass(frozen=True)
class AuditOfImage:
    """One of the audits of an image."""

    audit_id: str
    audited_at: datetime
    ranker: str | None
    settings: str
    """JSON, as recorded."""
    newest: bool


def audits_of_image(connection: duckdb.DuckDBPyConnection, audit_id: str) -> list[AuditOfImage]:
    """All audits of the image of an audit, in order of recording."""
    return [
        AuditOfImage(str(found), moment.astimezone(UTC), ranker, str(settings), bool(newest))
        for found, moment, ranker, settings, newest in connection.execute(_AUDITS, [audit_id]).fetchall()
    ]


def grades_on_record(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> Mapping[str, Any] | None:
    """The newest event with grades of rankers on an ensemble, for the record of an audit."""
    row = connection.execute(_GRADES, [EVALUATED, RANKER_KEPT, f"ensemble {ensemble_id}"]).fetchone()
    return None if row is None else {"event": int(row[0]), "recorded_at": row[1].astimezone(UTC).isoformat()}
