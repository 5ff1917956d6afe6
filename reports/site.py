"""Renders a set of audits into a folder: a page and a document each, one table, and an index over all.

One audit that cannot be read costs its own report and no other: it is listed as a gap. Only the facts that the index
shows are kept while the next audit is read, so that the number of audits is not bounded by memory.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.database import Registry
from registry.errors import CreditlineError, InputError, IntegrityError, LockedRegistryError
from registry.home import write_bytes_atomically
from registry.models import Audit
from reports.document import index_document, json_bytes, report_document
from reports.facts import AuditFacts, Gap
from reports.html import index_page, report_page
from reports.reading import read_audit, subject_id
from reports.schema import IndexDocument
from reports.table import candidates_csv

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = ("index", "candidates")


@dataclass(frozen=True)
class Site:
    """What was rendered."""

    index: Path
    """The page to open first."""
    document: IndexDocument

    @property
    def damaged(self) -> tuple[str, ...]:
        """Outputs of which a file or row is not what the registry recorded, sorted."""
        return tuple(sorted({gap.output_id for gap in self.document.gaps if gap.integrity}))


def render_site(
    registry: Registry,
    audits: Sequence[Audit],
    out: Path,
    *,
    now: datetime.datetime,
    unaudited: Sequence[str] = (),
    done: Callable[[str], object] = lambda _: None,
) -> Site:
    """Render ``audits`` into the folder ``out``, in their order; ``done`` is told each output's id.

    Files of the same names are replaced, others in the folder stay. Two audits of one output are told apart by the
    audit's id in the file name of all but the first.

    Raises:
        InputError: the folder cannot be written.
        LockedRegistryError: another process holds the registry.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"cannot write reports to {out}: got a file, expected a folder; choose another --out")
    rendered: list[AuditFacts] = []
    files: list[str] = []
    gaps: list[Gap] = []
    for audit in audits:
        try:
            with registry.session() as session:
                facts = read_audit(session, registry.home, audit)
            file = _file_name(facts, files)
        except LockedRegistryError:
            raise
        except CreditlineError as error:
            gaps.append(Gap(subject_id(audit), audit.id, f"no report: {error}", integrity=True))
            done(subject_id(audit))
            continue
        write_bytes_atomically(out / f"{file}.html", _utf8(report_page(facts, file, now)))
        write_bytes_atomically(out / f"{file}.json", json_bytes(report_document(facts, now)))
        rendered.append(facts.light())
        files.append(file)
        gaps += facts.gaps
        done(facts.subject.id)
    document = index_document(rendered, files, gaps, unaudited, now)
    write_bytes_atomically(out / "candidates.csv", candidates_csv(rendered))
    write_bytes_atomically(out / "index.json", json_bytes(document))
    write_bytes_atomically(out / "index.html", _utf8(index_page(rendered, files, gaps, unaudited, now)))
    return Site(out / "index.html", document)


def _file_name(facts: AuditFacts, taken: Sequence[str]) -> str:
    name = facts.subject.id
    if not _FILE_NAME.fullmatch(name) or name in _RESERVED:
        raise IntegrityError(f"audit {facts.id} has an output with the id {name!r}, expected letters and digits")
    return f"{name}-{facts.id}" if name in taken else name


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
