"""Writes a statement out: the page, the document and two tables, each stamped and named in the log."""

from __future__ import annotations

import datetime
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from registry.database import Registry
from registry.errors import InputError
from registry.home import write_bytes_atomically
from registry.ids import sha256_of_file
from reports.issuing import Document, Issued, record_issue, write_document
from reports.stamps import Stamp, beside, stamp_file
from reports.statements.document import stamp_statement, statement_json
from reports.statements.facts import StatementFacts
from reports.statements.pages import CARDS, Pictures, statement_page
from reports.statements.pictures import picture_of_work, pictures_of_outputs
from reports.statements.reading import read_statement


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
        facts, tables = read_statement(registry, rightsholder_id, Path(scratch))
        stamp = stamp_statement(registry, facts, now)
        name = f"statement-{rightsholder_id}"
        files = {"json": f"{name}.json", "works": f"{name}-works.csv", "findings": f"{name}-tested.csv"}
        page = statement_page(facts, _pictures(registry, facts), files, stamp)
        issued = [
            write_document(out, Document(f"{name}.html", page.encode("utf-8", "replace"), stamp)),
            write_document(out, Document(files["json"], statement_json(facts, stamp), stamp)),
            give_table(tables.works, out / files["works"], stamp),
            give_table(tables.findings, out / files["findings"], stamp),
        ]
    record_issue(registry, issued, now)
    return Given(out / f"{name}.html", tuple(out / each.name for each in issued), facts)


def scratch_in(out: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder of the same disk in which tables are made; gone afterwards.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".tables-", dir=out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write to {out} ({reason}); choose another --out") from error


def give_table(made: Path, place: Path, stamp: Stamp) -> Issued:
    """Move a table that may be larger than memory into its place, with its stamp beside it.

    Raises:
        InputError: the folder cannot be written.
    """
    sha256 = sha256_of_file(made)
    try:
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(place)
        write_bytes_atomically(beside(place), stamp_file(stamp, sha256))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {place} ({reason}); choose another folder or make room") from error
    return Issued(place.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


def _pictures(registry: Registry, facts: StatementFacts) -> Pictures:
    shown = [output for output in facts.outputs if output.kind == "sample"][:CARDS]
    works = {work.asset_id: work.sha256 for output in shown for finding in output.findings for work in finding.works}
    works |= {work.asset_id: work.sha256 for work in facts.works.listed}
    return Pictures(
        works={asset_id: picture_of_work(registry.home, sha256) for asset_id, sha256 in works.items()},
        outputs=pictures_of_outputs(registry, shown),
    )
