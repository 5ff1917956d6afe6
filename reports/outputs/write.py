"""Renders a set of audits into a folder: a page and a document each, tables, and an index over all.

One audit that cannot be read costs its own report and no other: it is listed as a gap. Many audits
are rendered by several processes side by side, each of which reads the registry alone; a report
depends on nothing but its audit and the clock, so their number changes no byte. Only the facts that
the index shows are kept, so that audits are not bounded by memory.
"""

from __future__ import annotations

import datetime
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlmodel import Session

from registry.errors import (
    CreditlineError,
    InputError,
    IntegrityError,
    LockedRegistryError,
    NotFoundError,
    RegistryError,
)
from registry.event_log.events import head_of
from registry.home import Home
from registry.storage.database import Registry, driver_of
from registry.storage.tables import Audit
from reports.issuing.issue import File, Issued, write_file
from reports.issuing.stamp import stamp_of
from reports.outputs.candidates_table import candidates_csv, candidates_parquet
from reports.outputs.document import facts_of, index_document, json_bytes, report_document
from reports.outputs.facts import AuditFacts, Gap
from reports.outputs.read import read_audit, subject_id
from reports.outputs.rows import fetch_rows
from reports.outputs.schema import IndexDocument
from reports.rendering.html import index_page, report_page

REPORT, BATCH, CANDIDATES = "output report", "batch report", "candidates"
"""Kinds of documents."""
AT_ONCE = 8
"""Audits that a process renders before it tells of them; fewer than this are rendered here, without
starting others."""
_Job = tuple[Audit, str | None]
"""An audit and the name of its files; None for one that can have none."""
_Read = tuple[Audit, str | None, AuditFacts | Gap]
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = ("index", "candidates")


@dataclass(frozen=True)
class Site:
    """What was rendered."""

    index: Path
    """The page to open first."""
    document: IndexDocument
    issued: tuple[Issued, ...]
    """All files, for the log; see :func:`reports.issuing.issue.record_issue`."""

    @property
    def damaged(self) -> tuple[str, ...]:
        """Outputs of which a file or row is not what the registry recorded, sorted."""
        return tuple(sorted({gap.output_id for gap in self.document.gaps if gap.integrity}))


@dataclass(frozen=True)
class _Rendered:
    """One report that was written, or why it was not."""

    subject_id: str
    facts: AuditFacts | None
    gaps: tuple[Gap, ...]
    issued: tuple[Issued, ...]


