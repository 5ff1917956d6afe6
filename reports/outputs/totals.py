"""Sums of candidates by rightsholder and by licence of their works."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from registry.outputs.chance import chances_to_pass
from registry.outputs.joint_tests import JointRun
from reports.facts import OverAllImages
from reports.outputs.facts import Candidate, Method, Share
from reports.rendering.wording import clipped

NOT_RECORDED = "not recorded"
Tested = tuple[str, Sequence[Candidate], Method]
"""Id of an output, its tested candidates in order of rank, and the method of its audit."""


def by_rightsholder(tested: Iterable[Tested]) -> list[Share]:
    """One row per rightsholder; a unit with works of several counts for each."""
    return _sum_up(tested, lambda candidate: candidate.rightsholders)


def by_licence(tested: Iterable[Tested]) -> list[Share]:
    """One row per licence; a unit with works under several counts for each."""
    return _sum_up(tested, lambda candidate: candidate.licences)


def _sum_up(tested: Iterable[Tested], names_of: Callable[[Candidate], list[str]]) -> list[Share]:
    outputs: dict[str, set[str]] = {}
    candidates_of: dict[str, list[Candidate]] = {}
    chances: dict[str, list[float]] = {}
    for output_id, candidates, method in tested:
        by_chance = chances_to_pass(
            [candidate.p_value for candidate in candidates], method.false_discovery_rate, method.smallest_p
        )
        for candidate, chance in zip(candidates, by_chance, strict=True):
            for name in names_of(candidate) or [NOT_RECORDED]:
                candidates_of.setdefault(name, []).append(candidate)
                chances.setdefault(name, []).append(chance)
                if candidate.passes:
                    outputs.setdefault(name, set()).add(output_id)
    shares = [
        Share(
            name=name,
            traced_outputs=len(outputs.get(name, ())),
            passing=sum(candidate.passes for candidate in candidates),
            tested=len(candidates),
            smallest_q=min(candidate.q_value for candidate in candidates),
            expected_by_chance=round(math.fsum(chances[name]), 6),
        )
        for name, candidates in candidates_of.items()
    ]
    return sorted(shares, key=lambda share: (-share.traced_outputs, -share.passing, share.smallest_q, share.name))


def over_all_images(runs: Iterable[JointRun], names: Sequence[str] | None = None) -> list[OverAllImages]:
    """The tests over all images, of these records or of all: by encoding, the smallest q first."""
    return [
        OverAllImages(
            name=clipped(test.name),
            encoding_id=run.encoding_id,
            images=test.images,
            units=test.units,
            p_value=test.p_value,
            smallest_p=test.smallest_p,
            q_value=test.q_value,
            rate=run.rate,
            passes=test.passes,
            images_used=run.images,
            images_left_out=run.images_left_out,
            images_since=run.images_since,
            rightsholders=len(run.tested),
            tested_at=run.made_at,
        )
        for run in runs
        for test in (run.tested if names is None else run.of(names))
    ]
