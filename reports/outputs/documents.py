"""The documents about outputs: a report per audit, an index of several, and their candidates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from registry.basis.check import CheckedHead, checked_head
from registry.basis.rows import Basis
from registry.errors import CreditlineError, IntegrityError, LockedRegistryError, NotFoundError
from registry.home import Home
from registry.outputs.joint_tests import EVENT as JOINT
from registry.outputs.joint_tests import JointRun, newest_joint_runs
from registry.storage.database import Registry, driver_of
from registry.storage.tables import Audit
from reports.issuing.document import Document, Reading
from reports.outputs import totals
from reports.outputs.candidates_table import candidates_csv
from reports.outputs.facts import VERSION, Gap, IndexEntry, IndexFacts, ReportFacts
from reports.outputs.illustrations import IndexedReport, Report
from reports.outputs.page import index_values, report_values
from reports.outputs.read import read_audit, subject_id
from reports.outputs.rows import fetch_rows
from reports.outputs.selection import basis_of

CANDIDATES = "candidates"
"""Kind of the table beside the index."""
MOST_OVER_ALL = 100
"""Rightsholders tested over all images that an index lists."""
AT_ONCE = 16
"""Audits that are checked and read together."""
Named = tuple[Audit, str | None]
"""An audit and its files' name without suffix; None: the output's id cannot be a file name."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = ("index", "candidates")


@dataclass(frozen=True)
class Index:
    """The index of several reports: its facts, and each report's part of its page."""

    facts: IndexFacts
    listed: Sequence[IndexedReport]


def index_of(
    listed: Sequence[IndexedReport],
    files: Sequence[str],
    gaps: Sequence[Gap],
    unaudited: Sequence[str],
    runs: Sequence[JointRun],
) -> Index:
    """The index of these reports.

    ``files``: each report's file name without suffix. ``runs``: the registry's tests of
    rightsholders over all images.
    """
    reports = [each.facts for each in listed]
    # Findings on an image from outside trace no output of the registry's models.
    tested = [(report.output.id, report.candidates, report.method) for report in reports if report.output.generated]
    encodings = {report.ensemble.encoding_id for report in reports if report.output.generated}
    over_all = totals.over_all_images(run for run in runs if run.encoding_id in encodings)
    facts = IndexFacts(
        over_all_images=over_all[:MOST_OVER_ALL],
        over_all_images_total=len(over_all),
        reports=[_entry(report, file) for report, file in zip(reports, files, strict=True)],
        rightsholders=totals.by_rightsholder(tested),
        licences=totals.by_licence(tested),
        gaps=list(gaps),
        not_audited=list(unaudited),
    )
    return Index(facts, listed)


def _entry(report: ReportFacts, file: str) -> IndexEntry:
    return IndexEntry(
        output_id=report.output.id,
        audit_id=report.audit_id,
        html=f"{file}.html",
        json=f"{file}.json",
        attributable=report.verdict.attributable,
        sentence=report.verdict.sentence,
        passing=len(report.passing),
        tested=len(report.candidates),
        smallest_p=min((candidate.p_value for candidate in report.candidates), default=None),
        smallest_q=min((candidate.q_value for candidate in report.candidates), default=None),
        taken_back=report.verdict.taken_back,
    )


def read_reports(session: Session, home: Home, named: Sequence[Named]) -> Iterator[tuple[Audit, Reading[Report] | Gap]]:
    """The reports of these audits, a few at a time; for an unreadable audit, the gap.

    Raises:
        LockedRegistryError: another process holds the registry.
    """
    for start in range(0, len(named), AT_ONCE):
        part = named[start : start + AT_ONCE]
        heads = _checked_heads(session, home, [audit.id for audit, _ in part])
        rows = fetch_rows(session, [audit for audit, _ in part])
        for audit, file in part:
            try:
                if file is None:
                    raise IntegrityError(
                        f"audit {audit.id} has an output with the id {subject_id(audit)!r}, expected letters and digits"
                    )
                head = heads[audit.id]
                if isinstance(head, CreditlineError):
                    raise head
                yield audit, Reading(audit.id, read_audit(session, home, audit, rows), head, file)
            except LockedRegistryError:
                raise
            except CreditlineError as error:
                reason = f"no report: {error}"
                yield (
                    audit,
                    Gap(output_id=subject_id(audit), audit_id=audit.id, reason=reason, integrity=True),
                )


