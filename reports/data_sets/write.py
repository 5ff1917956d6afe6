"""Writes a data-set report out: the page, the document and the full tables, each stamped and named
in the log.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from registry.storage.database import Registry
from reports.data_sets.facts import VERSION, DataSetFacts
from reports.data_sets.page import data_set_page
from reports.data_sets.read import KIND, Format, read_data_set
from reports.issuing.issue import File, record_issue, scratch_in, stamped_json, write_file, write_table
from reports.issuing.stamp import stamp_of


@dataclass(frozen=True)
class Given:
    """What was written."""

    page: Path
    """To be opened first."""
    files: tuple[Path, ...]
    """All of them, the page first."""
    facts: DataSetFacts


def give_data_set(registry: Registry, name: str, out: Path, now: datetime.datetime, form: Format = "csv") -> Given:
    """Write the report of a data set into the folder ``out``.

    Raises:
        NotFoundError: no data set has this name.
        InputError: the folder cannot be written.
    """
    with scratch_in(out) as scratch:
        facts, tables, end = read_data_set(registry, name, Path(scratch), form)
        stamp = stamp_of(KIND, name, facts.model_dump(mode="json"), now, end)
        # The name of a data set may be anything; its number is always a good part of a file's name.
        stem = f"data-set-{facts.data_set_id}"
        files = {"json": f"{stem}.json", **{table: f"{stem}-{path.name}" for table, path in tables.items()}}
        page = data_set_page(facts, files, stamp)
        issued = [
            write_file(out, File(f"{stem}.html", page.encode("utf-8", "replace"), stamp)),
            write_file(out, File(files["json"], stamped_json("data-set-report", VERSION, facts, stamp), stamp)),
            *(write_table(path, out / files[table], stamp) for table, path in tables.items()),
        ]
    record_issue(registry, issued, now)
    return Given(out / f"{stem}.html", tuple(out / each.name for each in issued), facts)
