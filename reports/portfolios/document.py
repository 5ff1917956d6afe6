"""The document of a portfolio: its page, its JSON, and tables of the choice and of the curve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from registry.basis.check import checked_head
from registry.export.files import write_listing
from registry.storage.database import Registry
from reports.facts import BasePart, NotMeasured, base_parts
from reports.issuing.document import Document, Reading
from reports.portfolios import words
from reports.portfolios.choice import Choice, choose, expected_coverage, pairs_of, prices_of
from reports.portfolios.draws import Draws, drawn
from reports.portfolios.evidence import LICENSABLE, REASONS, REFUSED, UNPRICED, USABLE, Evidence, prepare, read_evidence
from reports.portfolios.facts import (
    VERSION,
    ChosenPart,
    CurvePart,
    OthersPart,
    OutputsPart,
    PairPart,
    PortfolioFacts,
    RobustPart,
    UnavailablePart,
    UncoveredPart,
)
from reports.portfolios.page import page_values
from reports.portfolios.request import Request, from_subject
from reports.rendering.wording import clipped

MOST_LISTED = 100
MOST_POINTS = 200
MOST_OTHERS, OFTEN = 20, 0.2
CHOSEN, CURVE = "chosen.csv", "curve.csv"
"""Names of the tables in the scratch folder."""


def read_portfolio(registry: Registry, subject: str, scratch: Path) -> Reading[PortfolioFacts]:
    """The choice for a request, made from the rows of the registry; writes its tables.

    Raises:
        NotFoundError: ``subject`` is no request.
        IntegrityError: a row that the choice rests on is not as it was sealed.
    """
    request = from_subject(subject)
    with registry.connection() as connection:
        # Before the facts: a reader may break off at a value that nobody but a forger writes.
        head = checked_head(connection, registry.home, prepare(connection, request))
        evidence = read_evidence(connection, request)
        ensembles = connection.execute(
            "SELECT DISTINCT ensemble_id FROM audit SEMI JOIN portfolio_audit ON audit.id = audit_id ORDER BY 1"
        ).fetchall()
        bases, all_on_bases = base_parts(connection, [str(each) for (each,) in ensembles])
        pairs = [
            PairPart(one=_name(connection, one), other=_name(connection, other)) for one, other in request.forbidden
        ]
    facts, curve = portfolio_facts(evidence, request, pairs, bases, fine_tuning=all_on_bases)
    write_listing(_chosen_table(facts.chosen), scratch / CHOSEN)
    write_listing(pa.Table.from_pylist([each.model_dump() for each in curve], _CURVE), scratch / CURVE)
    stem = f"portfolio-{hashlib.sha256(subject.encode()).hexdigest()[:8]}"
    return Reading(subject, facts, head, stem, {"chosen": scratch / CHOSEN, "curve": scratch / CURVE})


def portfolio_facts(
    evidence: Evidence,
    request: Request,
    pairs: Sequence[PairPart],
    bases: Sequence[BasePart] = (),
    *,
    fine_tuning: bool = False,
) -> tuple[PortfolioFacts, list[CurvePart]]:
    """The facts of the choice for a request, and all points of its curve.

    ``bases``: the base models of the outputs' models. ``fine_tuning``: all models are on a base.
    """
    choice = choose(evidence, request)
    priced = request.prices is not None
    draws = drawn(evidence, choice.chosen, prices_of(evidence, request), request, pairs_of(evidence, request))
    outputs = _outputs(evidence, choice)
    curve = _curve(evidence, choice)
    unavailable = _unavailable(evidence)
    uncovered = _uncovered(evidence, choice)
    unattributed = np.flatnonzero(~choice.attributed)
    facts = PortfolioFacts(
        request=request,
        verdict=words.verdict(choice, outputs, priced=priced),
        explanation=words.explanation(outputs, fine_tuning=fine_tuning),
        bases=list(bases) or None,
        rule=words.rule(request),
        outputs=outputs,
        reached=choice.reached,
        cost=choice.cost,
        priced=priced,
        method=choice.method,
        proven=choice.reached and choice.lower_bound >= choice.cost - 1e-9,
        lower_bound=choice.lower_bound,
        bound_sentence=words.bound_sentence(choice, priced=priced),
        greedy_cost=choice.cover.cost(choice.greedy.chosen) if choice.greedy.reached else None,
        chosen=_chosen(evidence, choice, draws),
        curve=[curve[place] for place in _thinned(len(curve))],
        curve_total=len(curve),
        robust=_robust(draws),
        others=_others(evidence, choice, draws),
        forbidden=list(pairs),
        unavailable=unavailable[:MOST_LISTED],
        unavailable_total=len(unavailable),
        uncovered=uncovered[:MOST_LISTED],
        uncovered_total=len(uncovered),
        unattributed=[evidence.ids[place] for place in unattributed[:MOST_LISTED].tolist()],
        limits=[*words.LIMITS, *(f"{base.scope} {base.unknown}" for base in bases)],
    )
    return facts, curve


def _outputs(evidence: Evidence, choice: Choice) -> OutputsPart:
    attributed, coverable = int(choice.attributed.sum()), int(choice.coverable.sum())
    return OutputsPart(
        audited=len(evidence.ids),
        unattributed=len(evidence.ids) - attributed,
        slight=evidence.slight,
        attributed=attributed,
        need_no_licence=int((choice.coverable & (choice.cover.needs == 0)).sum()),
        cannot_be_covered=attributed - coverable,
        can_be_covered=coverable,
        wanted=round(choice.cover.wanted),
        covered=round(choice.cover.covered(choice.chosen.tolist())),
        not_audited=evidence.not_audited,
        images_left_out=evidence.images_left_out,
    )


def _chosen(evidence: Evidence, choice: Choice, draws: Draws) -> list[ChosenPart]:
    """By the number of outputs, the largest first, then by name."""
    cover, left = choice.cover, choice.cover.balance(choice.chosen.tolist())
    found = []
    for each in choice.chosen.tolist():
        part = cover.entries(each)
        outputs = cover.outputs[part]
        counted = cover.counts[outputs] > 0
        needed = counted & (left[outputs] <= 1e-9) & (left[outputs] + cover.weights[part] > 1e-9)
        holder = evidence.holders[each]
        often = float(draws.often[each]) if draws.chosen_again else NotMeasured("there are too many findings")
        found.append(
            ChosenPart(
                id=holder.id,
                name=holder.name,
                price=float(cover.prices[each]),
                works=holder.works,
                licences=list(holder.licences),
                permissions=holder.permissions,
                outputs=int(counted.sum()),
                needed_for=int(needed.sum()),
                chosen_in_draws=often,
            )
        )
    return sorted(found, key=lambda part: (-part.outputs, part.name, part.id))


def _curve(evidence: Evidence, choice: Choice) -> list[CurvePart]:
    steps, cover = choice.greedy.steps, choice.cover
    total = float(cover.counts.sum()) or 1.0
    expected = expected_coverage(evidence, [step.rightsholder for step in steps], set(_thinned(len(steps) + 1)))
    points = [(0, 0.0, choice.greedy.covered_before)]
    points += [(number, step.cost, step.covered) for number, step in enumerate(steps, start=1)]
    return [
        CurvePart(
            licences=number,
            cost=cost,
            covered=round(covered),
            share=min(covered / total, 1.0),
            expected=expected.get(number),
        )
        for number, cost, covered in points
    ]


def _thinned(points: int) -> list[int]:
    """At most so many places of a curve, the first and the last among them."""
    return sorted({round(each) for each in np.linspace(0, max(points - 1, 0), min(points, MOST_POINTS)).tolist()})


def _robust(draws: Draws) -> RobustPart | NotMeasured:
    coverage = draws.coverage[np.isfinite(draws.coverage)]
    if not len(coverage):
        return NotMeasured(
            "no draw was asked for" if not len(draws.coverage) else "no draw had an output with a source"
        )
    return RobustPart(
        draws=len(coverage),
        mean=float(coverage.mean()),
        low=float(np.quantile(coverage, 0.05, method="lower")),
        worst=float(coverage.min()),
        chosen_again=draws.chosen_again,
    )


def _others(evidence: Evidence, choice: Choice, draws: Draws) -> list[OthersPart]:
    others = np.setdiff1d(np.flatnonzero(draws.often >= OFTEN), choice.chosen)
    found = [
        OthersPart(
            id=evidence.holders[each].id,
            name=evidence.holders[each].name,
            price=float(choice.cover.prices[each]),
            chosen_in_draws=float(draws.often[each]),
        )
        for each in others.tolist()
    ]
    return sorted(found, key=lambda part: (-part.chosen_in_draws, part.name, part.id))[:MOST_OTHERS]


def _unavailable(evidence: Evidence) -> list[UnavailablePart]:
    found = [
        UnavailablePart(name=name, outputs=outputs, reason=REASONS[REFUSED])
        for name, outputs in evidence.refused.items()
    ]
    unpriced = evidence.states == UNPRICED
    for place in np.unique(evidence.owners[unpriced]).tolist():
        outputs = len(np.unique(evidence.outputs[unpriced & (evidence.owners == place)]))
        found.append(UnavailablePart(name=evidence.holders[place].name, outputs=outputs, reason=REASONS[UNPRICED]))
    return sorted(found, key=lambda part: (-part.outputs, part.name, part.reason))


def _uncovered(evidence: Evidence, choice: Choice) -> list[UncoveredPart]:
    found = []
    starts = np.searchsorted(evidence.outputs, np.arange(len(evidence.ids) + 1))
    for place in np.flatnonzero(choice.attributed & ~choice.coverable).tolist():
        states = set(evidence.states[starts[place] : starts[place + 1]].tolist())
        reasons = [REASONS[state] for state in sorted(states) if state in REASONS]
        if states & {LICENSABLE} or not reasons:
            reasons.append("the findings that a licence covers are too few or too uncertain")
        found.append(UncoveredPart(output_id=evidence.ids[place], reason="; ".join(reasons)))
    return found


_CURVE = pa.schema(
    [
        ("licences", pa.int64()),
        ("cost", pa.float64()),
        ("covered", pa.int64()),
        ("share", pa.float64()),
        ("expected", pa.float64()),
    ]
)
_CHOSEN = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("works", pa.int64()),
        ("licences", pa.list_(pa.string())),
        *((name, pa.int64()) for name in USABLE),
        ("outputs", pa.int64()),
        ("needed_for", pa.int64()),
        ("chosen_in_draws", pa.float64()),
    ]
)


def _chosen_table(chosen: Sequence[ChosenPart]) -> pa.Table:
    rows = [
        {
            **each.model_dump(exclude={"permissions"}),
            **{name: each.permissions.get(name, 0) for name in USABLE},
            "chosen_in_draws": None if isinstance(each.chosen_in_draws, NotMeasured) else each.chosen_in_draws,
        }
        for each in chosen
    ]
    return pa.Table.from_pylist(rows, _CHOSEN)


def _name(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> str:
    row = connection.execute(
        "SELECT rightsholder.name FROM effective_rightsholder AS stated JOIN rightsholder "
        "ON rightsholder.id = effective_id WHERE stated.id = ?",
        [rightsholder_id],
    ).fetchone()
    return f"#{rightsholder_id}" if row is None else clipped(row[0])


PORTFOLIO = Document(
    kind="portfolio",
    name="portfolio",
    version=VERSION,
    model=PortfolioFacts,
    template="portfolio.html.j2",
    read=read_portfolio,
    page_values=page_values,
)