def _checked_heads(session: Session, home: Home, audit_ids: Sequence[str]) -> dict[str, CheckedHead | CreditlineError]:
    """By audit, the end of the log after its rows were checked, or what is wrong with them.

    The rows of all are checked at once: most audits rest on the same works and members. Only where
    something is wrong, each is checked alone.
    """
    connection = driver_of(session)
    try:
        return dict.fromkeys(audit_ids, checked_head(connection, home, basis_of(audit_ids)))
    except LockedRegistryError:
        raise
    except CreditlineError as error:
        if len(audit_ids) == 1:
            return {audit_ids[0]: error}
    return {audit_id: _checked_heads(session, home, [audit_id])[audit_id] for audit_id in audit_ids}


def file_names(audits: Sequence[Audit]) -> list[Named]:
    """Each audit with its files' name; a second audit of an output adds the audit's id."""
    taken: set[str] = set()
    named: list[Named] = []
    for audit in audits:
        name = subject_id(audit)
        if not _FILE_NAME.fullmatch(name) or name in _RESERVED:
            named.append((audit, None))
            continue
        name = f"{name}-{audit.id}" if name in taken else name
        taken.add(name)
        named.append((audit, name))
    return named


def subject_of(audits: Sequence[Audit]) -> str:
    """The subject of the stamp of an index of these audits."""
    return " ".join(audit.id for audit in audits)


def candidates_now(registry: Registry, subject: str) -> str:
    """The hash input of a candidates table's stamp now; see :func:`candidate_facts`."""
    return candidate_facts(
        [found.facts.facts for _, found in _read_again(registry, subject) if isinstance(found, Reading)]
    )


def candidate_facts(reports: Sequence[ReportFacts]) -> str:
    """The hash input of a candidates table's stamp."""
    return candidates_csv(reports).decode()


def _read_report(registry: Registry, audit_id: str, _scratch: Path) -> Reading[Report]:
    for _, found in _read_again(registry, audit_id):
        if isinstance(found, Gap):
            raise IntegrityError(found.reason)
        return found
    raise NotFoundError("the registry has no audit without an id")


def _read_index(registry: Registry, subject: str, _scratch: Path) -> Reading[Index]:
    with registry.connection() as connection:
        head = checked_head(connection, registry.home, Basis(events=[JOINT]))
        runs = newest_joint_runs(connection)
    listed, files, gaps = [], [], []
    for _, found in _read_again(registry, subject):
        if isinstance(found, Gap):
            gaps.append(found)
            continue
        listed.append(found.facts.for_index())
        files.append(found.stem)
        gaps += found.facts.facts.gaps
    return Reading(subject, index_of(listed, files, gaps, (), runs), head, "index")


def _read_again(registry: Registry, subject: str) -> Iterator[tuple[Audit, Reading[Report] | Gap]]:
    with registry.session() as session:
        found = {audit_id: session.get(Audit, audit_id) for audit_id in subject.split()}
        missing = [audit_id for audit_id, audit in found.items() if audit is None]
        if missing:
            raise NotFoundError(f"the registry has no audit {missing[0]} any more")
        audits = [audit for audit in found.values() if audit is not None]
        yield from read_reports(session, registry.home, file_names(audits))


REPORT = Document(
    kind="output report",
    name="report",
    version=VERSION,
    model=ReportFacts,
    template="report.html.j2",
    read=_read_report,
    page_values=report_values,
    plain=lambda report: report.facts.model_dump(mode="json"),
    dated=True,
)
INDEX = Document(
    kind="batch report",
    name="report-index",
    version=VERSION,
    model=IndexFacts,
    template="index.html.j2",
    read=_read_index,
    page_values=lambda index: index_values(index.facts, index.listed),
    plain=lambda index: index.facts.model_dump(mode="json", by_alias=True),
    outside_stamp=frozenset({"not_audited"}),
    dated=True,
)
