"""Models on a base model: reports show what the base makes alone, and narrow what they claim."""

from __future__ import annotations

import csv
import json
from html import escape
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from registry.outputs.base_claim import IN_FINE_TUNING, BaseClaim, base_claim, base_claims
from registry.storage.tables import Audit, BaseDetails, BaseModel
from reports.data_sets.document import read_data_set
from reports.facts import NotMeasured
from reports.outputs.documents import REPORT
from reports.outputs.facts import BaseAlone
from reports.outputs.read import read_audit
from reports.outputs.selection import newest_audits
from tests.support.world import BASE, NOON, PROMPT, World, fill, make_world

ALONE = "What would have come without the fine-tuning on these works"


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One audit of every kind, by adapters on a base; read only."""
    made = make_world(tmp_path_factory.mktemp("based"), base=True)
    fill(made)
    return made


@pytest.fixture(scope="module")
def based_site(based: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of ``based``."""
    out = tmp_path_factory.mktemp("site")
    based.render(out)
    return out


def _pages(site: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in site.glob("*.html") if path.stem != "index"}


def _data(site: Path) -> dict[str, dict[str, object]]:
    return {path.stem: json.loads(path.read_text()) for path in site.glob("*.json") if path.stem in _pages(site)}


def test_the_claim_is_read_from_the_recipe_and_the_record(based: World, world: World, tmp_path: Path) -> None:
    """The base stands in the recipe of the ensemble; its name and data set in its own record."""
    with based.registry.connection() as connection:
        claim = base_claim(connection, "e" * 12)
        assert claim == BaseClaim(id=BASE, name=None, training_data=None)
        assert base_claims(connection) == [claim]
        assert base_claim(connection, "f" * 12) is None
    with world.registry.connection() as connection:
        assert base_claim(connection, "e" * 12) is None
        assert base_claims(connection) == []
    assert claim is not None
    assert "training data of the base is unknown" in claim.unknown
    assert IN_FINE_TUNING in claim.scope
    assert BASE[:12] in claim.scope
    recorded = make_world(tmp_path / "home", base=True)
    for number, data_set in enumerate((None, 1)):
        recorded.add(*([BASE_ROW] if not number else []), _details(number, data_set))
        with recorded.registry.connection() as connection:
            known = base_claim(connection, "e" * 12)
        assert known == BaseClaim(BASE, "Small base", None if data_set is None else "shapes")
        assert known is not None
        assert "“Small base”" in known.scope
        assert ("data set “shapes”" in known.unknown) == (data_set is not None)
        told = read_data_set(recorded.registry, "shapes", tmp_path).facts.explanation
        assert ("The base model “Small base” is on record as trained on it." in told) == (data_set is not None)


BASE_ROW = BaseModel(
    id=BASE, pipeline="P", family="sd", prediction="epsilon", schedule={}, latents={}, tokens=16, created_at=NOON
)


def _details(number: int, data_set: int | None) -> BaseDetails:
    return BaseDetails(
        base_id=BASE,
        number=number,
        name="Small base",
        folder="/bases/small",
        data_set_id=data_set,
        recorded_by="tests",
        recorded_at=NOON,
    )


def test_every_verdict_is_about_the_fine_tuning(based_site: Path) -> None:
    """Verdict, limits and index say so, whether something passes or not, also of outside images."""
    pages, data = _pages(based_site), _data(based_site)
    assert len(data) == 4
    for name, page in pages.items():
        assert IN_FINE_TUNING in page
        assert "training data of the base is unknown" in page
        sentence = data[name]["verdict"]["sentence"]  # type: ignore[index]  # JSON
        assert IN_FINE_TUNING in sentence.lower()
        assert data[name]["limits"][0].startswith("Only the fine-tuning is tested.")  # type: ignore[index]
    index = (based_site / "index.html").read_text()
    assert index.lower().count(IN_FINE_TUNING) >= 6
    assert f"to registered works, {IN_FINE_TUNING}.</h1>" in index
    assert index.count("training data of the base is unknown") == 1


