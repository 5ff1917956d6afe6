"""Reads the lineage of one output: what :mod:`reports.standards.prov` writes.

The subject of an export is ``audit <id>``, or ``sample <id>`` for an output that no audit has
looked at: read again later, it is of the same audit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb
from sqlmodel import Session

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.members.serving import NOT_COVERED, served_by
from registry.storage.tables import Audit, Member, Sample
from registry.works.listings import records, works_named
from registry.works.queries import find_by_prefix
from reports.outputs.selection import named_audits
from reports.outputs.tests import read_test
from reports.standards.lineage import clipped, moment
from reports.standards.prov_facts import CandidateFacts, Finding, Generation, Maker, OutputFacts, WorkFacts

_DOCUMENTS = frozenset(
    {"manifest", "settings", "sampler", "members", "versions", "ranker", "test", "landscape", "timings"}
)


def find_output(session: Session, name: str) -> str:
    """The subject of an export of the output that ``name`` names: a sample, an audited image or an
    audit, by its first digits.

    Raises:
        NotFoundError: nothing has that name.
        UsageError: more than one thing has it.
    """
    try:
        return f"audit {named_audits(session, [name])[0].id}"
    except NotFoundError as error:
        try:
            return f"sample {find_by_prefix(session, Sample, name).id}"
        except NotFoundError:
            raise error from None


def read_output(connection: duckdb.DuckDBPyConnection, subject: str) -> OutputFacts:
    """The facts of a subject as :func:`find_output` names it.

    Raises:
        NotFoundError: it is not there.
        IntegrityError: rows that it refers to are not there.
    """
    kind, _, name = subject.partition(" ")
    if kind not in ("audit", "sample") or not name:
        raise UsageError(f"got the subject {clipped(subject)!r}, expected 'audit ID' or 'sample ID'")
    audit = _one(connection, Audit, name) if kind == "audit" else None
    sample_id = audit.sample_id if audit else name
    sample = _one(connection, Sample, sample_id) if sample_id else None
    made = audit or sample
    if made is None:
        raise NotFoundError(f"no {kind} {clipped(name)!r}; `creditline status` says what there is")
    if audit and sample_id and sample is None:
        raise IntegrityError(f"audit {audit.id} is of sample {sample_id}, which is not there: restore the registry")
    row = connection.execute(
        "SELECT encoding.id, unit_kind, unit_column, unit_count, n, h, seed FROM ensemble "
        "JOIN encoding ON encoding.id = encoding_id WHERE ensemble.id = ?",
        [made.ensemble_id],
    ).fetchone()
    if row is None:
        raise IntegrityError(f"{subject} is of ensemble {made.ensemble_id}, which is not there: restore the registry")
    history = [
        _row(Member, each)
        for each in records(
            connection.execute("SELECT * FROM member WHERE ensemble_id = ? ORDER BY rowid", [made.ensemble_id])
        )
    ]
    generation = _generation(sample, history) if sample else None
    return OutputFacts(
        image_sha256=made.image_sha256,
        image_name=clipped(audit.image_name) if audit and audit.image_name else None,
        ensemble_id=made.ensemble_id,
        encoding_id=row[0],
        unit_kind=row[1],
        unit_column=clipped(row[2]) if row[2] else None,
        units=int(row[3]),
        n=int(row[4]),
        h=int(row[5]),
        encoding_seed=int(row[6]),
        generation=generation,
        finding=_finding(connection, audit, str(row[0]), history, generation) if audit else None,
    )


def _generation(sample: Sample, history: Sequence[Member]) -> Generation:
    return Generation(
        id=sample.id,
        seed=sample.seed,
        label=clipped(sample.label) if sample.label else None,
        sampler=sample.sampler or {},
        noise_sha256=sample.noise_sha256,
        versions=_texts(sample.versions),
        created_at=moment(sample.created_at),
        members=_makers(history, sample.members, sample.members_sha256),
    )


def _finding(
    connection: duckdb.DuckDBPyConnection,
    audit: Audit,
    encoding_id: str,
    history: Sequence[Member],
    generation: Generation | None,
) -> Finding:
    test, said = read_test(audit, {}), audit.test or {}
    members = _makers(history, said.get("members"), said.get("members_sha256"))
    if not members and generation:
        members = generation.members
    candidates = records(
        connection.execute(
            "SELECT candidate.*, unit.label, unit.code FROM candidate JOIN unit ON number = unit_number AND encoding_id = ? "
            "WHERE audit_id = ? ORDER BY rank",
            [encoding_id, audit.id],
        )
    )
    makers = {maker.id: maker for maker in (*members, *(generation.members if generation else ()))}
    return Finding(
        id=audit.id,
        created_at=moment(audit.created_at),
        ranker=clipped(str((audit.ranker or {}).get("name", "not recorded"))),
        statistic=clipped(test.statistic),
        decoys=test.decoys,
        false_discovery_rate=test.false_discovery_rate,
        smallest_p=test.smallest_p,
        tested=len(candidates),
        versions=_texts(audit.versions),
        members=members,
        passed=tuple(
            _candidate(connection, audit.id, encoding_id, row, list(makers.values()))
            for row in candidates
            if row["q_value"] <= test.false_discovery_rate
        ),
    )


def _candidate(
    connection: duckdb.DuckDBPyConnection, audit_id: str, encoding_id: str, row: dict[str, Any], makers: Sequence[Maker]
) -> CandidateFacts:
    unit = row["unit_number"]
    count, first = connection.execute(
        "SELECT count(*), min(asset_id) FROM unit_asset WHERE encoding_id = ? AND unit_number = ?", [encoding_id, unit]
    ).fetchall()[0]
    listed = connection.execute(
        "SELECT asset_id FROM candidate_work WHERE audit_id = ? AND unit_number = ? ORDER BY position", [audit_id, unit]
    ).fetchall()
    ids = [int(number) for (number,) in listed] or ([int(first)] if first is not None else [])
    heeded = dict(
        connection.execute(
            "SELECT asset_id, min(withdrawal_id) FROM withdrawal_work WHERE list_contains(?, asset_id) GROUP BY 1",
            [ids],
        ).fetchall()
    )
    named = {int(work["asset_id"]): work for work in works_named(connection, ids)}
    measured = ("effect", "effect_low", "effect_high", "influence_exact", "influence_estimate")
    return CandidateFacts(
        rank=row["rank"],
        unit_number=unit,
        label=clipped(row["label"]),
        p_value=row["p_value"],
        q_value=row["q_value"],
        statistic=row["statistic"],
        **{name: row[name] for name in measured},
        works_in_unit=int(count),
        works=tuple(
            _work(named[number], row["code"], heeded.get(number, NOT_COVERED), makers)
            for number in ids
            if number in named
        ),
    )


def _work(row: dict[str, Any], code: int, first_withdrawal: int, makers: Sequence[Maker]) -> WorkFacts:
    return WorkFacts(
        asset_id=int(row["asset_id"]),
        sha256=row["sha256"],
        title=clipped(row["title"]) if row["title"] else None,
        data_set=clipped(row["data_set"]),
        path=clipped(row["path"]) if row["path"] else None,
        rightsholders=tuple(clipped(name) for name in row["rightsholders"]),
        licence=clipped(row["licence"]) if row["licence"] else None,
        basis=row["basis"],
        permission=row["permission"],
        seen_by=tuple(
            maker.id
            for maker in makers
            if code >> maker.index & 1
            and first_withdrawal > (-1 if maker.withdrawn_through is None else maker.withdrawn_through)
        ),
    )


def _makers(history: Sequence[Member], indices: Any, members_sha256: Any) -> tuple[Maker, ...]:  # noqa: ANN401 - JSON
    """The models that served together then; none where the registry cannot say which generation it
    was.
    """
    if not isinstance(indices, list) or not isinstance(members_sha256, str):
        return ()
    served = served_by(history, indices, members_sha256)
    return tuple(_maker(member) for member in served[1]) if served else ()


def _maker(member: Member) -> Maker:
    said = member.manifest or {}
    works = said.get("works") or {}
    return Maker(
        id=member.id,
        index=member.index,
        generation=member.generation,
        origin=member.origin,
        weights_sha256=member.weights_sha256,
        manifest_sha256=member.manifest_sha256,
        merkle_root=member.merkle_root,
        works=works.get("count"),
        works_sha256=works.get("sha256"),
        withdrawn_through=said.get("withdrawn_through"),
        seed=said.get("seed"),
        versions=_texts(said.get("versions")),
        trained_at=said.get("created_at"),
    )


def _texts(values: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    return {clipped(str(name)): clipped(str(text)) for name, text in sorted((values or {}).items())}


def _one(connection: duckdb.DuckDBPyConnection, model: Any, name: str) -> Any:  # noqa: ANN401 - a row of the model
    rows = records(connection.execute(f"SELECT * FROM {model.__tablename__} WHERE id = ?", [name]))  # noqa: S608 - ours
    return _row(model, rows[0]) if rows else None


def _row(model: Any, row: dict[str, Any]) -> Any:  # noqa: ANN401 - a row of the model
    return model(
        **{
            name: json.loads(value) if name in _DOCUMENTS and isinstance(value, str) else value
            for name, value in row.items()
        }
    )
