"""The page of a data-set report: one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from reports.data_sets import words
from reports.data_sets.facts import DataSetFacts
from reports.rendering.plots import Bar, bars_plot

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
    """The template's values beside the facts: tables, and a plot of the permissions."""
    permissions = [Bar(str(row.name), row.works, row.forbidden) for row in facts.permissions]
    return {
        "tables": [(name, *NAMES[name], getattr(facts, name)) for name in NAMES],
        "permissions": Markup(bars_plot(permissions, "Works by permission", left=86.0)),  # noqa: S704 - drawn here
        "most_members": MOST_MEMBERS,
        "limits": words.LIMITS,
    }