def render_site(
    registry: Registry,
    audits: Sequence[Audit],
    out: Path,
    *,
    now: datetime.datetime,
    unaudited: Sequence[str] = (),
    done: Callable[[str], object] = lambda _: None,
    processes: int | None = None,
) -> Site:
    """Render ``audits`` into the folder ``out``, in their order; ``done`` is told each output's id.

    Files of the same names are replaced, others in the folder stay. Two audits of one output are
    told apart by the audit's id in the file name of all but the first. ``processes``: how many work
    side by side; None: one for each core.

    Raises:
        InputError: the folder cannot be written.
        LockedRegistryError: another process holds the registry.
        RegistryError: a process that rendered was killed.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"cannot write reports to {out}: got a file, expected a folder; choose another --out")
    # Of an event that comes while others are read, the index must not say that it was heeded.
    with registry.connection() as connection:
        end = head_of(connection)
    jobs = list(zip(audits, _file_names(audits), strict=True))
    parts = [jobs[start : start + AT_ONCE] for start in range(0, len(jobs), AT_ONCE)]
    render = partial(_render_part, registry.for_reading(), out, now)
    facts: list[AuditFacts] = []
    files: list[str] = []
    gaps: list[Gap] = []
    issued: list[Issued] = []
    for part, results in zip(parts, _mapped(render, parts, processes or os.cpu_count() or 1), strict=True):
        for (_, file), rendered in zip(part, results, strict=True):
            gaps += rendered.gaps
            issued += rendered.issued
            if rendered.facts is not None and file is not None:
                facts.append(rendered.facts)
                files.append(file)
            done(rendered.subject_id)
    subject = batch_subject(audits)
    document = index_document(facts, files, gaps, unaudited)
    stamp = stamp_of(BATCH, subject, facts_of(document), now, end)
    listed = stamp_of(CANDIDATES, subject, candidate_facts(facts), now, end)
    document = document.model_copy(update={"stamp": stamp, "rendered_at": stamp.made_at})
    for each in (
        File("candidates.csv", candidates_csv(facts), listed, carries_stamp=False),
        File("candidates.parquet", candidates_parquet(facts, listed), listed),
        File("index.json", json_bytes(document), stamp),
        File("index.html", _utf8(index_page(facts, files, gaps, unaudited, stamp)), stamp),
    ):
        issued.append(write_file(out, each))
    return Site(out / "index.html", document, tuple(issued))


def report_facts(registry: Registry, audit_id: str) -> object:
    """What the registry says now of one audit; see :data:`reports.checking.document_types.KINDS`.

    Raises:
        NotFoundError: the registry has no such audit.
        IntegrityError: it cannot be read.
    """
    for _, _, read in _read_again(registry, [audit_id]):
        if isinstance(read, Gap):
            raise IntegrityError(read.reason)
        return facts_of(report_document(read))
    return None


def batch_facts(registry: Registry, audit_ids: str) -> object:
    """The same of several, as the index has it."""
    facts, files, gaps = [], [], []
    for _, file, read in _read_again(registry, audit_ids.split()):
        if isinstance(read, AuditFacts):
            facts.append(read.light())
            files.append(file or "")
        gaps += [read] if isinstance(read, Gap) else list(read.gaps)
    return facts_of(index_document(facts, files, gaps, ()))


def candidates_again(registry: Registry, audit_ids: str) -> object:
    """The same as a table of candidates."""
    read = [read for _, _, read in _read_again(registry, audit_ids.split()) if isinstance(read, AuditFacts)]
    return candidate_facts(read)


def _read_again(registry: Registry, audit_ids: Sequence[str]) -> Iterator[_Read]:
    with registry.session() as session:
        found = {audit_id: session.get(Audit, audit_id) for audit_id in audit_ids}
        missing = [audit_id for audit_id, audit in found.items() if audit is None]
        if missing:
            raise NotFoundError(f"the registry has no audit {missing[0]} any more")
        audits = [audit for audit in found.values() if audit is not None]
        jobs = list(zip(audits, _file_names(audits), strict=True))
        for start in range(0, len(jobs), AT_ONCE):
            yield from _read_part(session, registry.home, jobs[start : start + AT_ONCE])


def batch_subject(audits: Sequence[Audit]) -> str:
    """What a document over several audits is about, as its stamp has it."""
    return " ".join(audit.id for audit in audits)


def candidate_facts(audits: Sequence[AuditFacts]) -> str:
    """What the stamp of a table of candidates has the hash of."""
    return candidates_csv(audits).decode()


def _mapped(
    render: Callable[[Sequence[_Job]], list[_Rendered]], parts: Sequence[Sequence[_Job]], processes: int
) -> Iterator[list[_Rendered]]:
    if len(parts) <= 1 or processes == 1:
        yield from map(render, parts)
        return
    # A process that was forked would share connections and threads that it must not use.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(processes, len(parts)), mp_context=context) as pool:
            yield from pool.map(render, parts)
    except BrokenProcessPool as error:
        raise RegistryError(
            "a process that rendered reports was ended from outside, perhaps for want of memory: free some, and run it again"
        ) from error


def _render_part(registry: Registry, out: Path, now: datetime.datetime, part: Sequence[_Job]) -> list[_Rendered]:
    found = []
    with registry.session() as session:
        for audit, file, facts in _read_part(session, registry.home, part):
            if isinstance(facts, Gap):
                found.append(_Rendered(subject_id(audit), None, (facts,), ()))
                continue
            document = report_document(facts)
            stamp = stamp_of(REPORT, audit.id, facts_of(document), now, head_of(driver_of(session)))
            document = document.model_copy(update={"stamp": stamp, "rendered_at": stamp.made_at})
            issued = (
                write_file(out, File(f"{file}.html", _utf8(report_page(facts, str(file), stamp)), stamp)),
                write_file(out, File(f"{file}.json", json_bytes(document), stamp)),
            )
            found.append(_Rendered(facts.subject.id, facts.light(), facts.gaps, issued))
    return found


def _read_part(session: Session, home: Home, part: Sequence[_Job]) -> Iterator[_Read]:
    """Each audit with its facts, or with the gap that it leaves."""
    rows = fetch_rows(session, [audit for audit, _ in part])
    for audit, file in part:
        try:
            if file is None:
                raise IntegrityError(
                    f"audit {audit.id} has an output with the id {subject_id(audit)!r}, expected letters and digits"
                )
            yield audit, file, read_audit(session, home, audit, rows)
        except LockedRegistryError:
            raise
        except CreditlineError as error:
            yield audit, file, Gap(subject_id(audit), audit.id, f"no report: {error}", integrity=True)


def _file_names(audits: Sequence[Audit]) -> list[str | None]:
    """The name of each audit's files without their suffix; None for an id that cannot be one."""
    taken: set[str] = set()
    found: list[str | None] = []
    for audit in audits:
        name = subject_id(audit)
        if not _FILE_NAME.fullmatch(name) or name in _RESERVED:
            found.append(None)
            continue
        name = f"{name}-{audit.id}" if name in taken else name
        taken.add(name)
        found.append(name)
    return found


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
