"""What was measured of an ensemble's evidence, see :mod:`attribution.evaluation`: the newest event of its kind counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from registry.errors import IntegrityError

EVENT = "ensemble evaluated"


@dataclass(frozen=True)
class KeptEvaluation:
    """Facts of an evaluation, and the event that has them."""

    facts: dict[str, Any]
    measured_at: datetime
    measured_by: str
    event: int
    event_sha256: str


def newest_evaluation(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> KeptEvaluation | None:
    """The newest evaluation of an ensemble, if there is one.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    row = connection.execute(
        "SELECT after, recorded_at, actor, sequence, sha256 FROM event WHERE kind = ? AND subject = ? "
        "ORDER BY sequence DESC LIMIT 1",
        [EVENT, f"ensemble {ensemble_id}"],
    ).fetchone()
    if row is None:
        return None
    try:
        facts = json.loads(row[0])
    except (ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"the newest evaluation of ensemble {ensemble_id} cannot be read; `creditline log verify` says whether it was edited"
        ) from error
    return KeptEvaluation(facts, row[1], str(row[2]), int(row[3]), str(row[4]))
