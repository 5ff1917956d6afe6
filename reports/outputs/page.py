"""Template values of reports and of their index beside the facts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from registry.outputs.base_claim import IN_FINE_TUNING
from reports.facts import BasePart, NotMeasured
from reports.outputs.facts import IndexFacts, Work
from reports.outputs.illustrations import IndexedReport, Report
from reports.outputs.limits import limits_of
from reports.outputs.plots import certainty_plot, influence_plot_of, shares_plot, tests_plot
from reports.outputs.sentences import assignment, brief, duties, group_noun, meaning_of_p, unit_noun


def report_values(report: Report) -> dict[str, object]:
    """For ``report.html.j2``."""
    facts, shown = report.facts, report.shown

    def duties_of(work: Work) -> list[tuple[str, str]]:
        return duties(work, shown.terms.get(work.asset_id))

    return {
        "report": facts,
        "shown": shown,
        "noun": unit_noun(facts.ensemble),
        "nouns": unit_noun(facts.ensemble, 2),
        "meaning_of_p": partial(meaning_of_p, method=facts.method, ensemble=facts.ensemble),
        "duties_of": duties_of,
        "assignment": assignment(facts.ensemble),
        "group_noun": group_noun(facts.ensemble),
        "tests_plot": _drawn(tests_plot(facts.by_evidence, shown.decoys)),
        "influence_plots": {kind: _drawn(influence_plot_of(report, kind)) for kind in facts.landscapes},
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
        "entries": [
            (each, entry, brief(entry.sentence), unit_noun(each.facts.ensemble, entry.tested))
            for each, entry in zip(listed, index.reports, strict=True)
        ],
        "bases": _bases(listed),
        "in_fine_tuning": IN_FINE_TUNING if all(facts.ensemble.base for facts in generated) else None,
        "generated": len(generated),
        "traced": sum(bool(facts.passing) for facts in generated),
        "tables": [
            (kind, shares, _drawn(shares_plot(kind.lower(), shares, len(generated)))) for kind, shares in tables
        ],
        # Audits with several rates have no common line to plot.
        "certainty_plot": _drawn(certainty_plot(smallest, rates.pop())) if len(rates) == 1 else None,
    }


def _bases(listed: Sequence[IndexedReport]) -> list[BasePart]:
    """The base models of the listed outputs' models, each once, in order of id."""
    found = {base.id: base for each in listed if (base := each.facts.ensemble.base) is not None}
    return [found[key] for key in sorted(found)]


def _drawn(svg: str | NotMeasured | None) -> Markup | NotMeasured | None:
    return Markup(svg) if isinstance(svg, str) else svg  # noqa: S704  # drawn here, its texts escaped by the library
