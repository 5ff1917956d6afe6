"""The settlement table in words."""

from __future__ import annotations

from collections.abc import Sequence

from registry.outputs.base_claim import IN_FINE_TUNING
from registry.outputs.shares import By
from reports.facts import BasePart
from reports.rendering.wording import count, percent, quoted
from reports.settlements.facts import SettledOutputs, SettledRow

WAYS = {"rightsholder": ("rightsholder", "rightsholders"), "licence": ("licence", "licences")}
WAYS["data-set"] = ("data set", "data sets")

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "A share is of what separates the models.",
        "It says what part of the differences between members a work explains, for one output. The unattributed part is "
        "everything else: works that were not on an output’s list, the base model if there is one, and the randomness of "
        "training. It belongs to nobody in this table.",
    ),
    (
        "The interval is about the choice of outputs.",
        "It says how much the table would change with other outputs of the same kind. The uncertainty of each output’s own "
        "division is in that output’s report.",
    ),
    (
        "Every divided output counts alike.",
        "The table knows neither prices nor how often an output was used.",
    ),
    (
        "Rights are those of today.",
        "A share goes to the rightsholder, licence or data set that the registry has for the work now. A work of several "
        "rightsholders is divided by the parts on record, and equally where these are incomplete.",
    ),
    (
        "This is a record, not a legal opinion.",
        "It does not say what anyone is owed; contracts do.",
    ),
)
"""(statement, explanation) pairs; part of every settlement table."""


def limits(bases: Sequence[BasePart]) -> tuple[tuple[str, str], ...]:
    """The limits of a table; those of base models come first."""
    return (*(("Only the fine-tuning is divided.", f"{base.scope} {base.unknown}") for base in bases), *LIMITS)


MOST_NAMED = 2
"""Receivers that the headline names; more are counted."""


def verdict(
    by: By, outputs: SettledOutputs, unattributed: SettledRow, rows: Sequence[SettledRow], *, fine_tuning: bool = False
) -> str:
    """The result in one sentence; ``fine_tuning``: all models are adapters on a base."""
    if not outputs.divided:
        return "No output of this period is divided, so there is nothing to settle."
    one, many = WAYS[by]
    what = "one output" if outputs.divided == 1 else f"{outputs.divided:,} outputs"
    named = [row for row in rows if row.name is not None and row.amount > 0]
    if 0 < len(named) <= MOST_NAMED:
        shares = [(percent(row.share), quoted(row.name or "")) for row in named]
        said = [f"{share} is attributed to {name}" for share, name in shares[:1]]
        parts = [" and ".join(said + [f"{share} to {name}" for share, name in shares[1:]])]
    else:
        parts = [f"{percent(sum(row.share for row in named))} is attributed to {count(len(named), one, many)}"]
    if unnamed := sum(row.share for row in rows if row.name is None):
        parts.append(f"{percent(unnamed)} to works without a {one} on record")
    scope = f", {IN_FINE_TUNING}" if fine_tuning else ""
    return f"Of {what}, {', '.join(parts)}{scope}; {percent(unattributed.share)} stays unattributed."


def explanation(outputs: SettledOutputs, first: SettledRow | None) -> str:
    """The largest share, and what the table is about."""
    scope = (
        f"The registry records {count(outputs.generated, 'output')} of this period; {outputs.audited:,} "
        f"{'was' if outputs.audited == 1 else 'were'} audited, and the newest audits divide {outputs.divided:,} of them."
    )
    if first is None or not first.amount:
        return scope
    name = "works with none on record" if first.name is None else quoted(first.name)
    within = "" if first.low is None or first.high is None else f" ({percent(first.low)} to {percent(first.high)})"
    return f"The largest share goes to {name}: {percent(first.share)}{within}. {scope}"


def gaps(outputs: SettledOutputs) -> list[str]:
    """What the table leaves out."""
    found = []
    if waiting := outputs.generated - outputs.audited:
        found.append(
            f"{count(waiting, 'output')} of this period {'was' if waiting == 1 else 'were'} not audited and "
            f"{'is' if waiting == 1 else 'are'} not in the table"
        )
    if outputs.earlier:
        found.append(
            f"{count(outputs.earlier, 'output')} {'was' if outputs.earlier == 1 else 'were'} audited by an earlier version, "
            "which divided nothing; audit again"
        )
    if outputs.not_divided:
        found.append(f"{count(outputs.not_divided, 'output')} could not be divided; the audits say why")
    if outputs.outside == 1:
        found.append("1 image from outside was audited and is not divided: the models did not make it")
    elif outputs.outside:
        found.append(
            f"{outputs.outside:,} images from outside were audited and are not divided: the models did not make them"
        )
    return found
