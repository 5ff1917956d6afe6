"""Readings of licences: an earlier release may have read one less strictly than this one does."""

from __future__ import annotations

import duckdb

from registry.doctor.findings import Examination, Severity
from registry.licences import LicencePermission, read_licence
from registry.licences.terms import STRICTNESS

_REPAIR = (
    "decide with `creditline review --licence LICENCE`: rows are never rewritten, so the former reading counts until a "
    "review does"
)


def check_readings(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Each licence, one row per reference, permits no more than its words do."""
    rows = connection.execute("SELECT id, reference, training FROM licence ORDER BY id").fetchall()
    for number, reference, training in rows:
        terms = read_licence(reference)
        if STRICTNESS[terms.training] > STRICTNESS[LicencePermission(training)]:
            what = f"was read as {training}; its words are {terms.training}: {terms.note}"
            found.add("readings", Severity.WARNING, f"licence {number}", what, _REPAIR)
    found.checked["readings"] = len(rows)
