"""The page of a statement: one offline file, for readers without technical training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.facts import NotMeasured
from reports.outputs.facts import BaseAlone
from reports.rendering.pictures import Picture
from reports.rendering.plots import Bar, Estimate, bars_plot, estimates_plot
from reports.rendering.wording import percent, plain
from reports.statements import words
from reports.statements.facts import OutputPart, SharePart, StatementFacts

CARDS = 12
"""Images shown with pictures; the others are in a table."""
MOST_ROWS = 40
MOST_EFFECTS = 14
"""Effects in one plot."""
MOST_MEMBERS = 64


Shown = Picture | NotMeasured


@dataclass(frozen=True)
class AloneShown:
    """What a base model alone made of an image's noise."""

    facts: BaseAlone | NotMeasured
    picture: Shown


@dataclass(frozen=True)
class Pictures:
    """Pictures on the page: works by asset id, images by the id of their audit."""

    works: Mapping[int, Shown]
    outputs: Mapping[str, Shown]
    bases: Mapping[str, AloneShown]
    """Audits of models with a base alone."""


@dataclass(frozen=True)
class Statement:
    """The facts of a statement, and the pictures on its page."""

    facts: StatementFacts
    pictures: Pictures


def page_values(statement: Statement) -> Mapping[str, object]:
    """Template values beside the facts and the pictures."""
    facts = statement.facts
    generated = [output for output in facts.outputs if output.kind == "sample"]
    return {
        "cards": generated[:CARDS],
        "rows": generated[CARDS : CARDS + MOST_ROWS],
        "left_out": max(0, facts.tested.found - CARDS - MOST_ROWS),
        "outside": [output for output in facts.outputs if output.kind == "image"][:MOST_ROWS],
        "together": words.together(facts.tested),
        "over_all": words.over_all_images(facts.over_all_images),
        "by_chance": words.by_chance,
        "joint": [each for each in facts.joint if each.output_kind == "sample"][:CARDS],
        "service": words.service(facts.models, facts.bases or []),
        "leaving": words.leaving,
        "unit": words.unit_of_theirs(facts.tested),
        "limits": words.limits(facts.bases or []),
        "funnel": Markup(_funnel(facts)),  # noqa: S704 - drawn here, of numbers
        "effects": _effects(generated),
        "most_members": MOST_MEMBERS,
        "share": share_text,
        "share_range": share_range,
    }


def share_text(share: SharePart | NotMeasured) -> str:
    """``62 %``; empty if not measured."""
    return "" if isinstance(share, NotMeasured) else percent(share.value)


def share_range(share: SharePart | NotMeasured) -> str:
    """The uncertainty of a share, in words."""
    if isinstance(share, NotMeasured):
        return f"not measured: {share.not_measured}"
    if share.among == 1:
        return "because only this one passed"
    if isinstance(share.low, NotMeasured) or isinstance(share.high, NotMeasured):
        reason = share.low.not_measured if isinstance(share.low, NotMeasured) else ""
        return f"its range was not measured: {reason}"
    if share.low == share.high:
        return f"because all {share.among} that passed are yours"
    return f"between {percent(share.low)} and {percent(share.high)}, among the {share.among:,} that passed"


def _funnel(facts: StatementFacts) -> str:
    tested = facts.tested
    bars = [
        Bar("images generated", tested.generated),
        Bar("tested", tested.audited),
        Bar("tested for your works", tested.tested),
        Bar("passed for your works", tested.found, tested.found),
    ]
    title = (
        f"{tested.generated} generated, {tested.audited} tested, {tested.tested} for your works, {tested.found} passed"
    )
    return bars_plot("funnel", [each for each in bars if each.total or each.name != "images generated"], title)


def _effects(outputs: list[OutputPart]) -> Markup | None:
    measured = [
        (f"{plain(finding.unit_label, 22)} · {output.id[:6]}", finding, finding.effect)
        for output in outputs
        for finding in output.findings
        if not isinstance(finding.effect, NotMeasured)
    ]
    if not measured:
        return None
    measured.sort(key=lambda each: (-each[2].value, each[1].audit_id, each[1].rank))
    estimates = [Estimate(name, effect.value, effect.low, effect.high) for name, _, effect in measured[:MOST_EFFECTS]]
    # Matplotlib's font may lack characters of a name; the reader's fonts draw the text.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        drawn = estimates_plot("effects", estimates, "effect")
    return Markup(drawn)  # noqa: S704 - drawn here, its texts escaped by the library
