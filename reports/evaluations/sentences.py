"""Sentences on the measured quality of an ensemble's evidence, for every report of its outputs.

The facts come from the log and are read with suspicion: a non-number in place of a number counts as
not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.outputs.evaluations import KeptEvaluation
from reports.rendering import wording

MISSING = "nothing of it is in the log"
NEVER = (
    "How often audits of this ensemble find a copied work, or raise a false alarm, was not measured; `creditline evaluate` "
    "measures it."
)
OTHER_MEMBERS = "These figures are of another set of members than the one audited here."


def quoted(kept: KeptEvaluation | None, members_sha256: object) -> tuple[str, ...]:
    """The quality of the evidence, in sentences; ``members_sha256``: of the output's members."""
    if kept is None:
        return (NEVER,)
    found = [power_sentence(kept.facts), null_sentence(kept.facts)]
    if kept.facts.get("members_sha256") != members_sha256:
        found.append(OTHER_MEMBERS)
    return (*found, f"Measured {kept.made_at:%Y-%m-%d} by `creditline evaluate`, event {kept.event:,} of the log.")


def power_sentence(facts: Mapping[str, Any]) -> str:
    """How often a copied work is found."""
    power = Measured(facts).part("power")
    found = power.share("found")
    if found is None:
        return f"How often a copied work would be found was not measured on this ensemble: {power.reason}."
    return (
        f"{power.number_text('shown')} training works were shown to the models as if they had been found somewhere: audits "
        f"found {wording.percent(found[0])} (95 % interval {wording.percent(found[1])} to {wording.percent(found[2])}), by tests "
        f"that name on average at most {_limit(power)} by chance."
    )


def null_sentence(facts: Mapping[str, Any]) -> str:
    """How often an audit names something although there is nothing to find."""
    null = Measured(facts).part("null")
    alarms = null.share("audits_with_a_discovery")
    if alarms is None:
        return f"False alarms were not measured on this ensemble: {null.reason}."
    return (
        f"All works got wrong codes {null.number_text('redraws')} times, so that there was nothing to find: "
        f"{wording.percent(alarms[0])} of audits had a finding (95 % interval {wording.percent(alarms[1])} to "
        f"{wording.percent(alarms[2])}; at most {_limit(null)} is allowed){_main_sources(null)}."
    )


def _main_sources(null: Measured) -> str:
    """The share of audits that named a main source; evaluations of earlier versions have none."""
    named = null.share("audits_with_a_main_source")
    return "" if named is None else f", and {wording.percent(named[0])} named a main source"


def _limit(facts: Measured) -> str:
    rate = facts.number("false_discovery_rate")
    return "a share that was not recorded" if rate is None else wording.percent(rate)


def similarity_sentence(kept: KeptEvaluation | None) -> str:
    """How often the most similar work is not the cause."""
    found = None if kept is None else Measured(kept.facts).part("similarity")
    rate = None if found is None else found.estimate("rate")
    if found is None or rate is None:
        why = "`creditline evaluate` measures it" if found is None else found.reason
        return f"How often the most similar work is not the cause was not measured on this ensemble: {why}."
    return (
        f"On this ensemble the false attribution rate of similarity is {wording.number(rate[0], 2)} (interval "
        f"{wording.number(rate[1], 2)} to {wording.number(rate[2], 2)}): at 0 the most similar work is always the cause, at 1 "
        "similarity says nothing about the cause."
    )


@dataclass(frozen=True)
class Measured:
    """Facts from the log; a non-number in place of a number counts as not measured."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return wording.plain(str(self.values.get("not_measured", MISSING)), 300)

    @property
    def measured(self) -> bool:
        return bool(self.values) and "not_measured" not in self.values

    def part(self, name: str) -> Measured:
        found = self.values.get(name)
        return Measured(found if isinstance(found, Mapping) else {})

    def parts(self, name: str) -> list[Measured]:
        found = self.values.get(name)
        return [Measured(each) for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []

    def number(self, name: str) -> float | None:
        found = self.values.get(name)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def number_text(self, name: str) -> str:
        found = self.number(name)
        return "not measured" if found is None else wording.number(found)

    def text(self, name: str) -> str:
        return wording.plain(str(self.values.get(name, "")), 400)

    def share(self, name: str) -> tuple[float, float, float] | None:
        return self.part(name).three("share")

    def estimate(self, name: str) -> tuple[float, float, float] | None:
        return self.part(name).three("value")

    def estimate_text(self, name: str) -> str:
        found = self.estimate(name)
        return "not measured" if found is None else wording.number(found[0])

    def three(self, name: str) -> tuple[float, float, float] | None:
        found = tuple(self.number(each) for each in (name, "low", "high"))
        return None if None in found else (found[0] or 0.0, found[1] or 0.0, found[2] or 0.0)
