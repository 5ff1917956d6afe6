"""Selects the audits to report: by name, or the newest of every subject."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import NotFoundError, UsageError
from registry.outputs.evaluations import EVENT as EVALUATED
from registry.outputs.firmness import EVENT as FIRMNESS
from registry.outputs.queries import audits_in_order
from registry.storage.tables import Audit, Sample
from reports.outputs.read import subject_id


def newest_audits(session: Session) -> list[Audit]:
    """The newest audit per subject: samples by ensemble and seed, then images by name."""
    seeds = dict(session.exec(select(Sample.id, Sample.seed)).all())
    newest = [audit for audit, counts in audits_in_order(session) if counts]

    def place(audit: Audit) -> tuple[str, str, int, str, str]:
        return (
            "image" if audit.sample_id is None else "",
            audit.ensemble_id,
            seeds.get(audit.sample_id or "", 0),
            audit.image_name or "",
            audit.id,
        )

    return sorted(newest, key=place)


def named_audits(session: Session, names: Sequence[str]) -> list[Audit]:
    """The audit of each name, each once: an audit by id, or the newest of a sample or image.

    A name is an id or its first digits: of a sample, of an audited image's hash, or of an audit.

    Raises:
        NotFoundError: nothing has that name, or the sample was not audited.
        UsageError: several things have that name.
    """
    audits = audits_in_order(session)
    samples = set(session.exec(select(Sample.id)))
    chosen: dict[str, Audit] = {}
    for name in names:
        audit = _named(audits, samples, name)
        chosen[audit.id] = audit
    return list(chosen.values())


def unaudited_samples(session: Session) -> list[str]:
    """Ids of samples without an audit, sorted."""
    audited = select(Audit.sample_id).where(col(Audit.sample_id).is_not(None))
    return sorted(session.exec(select(Sample.id).where(col(Sample.id).not_in(audited))))


def _named(audits: Sequence[tuple[Audit, bool]], samples: set[str], name: str) -> Audit:
    if not name:
        raise NotFoundError(
            "got an empty name, expected the id of a sample, audited image or audit; `creditline samples` lists samples"
        )
    subjects = {subject_id(audit): audit for audit, newest in audits if newest}
    matches: dict[str, Audit | None] = {sample: subjects.get(sample) for sample in samples if sample.startswith(name)}
    matches |= {
        key: audit for key, audit in subjects.items() if audit.sample_id is None and audit.image_sha256.startswith(name)
    }
    matches = matches or {audit.id: audit for audit, _ in audits if audit.id.startswith(name)}
    if name in matches:
        matches = {name: matches[name]}
    if not matches:
        raise NotFoundError(f"{name!r} names no sample, audited image or audit; `creditline samples` lists the samples")
    if len(matches) > 1:
        raise UsageError(
            f"{name!r} names {len(matches)} outputs ({', '.join(sorted(matches)[:4])}); give more digits of one id"
        )
    key, audit = next(iter(matches.items()))
    if audit is None:
        raise NotFoundError(f"sample {key} was not audited yet; run `creditline audit {key}` first")
    return audit


def basis_of(audits: Sequence[str]) -> Basis:
    """What the reports of these audits rest on."""
    return Basis(audits=audits, events=(*RIGHTS_EVENTS, EVALUATED, FIRMNESS))
