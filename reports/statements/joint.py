"""Tests of all works of a rightsholder together, as the newest audit of each image made them.

An audit tests by the names that counted when it was made. Records that were merged since had been
tested separately, so that one image may have several tests: an image counts once, and the tests
stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import duckdb

from reports.rendering.texts import clipped
from reports.statements.facts import JointPart
from reports.statements.findings import kind_of

MOST_JOINT = 200


def read_joint(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[JointPart]:
    """By q: the tests that name the rightsholder or a merged record. Needs the table
    ``their_audit``.
    """
    rows = connection.execute(
        """
        SELECT kind, subject, rate, entry ->> 'name', entry ->> 'works', entry ->> 'p', entry ->> 'q' FROM (
            SELECT kind, subject, rate, unnest(TRY_CAST(joint AS JSON[])) AS entry FROM their_audit
            WHERE newest AND json_type(joint) = 'ARRAY'
        ) WHERE list_contains(?, entry ->> 'name')
        ORDER BY TRY_CAST(entry ->> 'q' AS DOUBLE), kind DESC, subject, entry ->> 'name'
        """,
        [list(names)],
    ).fetchall()
    found = []
    for kind, subject, rate, name, works, p, q in rows:
        try:
            p_value, q_value, number = float(p), float(q), int(works)
        except (TypeError, ValueError):
            continue
        if math.isfinite(p_value) and math.isfinite(q_value):
            found.append(
                JointPart(
                    output_kind=kind_of(kind),
                    output_id=subject,
                    tested_as=clipped(name),
                    works=number,
                    p_value=p_value,
                    q_value=q_value,
                    passes=rate is not None and q_value <= rate,
                )
            )
    return found
