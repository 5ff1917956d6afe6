"""The page of an evaluation: the quality of the evidence on one ensemble, for decision makers.

The page uses only the log's event, with suspicion: a missing figure is shown as not measured.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from registry.outputs.evaluations import KeptEvaluation
from reports.evaluations import seen_works
from reports.evaluations.sentences import Measured, null_sentence, power_sentence
from reports.rendering import wording
from reports.rendering.plots import Estimate, estimates_plot


@dataclass(frozen=True)
class Figure:
    """One number at the head of the page."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Section:
    """One question, its answer in a sentence, and the evidence for the answer."""

    title: str
    question: str
    answer: str = ""
    method: str = ""
    not_measured: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    plot: Markup | None = None
    caption: str = ""


@dataclass(frozen=True)
class EvaluationPage:
    """The contents of the page."""

    ensemble: str
    measured_at: datetime.datetime
    headline: str
    explanation: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    settings: tuple[tuple[str, Any], ...]
    event: int
    event_sha256: str


def evaluation(kept: KeptEvaluation) -> EvaluationPage:
    """The contents of the page, in words and figures."""
    facts = Measured(kept.facts)
    power, null, similarity = facts.part("power"), facts.part("null"), facts.part("similarity")
    found = power.share("found")
    counted = power.part("found")
    headline = (
        f"Audits found {counted.number_text('count')} of {counted.number_text('total')} training works shown to the models."
        if found
        else "How often a copied work would be found was not measured."
    )
    return EvaluationPage(
        ensemble=str(kept.facts.get("ensemble", "")),
        measured_at=kept.made_at,
        headline=headline,
        explanation=power_sentence(kept.facts) + " " + null_sentence(kept.facts),
        figures=(
            Figure("Copied works found", _interval(found), "of training works shown to the models"),
            Figure("False alarms", _interval(null.share("audits_with_a_discovery")), "of audits with nothing to find"),
            Figure(
                "Similarity alone",
                similarity.estimate_text("rate"),
                "false attribution rate: at 0 the most similar work is always the cause, at 1 similarity says nothing",
            ),
        ),
        sections=(
            _power(power),
            _null(null),
            _rankers(facts),
            _similarity(similarity),
            _jacobian(facts),
            _members(facts),
            _seen(facts.part("seen")),
        ),
        settings=tuple((name, kept.facts[name]) for name in _SETTINGS if name in kept.facts),
        event=kept.event,
        event_sha256=kept.event_sha256,
    )


_SETTINGS = (
    "ensemble",
    "members_sha256",
    "encoding",
    "works",
    "training_steps",
    "audit",
    "settings",
    "versions",
    "seconds",
)


def _interval(found: tuple[float, float, float] | None) -> str:
    return "not measured" if found is None else wording.percent(found[0])


def _share_row(name: str, facts: Measured, key: str) -> tuple[str, ...]:
    found = facts.share(key)
    if found is None:
        return (name, "not measured", "", "")
    interval = f"{wording.percent(found[1])} to {wording.percent(found[2])}"
    return (name, wording.percent(found[0]), interval, _counted(facts, key))


def _counted(facts: Measured, key: str) -> str:
    """``60 of 64``; empty if not counted."""
    part = facts.part(key)
    counted = part.number("count") is not None and part.number("total") is not None
    return f"{part.number_text('count')} of {part.number_text('total')}" if counted else ""


