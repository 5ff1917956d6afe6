"""The lineage of one output: the members that made it, and the findings of its audit.

The subject is ``audit <id>``, or ``sample <id>`` for a sample without an audit, so a later reading
is of the same audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlmodel import Session

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.members.seen import seen_by_any
from registry.members.serving import served_by
from registry.outputs.chance import EVIDENCE_ORDER
from registry.outputs.grades import Grade, grade_by
from registry.storage.results import records
from registry.storage.tables import Audit, Member, Sample
from registry.works.listings import works_named
from registry.works.queries import find_by_prefix
from reports.content.ensembles import (
    EncodingRecord,
    MemberRecord,
    member_record,
    read_encoding,
    read_members,
    row_of,
)
from reports.content.texts import lines, moment, one_line, optional_line
from reports.outputs.method import read_method
from reports.outputs.selection import named_audits


@dataclass(frozen=True)
class WorkRecord:
    """A work of a unit that passed."""

    asset_id: int
    sha256: str | None
    title: str | None
    data_set: str
    path: str | None
    rightsholders: tuple[str, ...]
    licence: str | None
    basis: str | None
    permission: str
    seen_by: tuple[str, ...]
    """Ids of the output's members that saw the work."""


@dataclass(frozen=True)
class PassedUnit:
    """A unit that passed an audit's test."""

    rank: int
    unit_number: int
    label: str
    p_value: float
    q_value: float
    statistic: float
    grade: Grade | None
    """None: the audit had no thresholds."""
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    influence_exact: float | None
    influence_estimate: float | None
    works_in_unit: int
    works: tuple[WorkRecord, ...]
    """All works of a unit with one work, else the works that the ranking found closest."""


@dataclass(frozen=True)
class AuditRecord:
    """An audit and its findings."""

    id: str
    created_at: str | None
    ranker: str
    statistic: str
    decoys: int
    false_discovery_rate: float
    smallest_p: float
    tested: int
    versions: dict[str, str]
    members: tuple[MemberRecord, ...]
    passed: tuple[PassedUnit, ...]


@dataclass(frozen=True)
class SampleRecord:
    """The generation of a sample."""

    id: str
    seed: int
    label: str | None
    sampler: dict[str, Any]
    noise_sha256: str
    versions: dict[str, str]
    created_at: str | None
    members: tuple[MemberRecord, ...]


@dataclass(frozen=True)
class OutputLineage:
    """One output: its generation and its findings."""

    image_sha256: str
    image_name: str | None
    ensemble_id: str
    encoding: EncodingRecord
    sample: SampleRecord | None
    """None for an image not generated here."""
    audit: AuditRecord | None


def find_output(session: Session, name: str) -> str:
    """The subject of a sample, an audited image or an audit, named by its first digits.

    Raises:
        NotFoundError: nothing has that name.
        UsageError: several things have that name.
    """
    try:
        return f"audit {named_audits(session, [name])[0].id}"
    except NotFoundError as error:
        try:
            return f"sample {find_by_prefix(session, Sample, name).id}"
        except NotFoundError:
            raise error from None


def read_output(connection: duckdb.DuckDBPyConnection, subject: str) -> OutputLineage:
    """The lineage of a subject in the form of :func:`find_output`.

    Raises:
        NotFoundError: the subject does not exist.
        IntegrityError: rows of its lineage are missing.
    """
    kind, _, name = subject.partition(" ")
    if kind not in ("audit", "sample") or not name:
        raise UsageError(f"got the subject {one_line(subject)!r}, expected 'audit ID' or 'sample ID'")
    audit = _one(connection, Audit, name) if kind == "audit" else None
    sample_id = audit.sample_id if audit else name
    sample = _one(connection, Sample, sample_id) if sample_id else None
    made = audit or sample
    if made is None:
        raise NotFoundError(f"no {kind} {one_line(name)!r}; `creditline samples` lists the samples")
    if audit and sample_id and sample is None:
        raise IntegrityError(f"audit {audit.id} is of sample {sample_id}, which is not there: restore the registry")
    row = connection.execute("SELECT encoding_id FROM ensemble WHERE id = ?", [made.ensemble_id]).fetchone()
    if row is None:
        raise IntegrityError(f"{subject} is of ensemble {made.ensemble_id}, which is not there: restore the registry")
    history = read_members(connection, made.ensemble_id)
    generated = _sample(sample, history) if sample else None
    return OutputLineage(
        image_sha256=made.image_sha256,
        image_name=optional_line(audit.image_name) if audit else None,
        ensemble_id=made.ensemble_id,
        encoding=read_encoding(connection, str(row[0]), f"ensemble {made.ensemble_id}"),
        sample=generated,
        audit=_audit(connection, audit, str(row[0]), history, generated) if audit else None,
    )


def _sample(sample: Sample, history: Sequence[Member]) -> SampleRecord:
    return SampleRecord(
        id=sample.id,
        seed=sample.seed,
        label=optional_line(sample.label),
        sampler=sample.sampler or {},
        noise_sha256=sample.noise_sha256,
        versions=lines(sample.versions),
        created_at=moment(sample.created_at),
        members=_served(history, sample.members, sample.members_sha256),
    )


