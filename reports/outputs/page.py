"""Template values of reports and of their index beside the facts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from registry.outputs.base_claim import IN_FINE_TUNING
from registry.outputs.grades import CONTRIBUTES, MAIN_SOURCE, Thresholds, is_slight
from registry.outputs.strength import Strength, strength_of
from reports.facts import BasePart, NotMeasured
from reports.outputs.facts import Candidate, IndexFacts, ReportFacts, Work
from reports.outputs.illustrations import IndexedReport, Report
from reports.outputs.limits import limits_of
from reports.outputs.plots import certainty_plot, influence_plot_of, tests_plot
from reports.outputs.sentences import (
    FROM_INSIDE,
    FROM_OUTSIDE,
    assignment,
    at_the_limit,
    brief,
    duties,
    findings,
    grading,
    group_noun,
    meaning_of_p,
    output_noun,
    unit_noun,
)
from reports.rendering.wording import count, number
from reports.seen.facts import Seen


def report_values(report: Report) -> dict[str, object]:
    """For ``report.html.j2``."""
    facts, shown = report.facts, report.shown
    passing = in_order(facts)

    def duties_of(work: Work) -> list[tuple[str, str]]:
        return duties(work, shown.terms.get(work.asset_id))

    return {
        "report": facts,
        "shown": shown,
        "passing": passing,
        "sources": [each for each in passing if not has_slight_effect(each)],
        "slight": [each for each in passing if has_slight_effect(each)],
        "mark": partial(mark, generated=facts.output.generated),
        "thresholds": Thresholds.of(facts.method.settings),
        "strength": _label(facts),
        "headline": _headline(facts),
        "lead": _lead(facts),
        "effect_in_words": partial(effect_in_words, generated=facts.output.generated),
        "image": output_noun(facts.output),
        "noun": unit_noun(facts.ensemble),
        "nouns": unit_noun(facts.ensemble, 2),
        "meaning_of_p": partial(
            meaning_of_p, method=facts.method, ensemble=facts.ensemble, image=output_noun(facts.output)
        ),
        "duties_of": duties_of,
        "assignment": assignment(facts.ensemble),
        "group_noun": group_noun(facts.ensemble),
        "grading": grading(facts.method),
        "tests_plot": _drawn(tests_plot(facts.by_evidence, shown.decoys)),
        "influence_plots": {
            kind: _drawn(influence_plot_of(report, kind))
            for kind in facts.landscapes
            if not _is_superseded(kind, facts)
        },
        "limits": limits_of(facts.ensemble.base),
    }


def index_values(index: IndexFacts, listed: Sequence[IndexedReport]) -> dict[str, object]:
    """For ``index.html.j2``."""
    generated = [each.facts for each in listed if each.facts.output.generated]
    tables = (("Rightsholder", index.rightsholders), ("Licence", index.licences))
    tested = [facts for facts in generated if facts.candidates]
    rates = {facts.method.false_discovery_rate for facts in tested}
    smallest = [facts.by_evidence[0].q_value for facts in tested]
    return {
        "index": index,
        "open_outputs": OPEN_OUTPUTS,
        "entries": [
            (each, entry, brief(entry.sentence), _label(each.facts), _sources(each.facts), _beside(each.facts))
            for each, entry in zip(listed, index.reports, strict=True)
        ],
        "bases": _bases(listed),
        "in_fine_tuning": IN_FINE_TUNING if all(facts.ensemble.base for facts in generated) else None,
        "generated": len(generated),
        "traced": sum(map(_traced, generated)),
        "not_graded": sum(not _graded(facts) for facts in generated),
        "tables": tables,
        # Audits with several rates have no common line to plot.
        "certainty_plot": _drawn(certainty_plot(smallest, rates.pop())) if len(rates) == 1 else None,
    }


OPEN_OUTPUTS = 24
"""Outputs of an index that are not folded away."""
_OF_THE_IMAGE = {
    "trained_on": "This work was trained on",
    "leans_on": "The models lean on these works",
    "nothing_shown": "Nothing shown",
}
"""By the answer whether the models saw an image from outside itself."""


def _headline(facts: ReportFacts) -> str:
    """The verdict; that an image from outside was trained on comes before all else."""
    if isinstance(facts.seen, Seen) and facts.seen.answer == "trained_on":
        return facts.seen.sentence
    return facts.verdict.sentence


def _lead(facts: ReportFacts) -> str:
    """What the headline means, in a few sentences; all of it where nothing is found."""
    meaning = _strength_meaning(facts)
    if isinstance(facts.seen, NotMeasured):
        said = meaning or facts.verdict.explanation
        return f"{said} Whether the models saw this very image is not known: {facts.seen.not_measured}."
    if isinstance(facts.seen, Seen) and facts.seen.answer == "trained_on":
        return f"{facts.seen.explanation} {facts.verdict.sentence} {meaning}".strip()
    if isinstance(facts.seen, Seen) and meaning:
        return f"{facts.seen.sentence} {meaning}"
    return meaning or facts.verdict.explanation


def _label(facts: ReportFacts) -> str:
    """The strength of the verdict in a few words; of an image from outside, the answer."""
    if isinstance(facts.seen, Seen):
        return _OF_THE_IMAGE[facts.seen.answer]
    strength = _strength(facts)
    if facts.passing and strength is not None:
        return f"{strength.capitalize()} finding"
    return "No source found" if strength is None else "No source found: borderline"


def in_order(facts: ReportFacts) -> list[Candidate]:
    """The sources found, in the order of the verdict: the main sources first."""
    return [candidate for finding in findings(facts.candidates) for candidate in finding]


_LEANS = {MAIN_SOURCE: "The models lean on it", CONTRIBUTES: "They lean on it in part"}
"""By grade, of an image from outside: nothing says that it has a source in these models."""


def mark(candidate: Candidate, *, generated: bool = True) -> str:
    """What was found of a candidate, in a few words."""
    if not candidate.passes:
        return "No effect shown"
    if candidate.grade is None:
        return "Source found, not graded" if generated else "Found, not graded"
    said = candidate.grade.capitalize()
    return said if generated else _LEANS.get(candidate.grade, said)


def has_slight_effect(candidate: Candidate) -> bool:
    """Whether its effect does not matter, or was not measured."""
    effect = candidate.effect
    return is_slight(candidate.grade, None if isinstance(effect, NotMeasured) else effect.low)


def _strength(facts: ReportFacts) -> Strength | None:
    """The strength of the verdict, by the candidate that it names first."""
    listed = in_order(facts) or facts.by_evidence
    if not listed:
        return None
    return strength_of(listed[0].q_value, facts.method.false_discovery_rate, slight=has_slight_effect(listed[0]))


def _strength_meaning(facts: ReportFacts) -> str:
    """What the strength means for the reader, with no figure that needs statistics."""
    if not facts.passing:
        return ""
    found = "Chance hardly explains this finding"
    meaning = {
        "borderline": "The finding is near the limit: a test that is twice as strict would find nothing.",
        "weak": f"{found}, but its effect is slight, or could not be measured.",
    }.get(_strength(facts) or "", f"{found}, and its effect is more than slight." if _graded(facts) else f"{found}.")
    if not _graded(facts):
        meaning += " An earlier version made this audit and graded no finding; audit again."
    limit = FROM_INSIDE if facts.output.generated else FROM_OUTSIDE
    return " ".join(filter(None, (meaning, at_the_limit(facts.passing, facts.method), limit)))


def effect_in_words(candidate: Candidate, *, generated: bool = True) -> str:
    """How far the members that saw a unit move the output towards it, with the interval.

    Of an image from outside, it is what they make of the image that moves.
    """
    moved = "the output" if generated else "what they make of the image"
    effect = candidate.effect
    if isinstance(effect, NotMeasured):
        return f"Not measured: {effect.not_measured}."
    to = "work" if candidate.work_count == 1 else "works"
    value, low, high = (f"{number(100 * each, 2)} %" for each in (effect.value, effect.low, effect.high))
    if not candidate.passes:
        return f"If there is an effect, it is with 95 % confidence between {low} and {high} of the way to the {to}."
    return (
        f"The models that saw the {to} move {moved} {value} of the way towards "
        f"{'it' if to == 'work' else 'them'}; with 95 % confidence, between {low} and {high}."
    )


def _sources(facts: ReportFacts) -> str:
    """The number of sources and of slight effects among the tested units, for the index."""
    if not facts.candidates:
        return "Nothing was tested"
    tested = count(len(facts.candidates), unit_noun(facts.ensemble), unit_noun(facts.ensemble, 2))
    if facts.passing and not _graded(facts):
        return f"{count(len(facts.passing), 'source')} found among {tested} tested, not graded"
    slight = sum(map(has_slight_effect, facts.passing))
    sources = len(facts.passing) - slight
    found = [count(sources, "source")] if sources else ["no source"]
    if slight:
        found.append(count(slight, "slight effect"))
    return f"{' and '.join(found).capitalize()} found among {tested} tested"


def _beside(facts: ReportFacts) -> str:
    """What the picture beside an output shows, for the index."""
    listed = in_order(facts) or facts.by_evidence
    if not facts.passing or not listed:
        return "looks most alike"
    if _graded(facts) and has_slight_effect(listed[0]):
        return "a slight effect"
    return "the source" if facts.output.generated else "leans on"


def _traced(facts: ReportFacts) -> bool:
    """Whether a source is found whose effect is more than slight, or was not graded."""
    return any(each.grade is None or not has_slight_effect(each) for each in facts.passing)


def _graded(facts: ReportFacts) -> bool:
    """Whether findings have grades; audits of earlier versions have none."""
    return all(each.grade is not None for each in facts.passing)


def _is_superseded(kind: str, facts: ReportFacts) -> bool:
    """Whether it is an estimate of influences that were measured exactly."""
    exact = facts.influence_exact_lpips if kind.endswith("lpips") else facts.influence_exact
    return kind.startswith("estimate") and not isinstance(exact, NotMeasured)


def _bases(listed: Sequence[IndexedReport]) -> list[BasePart]:
    """The base models of the listed outputs' models, each once, in order of id."""
    found = {base.id: base for each in listed if (base := each.facts.ensemble.base) is not None}
    return [found[key] for key in sorted(found)]


def _drawn(svg: str | NotMeasured | None) -> Markup | NotMeasured | None:
    return Markup(svg) if isinstance(svg, str) else svg  # noqa: S704  # drawn here, its texts escaped by the library
