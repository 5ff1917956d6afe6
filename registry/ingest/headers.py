"""Response headers of works that are registered: from a table of a crawler, they become signals.

The table is any list that :func:`registry.ingest.lists.open_list` reads, with columns of headers
(:func:`registry.site_policies.headers.header_columns`). A row is about every work with its address,
its source's address, or its SHA-256. Rows about no registered work change nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from registry.errors import InputError
from registry.event_log.events import Change, changing
from registry.ingest.bulk.batches import read_ahead
from registry.ingest.bulk.stated_signals import stated_signals
from registry.ingest.lists.source import ListSource
from registry.permissions.derived_columns import recompute
from registry.site_policies.headers import SIGNAL_HEADERS, header_columns
from registry.site_policies.signal_rows import insert_signals
from registry.storage.database import Registry

MOST_PROBLEMS = 100
_NO_DATA_SET = -1


@dataclass
class HeadersReport:
    """Result of recording response headers."""

    source: str
    rows: int = 0
    refused: int = 0
    """Rows that are malformed, or name no work."""
    works: int = 0
    """Registered works that a row with signals is about; one of several rows counts again."""
    signals: int = 0
    """Signals that are new."""
    permissions_changed: int = 0
    problems: list[str] = field(default_factory=list)
    """What was not understood, each with its row; the first :data:`MOST_PROBLEMS`."""


def record_headers(registry: Registry, source: ListSource, now: datetime) -> HeadersReport:
    """Record the signals of response headers for the works that were served with them.

    Args:
        registry: with the works.
        source: the table, opened.
        now: the time to record.

    Raises:
        InputError: the table has no column of headers, or none with addresses or hashes of works.
        InputError: it is damaged, or was changed meanwhile; earlier batches are recorded.
    """
    if not header_columns(source.attributes):
        raise InputError(
            f"{source.name} has no column of response headers; expected one of {', '.join(SIGNAL_HEADERS[:-1])}, headers"
        )
    if not {"url", "sha256"} & set(source.mapping):
        raise InputError(f"{source.name} has no column url or sha256 that says which works its headers are about")
    report = HeadersReport(source.name)
    with closing(read_ahead(source, _NO_DATA_SET, allow_unowned=True)) as batches:
        for batch in batches:
            report.rows += batch.read
            report.refused += len(batch.refused)
            if batch.rows.num_rows:
                with changing(registry, now) as change:
                    _record(change, batch.rows, source, report)
    source.verify()
    return report


def _record(change: Change, rows: pa.Table, source: ListSource, report: HeadersReport) -> None:
    stated = stated_signals(change.connection, rows, source)
    for number, problem in stated.problems[: MOST_PROBLEMS - len(report.problems)]:
        report.problems.append(f"{source.place(number)}: {problem}")
    named = [name for name in ("url", "sha256") if name in rows.column_names]
    about = rows.select(named).take(pa.array(stated.places)).append_column("outcome", pa.array(stated.outcomes))
    found = _works(change, about, named)
    if not found.num_rows:
        return
    asset_ids, outcomes = (found.column(name).to_numpy() for name in ("asset_id", "outcome"))
    signals = insert_signals(change, asset_ids, outcomes, stated.distinct)
    works = np.unique(asset_ids)
    report.works += len(works)
    if not signals:
        return
    changed = recompute(change, works)
    report.signals += signals
    report.permissions_changed += changed
    change.record(
        "headers recorded",
        f"response headers in {source.name}",
        after={"works": len(works), "rights signals": signals, "permissions changed": changed},
    )


def _works(change: Change, about: pa.Table, named: list[str]) -> pa.Table:
    """Each work that a row is about, with the row's outcome; sorted."""
    change.connection.register("about_rows", about)
    matches = []
    if "sha256" in named:
        matches.append("SELECT asset.id AS asset_id, outcome FROM about_rows JOIN asset USING (sha256)")
    if "url" in named:
        matches.append("SELECT asset.id AS asset_id, outcome FROM about_rows JOIN asset USING (url)")
        matches.append(
            "SELECT asset.id, outcome FROM about_rows JOIN asset_rights ON source_url = about_rows.url JOIN asset "
            "ON asset.id = asset_id AND asset.url IS NULL AND asset_rights.id IN (declared_id, verified_id)"
        )
    query = " UNION ".join(matches)
    found = change.connection.execute(
        f"SELECT DISTINCT asset_id, outcome FROM ({query}) ORDER BY asset_id, outcome"  # noqa: S608 - constants
    ).to_arrow_table()
    change.connection.unregister("about_rows")
    return found