def _audit(
    connection: duckdb.DuckDBPyConnection,
    audit: Audit,
    encoding_id: str,
    history: Sequence[Member],
    sample: SampleRecord | None,
) -> AuditRecord:
    test, recorded = read_method(audit, ()), audit.test or {}
    members = _served(history, recorded.get("members"), recorded.get("members_sha256"))
    if not members and sample:
        members = sample.members
    candidates = records(
        connection.execute(
            "SELECT candidate.*, unit.label FROM candidate "  # noqa: S608 - a constant
            "JOIN unit ON number = unit_number AND encoding_id = ? "
            f"WHERE audit_id = ? ORDER BY {EVIDENCE_ORDER}",
            [encoding_id, audit.id],
        )
    )
    everyone = {member.id: member for member in (*members, *(sample.members if sample else ()))}
    return AuditRecord(
        id=audit.id,
        created_at=moment(audit.created_at),
        ranker=one_line(str((audit.ranker or {}).get("name", "not recorded"))),
        statistic=one_line(test.statistic),
        decoys=test.decoys,
        false_discovery_rate=test.false_discovery_rate,
        smallest_p=test.smallest_p,
        tested=len(candidates),
        versions=lines(audit.versions),
        members=members,
        passed=tuple(
            _passed(connection, encoding_id, test.settings, row, list(everyone.values()))
            for row in candidates
            if row["q_value"] <= test.false_discovery_rate
        ),
    )


def _passed(
    connection: duckdb.DuckDBPyConnection,
    encoding_id: str,
    settings: Mapping[str, Any],
    row: dict[str, Any],
    members: Sequence[MemberRecord],
) -> PassedUnit:
    unit = row["unit_number"]
    count, first = connection.execute(
        "SELECT count(*), min(asset_id) FROM unit_asset WHERE encoding_id = ? AND unit_number = ?", [encoding_id, unit]
    ).fetchall()[0]
    listed = connection.execute(
        "SELECT asset_id FROM candidate_work WHERE audit_id = ? AND unit_number = ? ORDER BY position",
        [row["audit_id"], unit],
    ).fetchall()
    ids = [int(number) for (number,) in listed] or ([int(first)] if first is not None else [])
    seen = _seen(connection, encoding_id, ids, members)
    named = {int(work["asset_id"]): work for work in works_named(connection, ids)}
    measured = ("p_value", "q_value", "statistic", "effect", "effect_low", "effect_high")
    return PassedUnit(
        rank=row["rank"],
        unit_number=unit,
        label=one_line(row["label"]),
        grade=grade_by(settings, row["q_value"], row["effect_low"]),
        **{name: row[name] for name in (*measured, "influence_exact", "influence_estimate")},
        works_in_unit=int(count),
        works=tuple(_work(named[number], seen.get(number, ())) for number in ids if number in named),
    )


def _seen(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, asset_ids: list[int], members: Sequence[MemberRecord]
) -> dict[int, tuple[str, ...]]:
    """By work, the ids of the members that saw it."""
    columns = ", ".join(seen_by_any([(member.index, member.withdrawn_through)]) for member in members) or "NULL"
    rows = connection.execute(
        f"SELECT asset_id, {columns} FROM encoded_work WHERE encoding_id = ? AND list_contains(?, asset_id)",  # noqa: S608 - numbers
        [encoding_id, asset_ids],
    ).fetchall()
    return {int(row[0]): tuple(member.id for member, saw in zip(members, row[1:], strict=False) if saw) for row in rows}


def _work(row: dict[str, Any], seen: tuple[str, ...]) -> WorkRecord:
    return WorkRecord(
        asset_id=int(row["asset_id"]),
        sha256=row["sha256"],
        title=optional_line(row["title"]),
        data_set=one_line(row["data_set"]),
        path=optional_line(row["path"]),
        rightsholders=tuple(one_line(name) for name in row["rightsholders"]),
        licence=optional_line(row["licence"]),
        basis=row["basis"],
        permission=row["permission"],
        seen_by=seen,
    )


def _served(history: Sequence[Member], indices: Any, members_sha256: Any) -> tuple[MemberRecord, ...]:  # noqa: ANN401 - JSON
    """The members that served together then; empty if the registry cannot tell the generation."""
    if not isinstance(indices, list) or not isinstance(members_sha256, str):
        return ()
    served = served_by(history, indices, members_sha256)
    return tuple(member_record(member) for member in served[1]) if served else ()


def _one(connection: duckdb.DuckDBPyConnection, table: Any, row_id: str) -> Any:  # noqa: ANN401 - a row of the table
    rows = records(connection.execute(f"SELECT * FROM {table.__tablename__} WHERE id = ?", [row_id]))  # noqa: S608 - ours
    return row_of(table, rows[0]) if rows else None