def test_the_prompt_stands_by_every_generated_output(based_site: Path) -> None:
    """On its page and in the index, escaped."""
    generated = [
        name
        for name, facts in _data(based_site).items()
        if facts["output"]["kind"] == "sample"  # type: ignore[index]  # JSON
    ]
    shown = f"“<bdi>{escape(PROMPT)}</bdi>”"
    for name in generated:
        assert f"for the prompt {shown}" in _pages(based_site)[name]
    assert (based_site / "index.html").read_text().count(shown) == len(generated) > 0


def test_the_base_alone_is_shown_beside_a_generated_output(based_site: Path) -> None:
    """Picture, words and distance on the page, in the JSON and in the table; none for an image
    from outside, which has no noise.
    """
    pages, data = _pages(based_site), _data(based_site)
    for name, facts in data.items():
        generated = facts["output"]["kind"] == "sample"  # type: ignore[index]  # JSON
        assert (ALONE in pages[name]) == generated
        alone = facts["base_alone"]
        assert isinstance(alone, dict)
        assert alone.get("distance") == (41.5 if generated else None)
        assert ("not_measured" in alone) != generated
        if generated:
            assert "The output regenerated by the base model alone" in pages[name]
    with (based_site / "candidates.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert row["base_model"] == BASE
        assert row["base_alone_distance"] == ("41.5" if row["output_kind"] == "sample" else "")
    assert {row["base_alone_lpips"] for row in rows} == {"", "0.27"}


def test_pixel_reports_say_nothing_of_a_base(world: World, site: Path) -> None:
    """Neither page nor JSON of models without a base has a word about one."""
    for page in _pages(site).values():
        assert "fine-tuning" not in page
        assert "base model" not in page
    for facts in _data(site).values():
        assert "base_alone" not in facts
        assert "base" not in facts["ensemble"]  # type: ignore[operator]  # JSON
    with world.registry.session() as session:
        read = read_audit(session, world.home, newest_audits(session)[0]).facts
    assert read.base_alone is None
    assert read.ensemble.base is None


def test_an_audit_without_it_still_opens(tmp_path: Path) -> None:
    """An audit that did not keep what the base makes alone says so; so does a damaged record."""
    world = make_world(tmp_path / "home", base=True)
    audit = world.add_audit((0, 8), sample=world.add_sample(0))
    with world.registry.session() as session:
        row = session.get_one(Audit, audit.id)
        for kept in (
            None,
            {},
            {"base_alone": 3},
            {"base_alone": {"distance": "far"}},
            {"base_alone": {"distance": 1e999}},
        ):
            report = read_audit(session, world.home, row.model_copy(update={"landscape": kept}))
            assert isinstance(report.facts.base_alone, NotMeasured)
            assert report.shown.base_alone == report.facts.base_alone
        whole = read_audit(session, world.home, row).facts.base_alone
    assert isinstance(whole, BaseAlone)
    assert isinstance(whole.distance_lpips, NotMeasured)
    world.home.audit(audit.id).unlink()
    with world.registry.session() as session:
        gone = read_audit(session, world.home, session.get_one(Audit, audit.id))
    assert isinstance(gone.facts.base_alone, BaseAlone)
    assert isinstance(gone.facts.base_alone.picture_shown, NotMeasured)
    assert REPORT.model is type(gone.facts)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_four_pictures_stand_in_one_row_of_a_desk(based_site: Path, browser: Browser, width: int) -> None:
    """Output, counterfactual, work and base alone: in a row on a desk, below each other by two on
    a phone; nothing overflows.
    """
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((based_site / "dfa508c296aa.html").as_uri())
    tops = {round(box["y"]) for box in (each.bounding_box() for each in page.locator(".plates figure").all()) if box}
    assert len(tops) == (1 if width == 1280 else 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
