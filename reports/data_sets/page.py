"""The page of a data-set report: one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from reports.data_sets import words
from reports.data_sets.facts import CountTable, DataSetFacts
from reports.rendering.plots import Bar, bars_plot

MOST_BARS = 8
MOST_MEMBERS = 64

NAMES: Mapping[str, tuple[str, str, str]] = {
    "grounds": (
        "By reason of the permission",
        "Ground",
        "What decides whether models may train on a work. A work with several such grounds counts for each.",
    ),
    "sources": ("By source", "Host", "Of the web address of the work, else of its source."),
    "statements": (
        "By where the rights were declared",
        "Read from",
        "The table or folder that the declaration was read from.",
    ),
    "rightsholders": (
        "By rightsholder",
        "Rightsholder",
        "As recorded now: the verified rightsholder, else the declared one. A work with several counts for each.",
    ),
    "licences": (
        "By licence",
        "Licence",
        "As stated, and what its terms say about training.",
    ),
    "formats": ("By format", "Media type", "As read from the files."),
    "signals": ("By rights signal", "Signal", "Machine-readable statements in the files or at their sites."),
}
"""By table: heading, first column, note."""


def page_values(facts: DataSetFacts) -> Mapping[str, object]:
    """The template's values beside the facts: tables with their plots."""
    permissions = [Bar(str(row.name), row.works, row.forbidden) for row in facts.permissions]
    return {
        "tables": [(name, *NAMES[name], getattr(facts, name), _plot(name, getattr(facts, name))) for name in NAMES],
        "permissions": Markup(bars_plot("permissions", permissions, "Works by permission", left=1.2)),  # noqa: S704 - drawn here
        "opt_outs": [(model, _opt_outs(facts, place)) for place, model in enumerate(facts.models)],
        "most_members": MOST_MEMBERS,
        "limits": words.LIMITS,
    }


def _plot(name: str, counts: CountTable) -> Markup | None:
    """The largest rows as bars with forbidden works marked; None for a single row."""
    if len(counts.rows) < 2:
        return None
    bars = [Bar(row.name or "not recorded", row.works, row.forbidden) for row in counts.rows[:MOST_BARS]]
    # Names are text that the library escapes; the title is creditline's.
    return Markup(bars_plot(name, bars, f"Works, {NAMES[name][0].lower()}"))  # noqa: S704 - drawn here


def _opt_outs(facts: DataSetFacts, place: int) -> Markup | None:
    members = facts.models[place].members[:MOST_MEMBERS]
    bars = [
        Bar(f"member {member.index}", member.works, member.withdrawn_since + member.prohibited_since)
        for member in members
    ]
    if not any(bar.part for bar in bars):
        return None
    return Markup(bars_plot(f"opt-outs-{place}", bars, "Works opted out since training, by member", left=1.2))  # noqa: S704 - drawn here