def _section(
    title: str,
    question: str,
    answer: str,
    facts: Measured,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    *,
    plot: Markup | None = None,
    caption: str = "",
) -> Section:
    """A section without its empty columns."""
    kept = [place for place in range(len(columns)) if place == 0 or any(row[place] for row in rows)]
    return Section(
        title,
        question,
        answer,
        facts.text("method"),
        columns=tuple(columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
        plot=plot,
        caption=caption,
    )


_SHARES = ("", "share", "95 % interval", "counted")


def _power(facts: Measured) -> Section:
    title = "Power: copied works found"
    question = (
        "Would an audit find a copied work? The models are shown works that they trained on, as if found somewhere."
    )
    if not facts.measured:
        return Section(title, question, not_measured=facts.reason)
    rows = [
        ("found: q at or below the audit’s rate", "found"),
        ("found, and no other candidate has a smaller p", "found_first"),
        ("ranked first", "ranked_first"),
        ("on the shortlist", "shortlisted"),
    ]
    answer = (
        f"Audits found {_counted(facts, 'found')}; {_counted(facts, 'shortlisted')} were on the shortlist, which is all that an "
        "audit tests."
    )
    return _section(title, question, answer, facts, _SHARES, [_share_row(name, facts, key) for name, key in rows])


def _null(facts: Measured) -> Section:
    title = "False alarms"
    question = (
        "What does the test find where there is nothing to find? "
        "The works get other codes after training, so every finding is wrong."
    )
    if not facts.measured:
        return Section(title, question, not_measured=facts.reason)
    graded = (
        ("audits with a main source or a work that contributes", "audits_with_a_unit_that_matters"),
        ("audits with a main source", "audits_with_a_main_source"),
    )
    rows = (
        _share_row("audits with a finding", facts, "audits_with_a_discovery"),
        # Evaluations of earlier versions have no grades.
        *(_share_row(text, facts, name) for text, name in graded if facts.share(name) is not None),
        _share_row("first-ranked units with p ≤ 0.05", facts, "p_at_most_0.05"),
        ("p-values not uniform: p (Kolmogorov and Smirnov)", facts.number_text("kolmogorov_smirnov_p"), "", ""),
        ("more findings than allowed: p", facts.number_text("more_discoveries_than_allowed_p"), "", ""),
    )
    alarms = _counted(facts, "audits_with_a_discovery")
    answer = f"{alarms} audits had a finding." if alarms else ""
    return _section(title, question, answer, facts, ("", "share or p", "95 % interval", "counted"), rows)


def _seen(facts: Measured) -> Section:
    if not facts.measured:
        return Section(seen_works.TITLE, seen_works.QUESTION, not_measured=facts.reason)
    found = seen_works.curve_of(facts)
    return _section(
        seen_works.TITLE,
        seen_works.QUESTION,
        found.answer,
        facts,
        ("", "share or area", "95 % interval", "counted"),
        found.rows,
        plot=found.plot,
        caption=seen_works.CAPTION,
    )


def _rankers(facts: Measured) -> Section:
    part = facts.part("rankers")
    title = "Rankings"
    question = "Which ranker best predicts the members’ own losses on an image?"
    if not part.measured:
        return Section(title, question, not_measured=part.reason)
    used, given = part.part("used"), part.part("used_for_given_images")
    graded = [(one.text("name"), "generated", one.part("member_lds")) for one in part.parts("alone")]
    graded.append((f"used: {used.text('name')}", "generated", used.part("member_lds")))
    if given.measured:
        graded += [(one.text("name"), "given", one.part("given_images")) for one in part.parts("alone")]
        graded.append((f"used: {given.text('name')}", "given", given.part("member_lds")))
    rows, drawn = [], []
    for name, kind, grade in graded:
        three = grade.three("value")
        if three is None:
            rows.append((name, kind, "not measured", grade.reason, ""))
            continue
        drawn.append(Estimate(f"{name} ({kind})", *three))
        between = f"{wording.number(three[1])} to {wording.number(three[2])}"
        rows.append((name, kind, wording.number(three[0]), between, grade.number_text("samples")))
    answer = f"Audits of generated images use {used.text('name')}. {_graded_as(used.part('member_lds'))}"
    if given.measured:
        answer += f" Audits of given images use {given.text('name')}. {_graded_as(given.part('member_lds'))}"
    return _section(
        title,
        question,
        answer,
        part,
        ("ranker", "images", "member-LDS", "95 % interval", "graded"),
        rows,
        plot=Markup(estimates_plot(drawn, "member-LDS")) if drawn else None,  # noqa: S704  # drawn here
        caption="Rank correlation with what the members’ losses say; 0 is no better than chance. Given images are "
        "represented by works, each graded by the members that did not see it.",
    )


def _graded_as(grade: Measured) -> str:
    if grade.three("value"):
        return f"Its grade: {grade.number_text('value')}; 1 is perfect, 0 is no better than chance."
    return f"It was not graded: {grade.reason}."


def _similarity(facts: Measured) -> Section:
    title = "What similarity alone is worth"
    question = "Is the work that looks most like an output also its cause?"
    legend = (
        "False attribution rate: how often the most similar work stays the most similar without the members that saw it, "
        "so that it was not the cause, divided by the same for a random other work."
    )
    if not facts.measured:
        return Section(title, question, not_measured=facts.reason)
    rate = facts.estimate("rate")
    between = "" if rate is None else f"{wording.number(rate[1])} to {wording.number(rate[2])}"
    rows = (
        ("false attribution rate", facts.estimate_text("rate"), between, facts.number_text("samples")),
        _share_row("most similar work stays so, without the members that saw it", facts, "nearest_unit_stays"),
        _share_row(
            "most similar work stays so, without those that saw another work",
            facts,
            "nearest_unit_stays_without_another",
        ),
    )
    answer = (
        f"False attribution rate {facts.estimate_text('rate')}: at 0 the most similar work is always the cause, at 1 "
        "similarity says nothing."
    )
    columns = ("", "share or rate", "95 % interval", "counted")
    return _section(title, question, answer, facts, columns, rows, caption=legend)


def _jacobian(facts: Measured) -> Section:
    part = facts.part("jacobian")
    title = "Estimates beside real ablation"
    question = "How close is the influence that the Jacobian estimates to the influence measured by really leaving members out?"
    if not part.measured:
        return Section(title, question, not_measured=part.reason)
    rows = tuple(
        (
            sample.text("sample"),
            sample.number_text("rank_correlation"),
            sample.number_text("relative_error"),
            sample.number_text("units"),
        )
        for sample in part.parts("samples")
    )
    answer = f"Both were measured on {wording.count(len(rows), 'output')}."
    return _section(title, question, answer, part, ("sample", "rank correlation", "relative error", "units"), rows)


def _members(facts: Measured) -> Section:
    part = facts.part("members_beside")
    title = "The ensemble beside its members"
    question = (
        "Is the ensemble as good a model as its members? Below 1, the ensemble predicts the noise of a work better."
    )
    if not part.measured:
        return Section(title, question, not_measured=part.reason)
    rows = []
    for name, key in (
        ("loss of the ensemble by that of members that did not see the work", "ensemble_by_members_that_did_not"),
        ("loss of the ensemble by that of members that saw it", "ensemble_by_members_that_saw_it"),
    ):
        three = part.estimate(key)
        between = "" if three is None else f"{wording.number(three[1])} to {wording.number(three[2])}"
        rows.append((name, part.estimate_text(key), between, part.number_text("works")))
    did_not, saw = (part.estimate_text(f"ensemble_by_members_that_{key}") for key in ("did_not", "saw_it"))
    answer = f"Its loss is {did_not} times that of members that did not see the work, and {saw} times that of members that did."
    return _section(title, question, answer, part, ("", "ratio", "95 % interval", "works"), rows)
