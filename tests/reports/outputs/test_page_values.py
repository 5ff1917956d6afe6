"""What a report's page says beside the facts: its strength, its order, and its marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.facts import NotMeasured
from reports.issuing.stamp import UNSTAMPED
from reports.outputs.documents import INDEX, index_of
from reports.outputs.facts import Effect, ReportFacts
from reports.outputs.illustrations import Report
from reports.outputs.page import effect_in_words, has_slight_effect, in_order, index_values, mark, report_values
from reports.outputs.read import read_audit
from reports.outputs.selection import newest_audits
from tests.support.world import World


@pytest.fixture(scope="module")
def reports(world: World) -> list[Report]:
    """One report of every kind."""
    with world.registry.session() as session:
        return [read_audit(session, world.home, audit) for audit in newest_audits(session)]


def graded(facts: ReportFacts, *grades: str) -> ReportFacts:
    """The facts with other grades for the first candidates, all of which pass."""
    candidates = [
        each.model_copy(update={"grade": grades[place], "passes": True}) if place < len(grades) else each
        for place, each in enumerate(facts.candidates)
    ]
    return facts.model_copy(update={"candidates": candidates})


def test_the_main_source_comes_first_whatever_its_q(reports: list[Report]) -> None:
    """By grade, and slight effects are told apart from sources."""
    facts = graded(reports[1].facts, "detectable but slight", "main source")
    assert [each.rank for each in in_order(facts)] == [2, 1]
    assert [mark(each) for each in in_order(facts)] == ["Main source", "Detectable but slight"]
    values = report_values(Report(facts, reports[1].shown))
    assert [[each.rank for each in values[name]] for name in ("sources", "slight")] == [[2], [1]]  # type: ignore[attr-defined]


def test_strength_in_words(reports: list[Report]) -> None:
    """A q close under the rate is borderline; a slight effect is weak; nothing found is told so."""
    labels = [report_values(report)["strength"] for report in reports]
    assert labels[0] == "Borderline finding", "0.029 at a rate of 0.05"
    assert labels[1] == "Strong finding"
    assert labels[2] == "No source found"
    slight = graded(reports[1].facts, "detectable but slight", "detectable but slight")
    values = report_values(Report(slight, reports[1].shown))
    assert values["strength"] == "Weak finding"
    assert "slight" in str(values["lead"])


def test_an_effect_is_claimed_of_a_source_alone(reports: list[Report]) -> None:
    """Of another candidate the interval is told; what was not measured says why."""
    source, other = (reports[0].facts.candidates[place] for place in (0, 1))
    effect = Effect(value=0.06, low=-0.04, high=0.18)
    told = effect_in_words(source.model_copy(update={"effect": effect}))
    assert told.startswith("The models that saw the work move the output 6 % of the way")
    told = effect_in_words(other.model_copy(update={"effect": effect}))
    assert told.startswith("If there is an effect")
    assert "between −4 % and 18 %" in told
    assert "too few" in effect_in_words(other.model_copy(update={"effect": NotMeasured("too few codes")}))
    assert has_slight_effect(other.model_copy(update={"effect": NotMeasured("too few codes"), "grade": None}))


def test_no_estimate_stands_beside_its_exact_value(site: Path) -> None:
    """Neither for a candidate nor as a plot of all units, where the exact values were measured."""
    exact = (site / "dfa508c296aa.html").read_text()
    assert "Influence, exact ablation" in exact
    assert "first-order estimate</dt>" not in exact
    assert "By first-order estimate from the Jacobian" not in exact
    assert "By first-order estimate from the Jacobian" in (site / "642fe51e78f5.html").read_text()


def test_an_image_from_outside_is_no_output(site: Path) -> None:
    """Its page never says that these models made it, that it has a source, or that they regenerated
    it; and it says that it is not known whether they saw it.
    """
    (path,) = site.glob("f4daddbf*.html")
    page = path.read_text().split("<body>")[1]
    for claimed in ("The output", "the output", "regenerated", "Main source", "The source", "Influence", "traces to"):
        assert claimed not in page.split("What this does not prove")[0], claimed
    assert "For this image, these models lean on" in page
    assert '<span class="mark">The models lean on it</span>' in page
    assert "There is no picture without the work" in page
    assert "Whether the models saw this very image is not known: this audit was made before" in page
    assert "regenerated" not in page.split("What this does not prove")[1].split("How we know")[1]


def test_an_effect_on_an_image_from_outside_moves_what_the_models_make_of_it(reports: list[Report]) -> None:
    """The image itself does not change."""
    effect = Effect(value=0.06, low=0.04, high=0.18)
    source = reports[0].facts.candidates[0].model_copy(update={"effect": effect})
    assert "move what they make of the image 6 % of the way" in effect_in_words(source, generated=False)
    graded_as = [source.model_copy(update={"grade": grade}) for grade in ("main source", "contributes", None)]
    assert [mark(each, generated=False) for each in graded_as] == [
        "The models lean on it",
        "They lean on it in part",
        "Found, not graded",
    ]


def test_an_index_folds_all_but_its_first_outputs(reports: list[Report], monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary counts the others; none is lost."""
    monkeypatch.setattr("reports.outputs.page.OPEN_OUTPUTS", 1)
    index = index_of([each.for_index() for each in reports], [each.facts.output.id for each in reports], [], [], [])
    page = INDEX.page(index, {}, UNSTAMPED)
    summary = f"<summary>{len(reports) - 1} further outputs</summary>"
    assert page.count("<h3>") == len(reports)
    assert page.split(summary)[0].count("<h3>") == 1


def test_an_index_calls_no_slight_effect_a_source(reports: list[Report]) -> None:
    """The picture beside an output is the source only where the verdict names one."""

    def beside(facts: ReportFacts) -> str:
        report = Report(facts, reports[1].shown)
        index = index_of([report.for_index()], [facts.output.id], [], [], [])
        ((*_others, said),) = index_values(index.facts, [report.for_index()])["entries"]  # type: ignore[misc]
        return str(said)  # type: ignore[has-type]

    slight = "detectable but slight"
    assert beside(graded(reports[1].facts, slight, slight)) == "a slight effect"
    assert beside(graded(reports[1].facts, slight, "main source")) == "the source"
    none = [each.model_copy(update={"passes": False, "grade": "not shown"}) for each in reports[1].facts.candidates]
    assert beside(reports[1].facts.model_copy(update={"candidates": none})) == "looks most alike"


def test_works_without_an_effect_fold_away(site: Path) -> None:
    """They stand after a summary, and no picture of the output is repeated for them."""
    page = (site / "dfa508c296aa.html").read_text()
    assert page.index("5 similar works without a shown effect</summary>") < page.index("No effect shown")
    assert page.count('alt="The output"') == 1
    assert page.count('<span class="mark">') == 6
    assert "Passes the test" not in page
