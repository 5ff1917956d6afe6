"""Writes the reports of several audits into a folder: a page and a JSON each, tables, and an index.

An unreadable audit costs only its own report: it is listed as a gap. Several processes render many
audits side by side, each reading the registry alone; a report depends only on its audit and the
clock, so their number changes no byte. Only the index's facts are kept, so memory does not bound
the number of audits.
"""

from __future__ import annotations

import datetime
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import InputError, IntegrityError, RegistryError
from registry.lost_parent import leave_when_closed
from registry.outputs.joint_tests import EVENT as JOINT
from registry.outputs.joint_tests import newest_joint_runs
from registry.storage.database import Registry
from registry.storage.tables import Audit
from reports.issuing.document import Reading
from reports.issuing.issue import File, Issued, signed, write_file
from reports.issuing.stamp import stamp_of
from reports.outputs.candidates_table import candidates_csv, candidates_parquet
from reports.outputs.documents import (
    AT_ONCE,
    CANDIDATES,
    INDEX,
    REPORT,
    Named,
    candidate_facts,
    file_names,
    index_of,
    read_reports,
    subject_of,
)
from reports.outputs.facts import Gap, IndexFacts
from reports.outputs.illustrations import IndexedReport
from reports.outputs.read import subject_id
from reports.signatures.signing import Signing


@dataclass(frozen=True)
class WrittenReports:
    """A folder of reports."""

    index: Path
    """The page to open first."""
    facts: IndexFacts
    values: dict[str, Any]
    """The JSON of the index."""
    issued: tuple[Issued, ...]
    """All files, for the log; see :func:`reports.issuing.issue.record_issue`."""

    @property
    def damaged(self) -> tuple[str, ...]:
        """Outputs with a file or row that differs from the registry's record, sorted."""
        return tuple(sorted({gap.output_id for gap in self.facts.gaps if gap.integrity}))


@dataclass(frozen=True)
class _Rendered:
    """A written report, or the reason of its absence."""

    output_id: str
    listed: IndexedReport | None
    file: str
    gaps: Sequence[Gap]
    issued: tuple[Issued, ...]


def write_reports(
    registry: Registry,
    audits: Sequence[Audit],
    out: Path,
    *,
    now: datetime.datetime,
    unaudited: Sequence[str] = (),
    done: Callable[[str], object] = lambda _: None,
    processes: int | None = None,
) -> WrittenReports:
    """Write the reports of ``audits``, in their order, into the folder ``out``.

    Files of the same names are replaced, others in the folder stay. ``unaudited``: samples without
    an audit, for the index. ``done`` gets each output's id after its report is written.
    ``processes`` None: one per core. ``now`` has a zone. The caller records the files in the log,
    unless the home can only be read: then the files say that they are not on record.

    Raises:
        InputError: the folder cannot be written.
        IntegrityError: no report can be made of any of the audits; nothing is written.
        LockedRegistryError: another process holds the registry.
        RegistryError: a rendering process was killed.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"cannot write reports to {out}: got a file, expected a folder; choose another --out")
    # The index must not claim an event that comes while audits are read.
    with registry.connection() as connection:
        head = checked_head(connection, registry.home, Basis(events=[JOINT]))
        runs = newest_joint_runs(connection)
    signing = Signing.of(registry)
    named = file_names(audits)
    parts = [named[start : start + AT_ONCE] for start in range(0, len(named), AT_ONCE)]
    recorded = registry.writable
    render = partial(_render_part, registry.for_reading(), out, now, recorded)
    rendered: list[_Rendered] = []
    for results in _mapped(render, parts, processes or os.cpu_count() or 1):
        for each in results:
            rendered.append(each)
            done(each.output_id)
    listed = [(each.listed, each.file) for each in rendered if each.listed is not None]
    gaps = [gap for each in rendered for gap in each.gaps]
    index = index_of([report for report, _ in listed], [file for _, file in listed], gaps, unaudited, runs)
    reading = Reading(subject_of(audits), index, head, "index")
    reports = [report.facts for report, _ in listed]
    if not reports:
        raise IntegrityError(gaps[0].reason)
    stamp = INDEX.stamp(reading, now, signing, recorded=recorded)
    of_table = stamp_of(CANDIDATES, reading.subject, candidate_facts(reports), now, head, signing, recorded=recorded)
    page, data = INDEX.files(reading, stamp)
    # The index comes last: its links must exist.
    files = (
        File("candidates.csv", candidates_csv(reports), of_table, carries_stamp=False),
        File("candidates.parquet", candidates_parquet(reports, of_table), of_table),
        data,
        page,
    )
    issued = [issued for each in rendered for issued in each.issued]
    issued += [write_file(out, file) for file in signed(signing, files)]
    return WrittenReports(out / page.name, index.facts, INDEX.values(index, stamp), tuple(issued))


def _mapped(
    render: Callable[[Sequence[Named]], list[_Rendered]], parts: Sequence[Sequence[Named]], processes: int
) -> Iterator[list[_Rendered]]:
    if len(parts) <= 1 or processes == 1:
        yield from map(render, parts)
        return
    # A forked process would share connections and threads that it must not use.
    context = multiprocessing.get_context("spawn")
    # The workers' end of this pipe closes when this process is gone.
    workers_end, here = context.Pipe(duplex=False)
    count = min(processes, len(parts))
    try:
        with (
            workers_end,
            here,
            ProcessPoolExecutor(count, context, initializer=leave_when_closed, initargs=(workers_end,)) as pool,
        ):
            yield from pool.map(render, parts)
    except BrokenProcessPool as error:
        raise RegistryError(
            "a process that rendered reports was ended from outside, perhaps for want of memory: free some, and run it again"
        ) from error


def _render_part(
    registry: Registry, out: Path, now: datetime.datetime, recorded: bool, part: Sequence[Named]
) -> list[_Rendered]:
    rendered = []
    signing = Signing.of(registry)
    with registry.session() as session:
        for audit, found in read_reports(session, registry.home, part):
            if isinstance(found, Gap):
                rendered.append(_Rendered(subject_id(audit), None, "", (found,), ()))
                continue
            stamp = REPORT.stamp(found, now, signing, recorded=recorded)
            issued = tuple(write_file(out, file) for file in signed(signing, REPORT.files(found, stamp)))
            facts = found.facts.facts
            rendered.append(_Rendered(facts.output.id, found.facts.for_index(), found.stem, facts.gaps, issued))
    return rendered
