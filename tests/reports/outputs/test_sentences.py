"""The findings in plain words: clear without statistics, and right with it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product

import pytest

from attribution.audit.record import AuditSettings
from benchmarks.record import RESULTS
from registry.outputs.grades import GRADES, Grade
from reports.facts import NotMeasured
from reports.outputs.facts import Candidate, Effect, ReportFacts
from reports.outputs.read import read_audit
from reports.outputs.selection import newest_audits
from reports.outputs.sentences import (
    WRONG_CODES,
    assignment,
    at_the_limit,
    brief,
    certainty,
    grading,
    headline,
    meaning_of_p,
    passing_together,
    slight_ones,
)
from reports.rendering.wording import percent
from tests.support.world import World


def first(facts: ReportFacts) -> str:
    return headline(facts.output, facts.ensemble, facts.candidates)


def sure(facts: ReportFacts, **method: object) -> str:
    return certainty(facts.output, facts.ensemble, facts.method.model_copy(update=method), facts.candidates)


def test_verdict_sentences(world: World) -> None:
    """One sentence each for one unit, several, and none; the p-value is told as a count of other
    groups of models, the q-value as a share of wrong findings.
    """
    with world.registry.session() as session:
        reports = [read_audit(session, world.home, audit) for audit in newest_audits(session)]
    one, several, none, image = (report.facts for report in reports)
    assert one.verdict.sentence == first(one) == "This output traces to “Red apple” by Kestrel Studio."
    assert one.verdict.explanation == f"{sure(one)} {passing_together(one.rightsholder_tests, one.ensemble)}"
    assert "more strongly than any of 204 other groups of models" in sure(one)
    assert (
        "Tests that accept only findings as sure as this one name on average at most 2.9 % by chance; a test that names "
        "nothing counts as 0 %." in sure(one)
    )
    assert first(several) == ("This output traces to “Yellow sun” by Open Shapes Project, and in part to 1 other work.")
    assert first(none) == "No single work was found to explain this output."
    outside = one.model_copy(update={"output": one.output.model_copy(update={"kind": "image"})})
    assert first(outside) == "For this image, these models lean on “Red apple” by Kestrel Studio."
    assert "does not say that the image was made by them" in sure(outside)
    assert "does not say that the output is a copy" in sure(one)
    last = max(each.q_value for each in several.candidates if each.passes)
    assert f"findings as sure as these 2 name on average at most {percent(last)} by chance" in sure(several)
    assert "traces" not in brief(first(outside))
    assert "not a failure: an output may" in sure(none)
    found = none.model_copy(update={"output": none.output.model_copy(update={"kind": "image"})})
    assert "most similar to the image, none" in sure(found)
    assert "output" not in sure(found)
    assert "audits name on average at most 5 % by chance" in sure(none)
    assert meaning_of_p(none.candidates[0], none.method, none.ensemble) == (
        "Of 204 other groups of models, 12 pull the output towards this work at least as strongly as the models that saw it."
    )
    blind = sure(none, decoys=9, smallest_p=0.1, smallest_q=0.4)
    assert "No work could have been found on its own" in blind
    assert "even the strongest result possible misses the limit of 5 %" in blind
    assert "tested no unit" in sure(none.model_copy(update={"candidates": []}))
    assert image.verdict.sentence == first(image)


def test_no_sentence_needs_statistics(world: World) -> None:
    """Neither p nor q, nor the words of the method, stand in a verdict."""
    with world.registry.session() as session:
        for audit in newest_audits(session):
            verdict = read_audit(session, world.home, audit).facts.verdict
            for word in ("p =", "q =", "p-value", "decoy", "null hypothesis", "discovery rate"):
                assert word not in verdict.sentence + verdict.explanation


def test_nested_codes_are_told_with_their_support(world: World) -> None:
    """The page says which members the works of one group can be in, and whom the test compares."""
    with world.registry.session() as session:
        facts = read_audit(session, world.home, newest_audits(session)[0]).facts
    plain_codes = facts.ensemble
    assert plain_codes.support is None
    assert f"assigned at random to {plain_codes.h} of {plain_codes.n} members" in assignment(plain_codes)
    nested = plain_codes.model_copy(update={"n": 12, "h": 4, "within": "rightsholder", "support": 9})
    said = assignment(nested)
    assert "The works of one rightsholder can be in 9 of the 12 members only" in said
    assert "assigned at random to 4 of these" in said
    assert "The other 3 members trained on none of them" in said
    assert "other groups of 4 of the same 9 members" in said
    assert "“house” group" in assignment(nested.model_copy(update={"within": "house"}))


def test_rightsholders_that_pass_together_stand_in_the_verdict(world: World) -> None:
    """Also where no single work passes: else the page would contradict its first sentence."""
    with world.registry.session() as session:
        reports = [read_audit(session, world.home, audit).facts for audit in newest_audits(session)]
    told = 0
    for facts in reports:
        said = passing_together(facts.rightsholder_tests, facts.ensemble)
        tests = facts.rightsholder_tests
        passing = [] if isinstance(tests, NotMeasured) else [each.name for each in tests.tested if each.passes]
        assert bool(said) == bool(passing)
        assert all(f"“{name}”" in said for name in passing)
        assert facts.verdict.explanation.endswith(said)
        told += bool(passing) and not any(each.passes for each in facts.candidates)
    assert told


def graded(facts: ReportFacts, grades: Sequence[Grade | None], groups: Sequence[int | None] = ()) -> list[Candidate]:
    """Candidates with these grades, named by rank; the first has the least effect."""
    one = facts.candidates[0]
    return [
        one.model_copy(
            update={
                "rank": place + 1,
                "label": f"Work {place + 1}",
                "grade": grade,
                "passes": grade != "not shown",
                "group_number": groups[place] if groups else None,
                "effect": Effect(value=0.5, low=0.1 + 0.01 * place, high=0.9),
            }
        )
        for place, grade in enumerate(grades)
    ]


def facts_of_first(world: World) -> ReportFacts:
    with world.registry.session() as session:
        return read_audit(session, world.home, newest_audits(session)[0]).facts


MAIN_SOURCE, CONTRIBUTES, *_ = GRADES
NUMBERS = (0, 1, 2, 5)


@pytest.mark.parametrize("generated", [True, False])
def test_headline_names_main_sources_alone(world: World, generated: bool) -> None:
    """Over all counts: every work that is named is a main source, unless there is none; works that
    are slight are in no count of the headline, and every passing work is counted once.
    """
    facts = facts_of_first(world)
    output = facts.output.model_copy(update={"kind": "sample" if generated else "image"})
    for main, part, slight, nothing in product(NUMBERS, repeat=4):
        counts: dict[Grade, int] = dict(zip(GRADES, (main, part, slight, nothing), strict=True))
        grades = [grade for grade, amount in counts.items() for _ in range(amount)]
        candidates = graded(facts, grades)
        said = headline(output, facts.ensemble, candidates)
        second = slight_ones(facts.ensemble, candidates)
        names = [int(number) for number in re.findall("“Work (\\d+)”", said)]
        numbers = [int(number) for number in re.findall("(?<!“Work )\\b(\\d+) (?:other )?works?\\b", said)]
        if main:
            assert names
            assert all(number <= main for number in names)
            counted = [main] if main > 3 else []
            assert numbers == counted + ([part] if part else [])
            assert ("in part" in said) == (part > 0)
        elif part:
            assert names == [part], "the largest effect"
            assert numbers == ([part] if part > 1 else [])
            assert "None is a main source" in said
        elif slight:
            assert not names
            assert "no work that matters" in said
            assert numbers == [slight]
        else:
            assert not names
            assert said.startswith("No single work was found")
        if slight and (main or part):
            assert second.startswith(f"{slight} other work")
            assert "detectable but slight" in second
        else:
            assert second == ""


def test_audits_without_grades_name_one_work_and_say_so(world: World) -> None:
    """An audit of an earlier version has no grades: its headline does not say that all matter."""
    facts = facts_of_first(world)
    assert headline(facts.output, facts.ensemble, graded(facts, [None])) == (
        "This output traces to “Work 1” by Kestrel Studio; how much it matters was not graded."
    )
    said = headline(facts.output, facts.ensemble, graded(facts, [None] * 3))
    assert said == (
        "This output traces first of all to “Work 1” by Kestrel Studio; how much it and 2 other works matter was not graded."
    )


def test_works_of_one_rightsholder_stand_together(world: World) -> None:
    """Its name is said once; others keep their place."""
    facts = facts_of_first(world)
    one, two, three = graded(facts, [MAIN_SOURCE] * 3)
    works = [work.model_copy(update={"rightsholders": ["Ada Example"]}) for work in two.works]
    other = two.model_copy(update={"works": works})
    assert headline(facts.output, facts.ensemble, [one, two]) == (
        "This output traces to “Work 2” and “Work 1” by Kestrel Studio."
    )
    said = headline(facts.output, facts.ensemble, [one, other, three])
    assert said == "This output traces to “Work 3” and “Work 1” by Kestrel Studio, and “Work 2” by Ada Example."


def test_look_alikes_are_one_finding(world: World) -> None:
    """They are named with an or, and counted as a group."""
    facts = facts_of_first(world)
    two_groups = [MAIN_SOURCE, MAIN_SOURCE, CONTRIBUTES, CONTRIBUTES]
    said = headline(facts.output, facts.ensemble, graded(facts, two_groups, [1, 1, 2, 2]))
    assert said == (
        "This output traces to “Work 1” by Kestrel Studio or “Work 2” by Kestrel Studio, which the test cannot tell apart, "
        "and in part to 1 other group of look-alikes."
    )
    said = headline(facts.output, facts.ensemble, graded(facts, [CONTRIBUTES] * 5, [1, 1, 1, 1, None]))
    assert "in part to 1 work and 1 group of look-alikes, most of all “Work 5”" in said
    said = headline(facts.output, facts.ensemble, graded(facts, [MAIN_SOURCE] * 4, [1] * 4))
    assert said.startswith("This output traces to “Work 1” by Kestrel Studio or 3 look-alikes of it, which")
    assert "the models that saw these look-alikes" in sure(
        facts.model_copy(update={"candidates": graded(facts, [MAIN_SOURCE] * 2, [1, 1])})
    ).replace("The models", "the models")


def test_a_result_at_the_limit_says_so(world: World) -> None:
    """At the best q of one finding; borderline only if the next one would not be found."""
    facts = facts_of_first(world)
    one = facts.candidates[0].model_copy(update={"q_value": 0.03})
    borderline = facts.method.model_copy(update={"smallest_q": 0.03})
    assert "it is borderline" in at_the_limit([one], borderline)
    sure_of_it = facts.method.model_copy(update={"smallest_q": 0.01})
    said = at_the_limit([one.model_copy(update={"q_value": 0.01})], sure_of_it)
    assert said == "No surer result is possible for one finding alone with these members."
    assert at_the_limit([one], sure_of_it) == ""


def test_the_thresholds_stand_on_the_page(world: World) -> None:
    """Those of the audit, with how often they err; an audit of an early version has none."""
    facts = facts_of_first(world)
    assert "main source from 10 % of the way, contributes from 3 %" in grading(facts.method)
    page = (world.render(world.home.root / "grading").index.parent / f"{facts.output.id}.html").read_text()
    assert grading(facts.method) in page
    assert grading(facts.method.model_copy(update={"settings": {}})) == ""


def test_how_often_grades_err_is_what_was_measured() -> None:
    """Every number of the sentence is in the benchmark's result, at the thresholds of today."""
    measured = json.loads((RESULTS / "grades" / "held_out_sizes.json").read_bytes())["results"]["wrong_codes"]
    named = {name: each["audits_with_a_main_source"] for name, each in measured["sets"].items()}
    everywhere, adapters = measured["all"]["audits_with_a_main_source"], named["text"]  # the home of text to image
    assert adapters["count"] == everywhere["count"] == sum(each["count"] for each in named.values())
    assert measured["thresholds"]["main_source"] == AuditSettings().main_source
    assert (
        f"where benchmarks gave all works wrong codes, {everywhere['count']} of {everywhere['total']} audits named a main source "
        f"at {percent(measured['thresholds']['main_source'])}, and all {adapters['count']} were among the {adapters['total']} "
        "of adapters"
    ) == WRONG_CODES
