"""Sums of candidates by rightsholder and by licence of their works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reports.outputs.facts import Candidate, Share

NOT_RECORDED = "not recorded"
Tested = tuple[str, Sequence[Candidate]]
"""Id of an output, and its tested candidates."""


def by_rightsholder(tested: Iterable[Tested]) -> list[Share]:
    """One row per rightsholder; a unit with works of several counts for each."""
    return _sum_up(tested, lambda candidate: candidate.rightsholders)


def by_licence(tested: Iterable[Tested]) -> list[Share]:
    """One row per licence; a unit with works under several counts for each."""
    return _sum_up(tested, lambda candidate: candidate.licences)


def _sum_up(tested: Iterable[Tested], names_of: Callable[[Candidate], list[str]]) -> list[Share]:
    outputs: dict[str, set[str]] = {}
    candidates_of: dict[str, list[Candidate]] = {}
    for output_id, candidates in tested:
        for candidate in candidates:
            for name in names_of(candidate) or [NOT_RECORDED]:
                candidates_of.setdefault(name, []).append(candidate)
                if candidate.passes:
                    outputs.setdefault(name, set()).add(output_id)
    shares = [
        Share(
            name=name,
            traced_outputs=len(outputs.get(name, ())),
            passing=sum(candidate.passes for candidate in candidates),
            tested=len(candidates),
            smallest_q=min(candidate.q_value for candidate in candidates),
        )
        for name, candidates in candidates_of.items()
    ]
    return sorted(shares, key=lambda share: (-share.traced_outputs, -share.passing, share.smallest_q, share.name))
