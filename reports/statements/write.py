"""Writes a statement out: the page, the document and two tables, each stamped and named in the
log.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from registry.storage.database import Registry
from reports.issuing.issue import File, record_issue, scratch_in, stamped_json, write_file, write_table
from reports.issuing.stamp import stamp_of
from reports.statements.facts import VERSION, StatementFacts
from reports.statements.page import CARDS, Pictures, statement_page
from reports.statements.pictures import picture_of_work, pictures_of_outputs
from reports.statements.read import KIND, read_statement


@dataclass(frozen=True)
class Given:
    """What was written."""

    page: Path
    """To be opened first."""
    files: tuple[Path, ...]
    """All of them, the page first."""
    facts: StatementFacts


def give_statement(registry: Registry, rightsholder_id: int, out: Path, now: datetime.datetime) -> Given:
    """Write the statement of a rightsholder into the folder ``out``.

    Raises:
        NotFoundError: no such rightsholder.
        InputError: the folder cannot be written.
    """
    with scratch_in(out) as scratch:
        facts, tables, end = read_statement(registry, rightsholder_id, Path(scratch))
        stamp = stamp_of(KIND, f"#{rightsholder_id}", facts.model_dump(mode="json"), now, end)
        name = f"statement-{rightsholder_id}"
        files = {"json": f"{name}.json", "works": f"{name}-works.csv", "findings": f"{name}-tested.csv"}
        page = statement_page(facts, _pictures(registry, facts), files, stamp)
        issued = [
            write_file(out, File(f"{name}.html", page.encode("utf-8", "replace"), stamp)),
            write_file(out, File(files["json"], stamped_json("statement", VERSION, facts, stamp), stamp)),
            write_table(tables.works, out / files["works"], stamp),
            write_table(tables.findings, out / files["findings"], stamp),
        ]
    record_issue(registry, issued, now)
    return Given(out / f"{name}.html", tuple(out / each.name for each in issued), facts)


def _pictures(registry: Registry, facts: StatementFacts) -> Pictures:
    shown = [output for output in facts.outputs if output.kind == "sample"][:CARDS]
    works = {work.asset_id: work.sha256 for output in shown for finding in output.findings for work in finding.works}
    works |= {work.asset_id: work.sha256 for work in facts.works.listed}
    return Pictures(
        works={asset_id: picture_of_work(registry.home, sha256) for asset_id, sha256 in works.items()},
        outputs=pictures_of_outputs(registry, shown),
    )
