"""Sums candidates up by who owns the works and under which licence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reports.outputs.facts import AuditFacts, Candidate

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Share:
    """What one rightsholder's or licence's works have to do with a set of outputs."""

    name: str
    traced_outputs: int
    """Outputs of which at least one candidate of this name passes."""
    passing: int
    listed: int
    """Candidates of this name that pass, and all that were tested."""
    smallest_q: float


def of_outputs(audits: Iterable[AuditFacts]) -> list[AuditFacts]:
    """The audits of generated outputs: what is found for an image from outside traces nothing and
    is not summed up.
    """
    return [audit for audit in audits if audit.subject.kind == "sample"]


def by_rightsholder(audits: Iterable[AuditFacts]) -> tuple[Share, ...]:
    """One row per rightsholder; a unit with works of several counts for each."""
    return _roll_up(audits, lambda candidate: candidate.rightsholders)


def by_licence(audits: Iterable[AuditFacts]) -> tuple[Share, ...]:
    """One row per licence; a unit with works under several counts for each."""
    return _roll_up(audits, lambda candidate: candidate.licences)


def _roll_up(audits: Iterable[AuditFacts], names_of: Callable[[Candidate], tuple[str, ...]]) -> tuple[Share, ...]:
    outputs: dict[str, set[str]] = {}
    listed: dict[str, list[Candidate]] = {}
    for audit in audits:
        for candidate in audit.candidates:
            for name in names_of(candidate) or (NOT_RECORDED,):
                listed.setdefault(name, []).append(candidate)
                if candidate.passes:
                    outputs.setdefault(name, set()).add(audit.subject.id)
    shares = [
        Share(
            name=name,
            traced_outputs=len(outputs.get(name, ())),
            passing=sum(candidate.passes for candidate in candidates),
            listed=len(candidates),
            smallest_q=min(candidate.q_value for candidate in candidates),
        )
        for name, candidates in listed.items()
    ]
    return tuple(
        sorted(shares, key=lambda share: (-share.traced_outputs, -share.passing, share.smallest_q, share.name))
    )
