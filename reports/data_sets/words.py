"""The verdict of a data-set report in plain words, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.outputs.base_claim import BaseClaim
from reports.data_sets.facts import Conflict, CountRow, ModelOptOuts
from reports.rendering.wording import count, percent

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "Only what was registered is counted.",
        "Works that a model was trained on without being registered cannot appear here.",
    ),
    (
        "A record of statements, few of them verified.",
        "Rightsholders and licences are as declared, or as verified. Most were never verified, and a wrong declaration need "
        "not contradict anything.",
    ),
    (
        "Only contradictions that the registry can see.",
        "Registration compares what a file says about itself with its declaration, and reports it. This report has the "
        "contradictions that follow from what is on record now.",
    ),
    (
        "Near duplicates are searched when works are registered.",
        "Where this search was skipped, none are known. Pictures that look alike can be different works.",
    ),
    (
        "An opt-out counts when it is recorded.",
        "A withdrawal takes members out of service at once. A prohibition does not: the members that saw the works stay in "
        "service until they are trained again or the works are withdrawn.",
    ),
    (
        "This is a record, not a legal opinion.",
        "Whether a permission holds, or a reservation binds, depends on law that no table contains.",
    ),
)
"""(statement, explanation) pairs; part of every report."""


def verdict(works: int, permissions: Sequence[CountRow]) -> str:
    """The report in one sentence."""
    if not works:
        return "This data set has no works."
    found = {row.name: row.works for row in permissions}
    permitted, forbidden = found.get("permitted", 0), found.get("prohibited", 0) + found.get("withdrawn", 0)
    if permitted == works:
        return f"{'The one work' if works == 1 else f'All {works:,} works'} may be trained on, as far as is on record."
    tail = f", and {forbidden:,} may not" if forbidden else ""
    return f"{permitted:,} of {count(works, 'work')} may be trained on{tail}, as far as is on record."


def explanation(
    totals: dict[str, Any],
    conflicts: Sequence[Conflict],
    models: Sequence[ModelOptOuts],
    bases: Sequence[BaseClaim] = (),
) -> str:
    """The notable figures, in a few sentences; ``bases``: those on record as trained on it."""
    works = totals["works"]
    if not works:
        return "Nothing was registered in it, or all its works moved to other data sets."
    sentences = []
    gaps = [
        f"{count(totals[name], 'work')} without a {what}"
        for name, what in (("without_rightsholder", "rightsholder"), ("without_licence", "licence"))
        if totals[name]
    ]
    sentences.append(
        f"It has {' and '.join(gaps)}." if gaps else "Every work has a rightsholder and a licence on record."
    )
    sentences.append(
        f"The rights of {percent(totals['verified'] / works)} of the works were verified."
        if totals["verified"]
        else "The rights of none of them were verified."
    )
    contradicted = [each for each in conflicts if each.works]
    if contradicted:
        worst = max(contradicted, key=lambda each: each.works)
        sentences.append(
            f"The record contradicts itself in {count(len(contradicted), 'way')}; most often: {worst.kind} "
            f"({count(worst.works, 'work')})."
        )
    else:
        sentences.append("No statements on record contradict each other.")
    members = [member for each in models for member in each.members]
    holding = sum(member.withdrawn_since + member.prohibited_since > 0 for member in members)
    if not models:
        sentences.append(f"No {'member of an ensemble' if bases else 'model'} was trained on any of it.")
    elif holding:
        sentences.append(
            f"{holding} of {count(len(members), 'member')} {'was' if holding == 1 else 'were'} trained on works that were opted "
            "out since."
        )
    elif any(member.prohibited_when_unknown for each in models for member in each.members):
        sentences.append("For some works that members saw, it is not known whether they were opted out since training.")
    else:
        sentences.append("No work that a member saw was opted out since the member was trained.")
    sentences += [f"{base.called[0].upper()}{base.called[1:]} is on record as trained on it." for base in bases]
    return " ".join(sentences)
