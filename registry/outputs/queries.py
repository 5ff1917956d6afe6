"""Queries about ensembles: members, samples, audits and their candidates."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.errors import IntegrityError, NotFoundError
from registry.ids import canonical_json
from registry.storage.tables import Audit, Candidate, Encoding, Ensemble, Sample, Unit
from registry.works.queries import find_by_prefix, latest_ensemble


def named_ensemble(session: Session, prefix: str | None) -> Ensemble:
    """The ensemble whose id starts with ``prefix``, or the newest.

    Raises:
        NotFoundError: there is none.
        UsageError: the prefix fits several.
    """
    return find_by_prefix(session, Ensemble, prefix) if prefix else latest_ensemble(session)


def ensemble_with_encoding(session: Session, ensemble_id: str) -> tuple[Ensemble, Encoding]:
    """An ensemble and the encoding that it was made for.

    Raises:
        NotFoundError: no such ensemble.
        IntegrityError: its encoding is not registered.
    """
    ensemble = session.get(Ensemble, ensemble_id)
    if ensemble is None:
        raise NotFoundError(f"no ensemble {ensemble_id}; `creditline train` makes one")
    encoding = session.get(Encoding, ensemble.encoding_id)
    if encoding is None:
        raise IntegrityError(
            f"ensemble {ensemble_id} names encoding {ensemble.encoding_id}, which is not registered: restore the registry"
        )
    return ensemble, encoding


def check_subject(kind: str, name: str, recorded: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Compare a row that was found by its short id with the request that has this id.

    Raises:
        IntegrityError: the row is about something else: two requests have one id.
    """
    differing = sorted(field for field in asked if canonical_json(recorded.get(field)) != canonical_json(asked[field]))
    if differing:
        raise IntegrityError(
            f"{kind} {name} is on record for another request ({', '.join(differing)} differ): two requests have one id; change "
            "a setting of this one"
        )


def samples_of(session: Session, ensemble_id: str) -> list[Sample]:
    """The samples of an ensemble, in order of seed."""
    query = select(Sample).where(Sample.ensemble_id == ensemble_id).order_by(col(Sample.seed), col(Sample.id))
    return list(session.exec(query))


def audits_in_order(session: Session) -> list[tuple[Audit, bool]]:
    """All audits in order of recording, and whether each is the newest of its sample or image."""
    audits = {audit.id: audit for audit in session.exec(select(Audit))}
    ordered = session.connection().execute(text("SELECT audit_id, newest FROM audit_order ORDER BY place"))
    return [(audits[audit_id], newest) for audit_id, newest in ordered]


def candidates_of(session: Session, audit: Audit) -> list[tuple[Candidate, str]]:
    """An audit's candidates in order of rank, each with its unit's label."""
    ensemble = session.get(Ensemble, audit.ensemble_id)
    query = (
        select(Candidate, Unit.label)
        .join(Unit, col(Unit.number) == col(Candidate.unit_number))
        .where(Candidate.audit_id == audit.id)
        .where(Unit.encoding_id == (ensemble.encoding_id if ensemble else ""))
        .order_by(col(Candidate.rank))
    )
    return [(candidate, label) for candidate, label in session.exec(query)]
