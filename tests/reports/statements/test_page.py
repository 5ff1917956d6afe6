"""The page and files of a statement: what they carry, that hostile text stays text, and how it
looks in a browser.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from registry.errors import InputError
from registry.event_log.events import changing
from registry.ids import sha256_of, sha256_of_file
from registry.storage.database import Registry
from reports.checking.document_types import KINDS
from reports.issuing.document import Written
from reports.issuing.issue import find_issued
from reports.issuing.stamp import SUFFIX, Stamp
from reports.statements.document import STATEMENT
from reports.statements.page import CARDS, OPEN_CARDS, Statement, works_found
from tests.reports.outputs.test_pages import visit
from tests.support.sealing import reseal
from tests.support.statement_world import StatementWorld, make_filled_statement_world, record_run
from tests.support.works import NOW
from tests.support.world import HOSTILE

ADA = "Ada Example"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Written[Statement]]:
    """A statement of a rightsholder whose name, titles and labels are hostile, and one of whose
    images is gone.
    """
    world = make_filled_statement_world(tmp_path_factory.mktemp("hostile"))
    soil(world)
    record_run(world, {HOSTILE: (0.0002, 0.0006), "Bo Example": (0.4, 0.5)})
    lost = next(each.output for each in world.drawn if each.generated and each.newest and each.passes)
    world.registry.home.sample_image(lost).unlink()
    holder = world.holder(HOSTILE)
    return world.registry, STATEMENT.write(world.registry, f"#{holder}", tmp_path_factory.mktemp("given"), NOW)


def soil(world: StatementWorld) -> None:
    """Text that no page may run: with markup, writing directions, emoji, NULs and a hundred
    thousand characters.
    """
    with changing(world.registry, NOW) as change:
        for query in (
            "UPDATE rightsholder SET name = ? WHERE name = 'Ada Example'",
            "UPDATE asset_rights SET title = ? || chr(0) || id WHERE id % 2 = 0",
            "UPDATE unit SET label = ? || chr(0)",
            "UPDATE data_set SET name = ?",
        ):
            change.connection.execute(query, [HOSTILE])
    reseal(world.registry)


def test_files_are_stamped_and_named_in_the_log(hostile: tuple[Registry, Written[Statement]]) -> None:
    """Page and document carry the same stamp, tables have it beside them, the log has the hash of
    every file, and the facts that are read again for the stamp's subject have its hash.
    """
    registry, given = hostile
    page = given.page.read_text("utf-8")
    document = json.loads(given.page.with_suffix(".json").read_bytes())
    stamp = document.pop("stamp")
    assert (document.pop("creditline"), document.pop("version")) == ("statement", 1)
    assert sha256_of(document) == stamp["facts_sha256"]
    assert sha256_of(KINDS[stamp["kind"]](registry, stamp["subject"])) == stamp["facts_sha256"]
    assert page.count('<meta name="creditline-stamp"') == 1
    assert stamp["facts_sha256"] in page.split("</head>")[0]
    assert "tested once over all images" in page
    assert "taken together, your works made a difference" in page
    assert stamp["log_sha256"] in page.split("<footer")[1]
    assert len(given.files) == 4
    with registry.connection() as connection:
        for path in given.files:
            found = find_issued(connection, sha256_of_file(path))
            assert found is not None
            assert (found[1].name, found[1].kind) == (path.name, "statement")
    for path in given.files[2:]:
        beside = json.loads(path.with_name(path.name + SUFFIX).read_bytes())
        assert (beside["file_sha256"], beside["stamp"]) == (sha256_of_file(path), stamp)
    assert {path.name for path in given.page.parent.iterdir()} == {
        *(path.name for path in given.files),
        *(path.name + SUFFIX for path in given.files[2:]),
    }


def test_hostile_text_stays_text(hostile: tuple[Registry, Written[Statement]]) -> None:
    """No markup of it is in the page, nor a control character or a change of the writing direction;
    the page stays small.
    """
    page = hostile[1].page.read_text("utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert not {"\0", "\u202e"} & set(page)
    assert len(page) < 1_500_000
    assert hostile[1].page.with_suffix(".json").stat().st_size < 1_000_000


def test_images_are_further_ones_only_beside_images_with_findings(hostile: tuple[Registry, Written[Statement]]) -> None:
    """Where no work passed, the images in which works were tested are named once."""
    _, written = hostile
    statement, tested = written.facts, written.facts.facts.tested
    stamp = Stamp.model_validate(json.loads(written.files[1].read_bytes())["stamp"])
    names = {"html": "a.html", "json": "a.json", "works": "w.csv", "findings": "f.csv"}
    for found, said in ((tested.found, "further image"), (0, "None.")):
        none = statement.facts.model_copy(update={"tested": tested.model_copy(update={"found": found})})
        facts = none if found else none.model_copy(update={"outputs": []})
        page = STATEMENT.page(replace(statement, facts=facts), names, stamp)
        assert said in page
        assert ("further image" in page) == bool(found and tested.tested > found)
        assert page.count("were similar enough to be tested") == (tested.tested > found)


def test_findings_are_listed_by_work(hostile: tuple[Registry, Written[Statement]]) -> None:
    """A work that was found in several images is one entry with all of them; none is lost; every
    image has the picture without the work, or why there is none.
    """
    statement = hostile[1].facts
    generated = [output for output in statement.facts.outputs if output.kind == "sample"]
    found = works_found(statement.facts.outputs)
    places = [(each.finding.audit_id, each.finding.rank) for work in found for each in work.images]
    assert sorted(places) == sorted((each.audit_id, each.rank) for output in generated for each in output.findings)
    assert len(found) < len(places), "some work is found more than once"
    named = [tuple(each.asset_id for each in work.unit.works) for work in found if work.unit.unit_kind == "asset"]
    assert len(named) == len(set(named))
    page = hostile[1].page.read_text("utf-8")
    shown = sum(len(work.shown) for work in found[:CARDS])
    assert page.count("<b>Without ") == shown
    assert page.count("Your share of the image: ") == shown


def test_long_lists_fold_and_say_how_many_they_hold(hostile: tuple[Registry, Written[Statement]]) -> None:
    """Four works and one image of each stand open; summaries count the others, and no folded one is
    lost.
    """
    found = works_found(hostile[1].facts.facts.outputs)[:CARDS]
    page = hostile[1].page.read_text("utf-8")
    assert len(found) > OPEN_CARDS
    further = len(found) - OPEN_CARDS
    assert f"<summary>{further} further work{'s' if further > 1 else ''} that w" in page
    for work in found:
        if more := len(work.shown) - 1:
            assert f"<summary>{more} more image{'s' if more > 1 else ''} in which it was found</summary>" in page
    assert page.count('<div class="finding">') == sum(len(work.shown) for work in found)


def test_formulas_are_defused_in_tables(hostile: tuple[Registry, Written[Statement]]) -> None:
    """No cell begins like a formula."""
    for path in hostile[1].files[2:]:
        text = path.read_text("utf-8")
        assert not any(f"{sign}=" in text or f"{sign}@" in text for sign in (",", "\n", '"'))


def test_missing_picture_is_a_gap(hostile: tuple[Registry, Written[Statement]]) -> None:
    """An image that is gone, and works of which no picture is kept, are said to have none."""
    page = hostile[1].page.read_text("utf-8")
    assert "is missing from the home" in page
    assert "none is kept of it" in page


def test_same_statement_again_is_the_same(hostile: tuple[Registry, Written[Statement]], tmp_path: Path) -> None:
    """Made again at the same time it has the same facts, though the log has grown by the first
    one.
    """
    registry, given = hostile
    again = STATEMENT.write(registry, f"#{given.facts.facts.rightsholder.id}", tmp_path, NOW)
    assert again.facts.facts == given.facts.facts
    for first, second in zip(given.files[2:], again.files[2:], strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_folder_that_is_a_file_is_refused(hostile: tuple[Registry, Written[Statement]], tmp_path: Path) -> None:
    """In one line that says what to do; nothing is left behind."""
    registry, given = hostile
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(InputError, match="move away what lies there or choose another place"):
        STATEMENT.write(registry, f"#{given.facts.facts.rightsholder.id}", tmp_path / "taken", NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def broken_rules(page: Page) -> list[str]:
    """Rules of axe-core that the page breaks, with the first element of each."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_and_is_quiet(browser: Browser, hostile: tuple[Registry, Written[Statement]], width: int) -> None:
    """On a phone and a desk, by day and by night: nothing runs, nothing is asked for, nothing is
    wider than the window, headings are in order, and every table's header cells have their scope.
    """
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        with visit(browser, hostile[1].page, width, scheme) as page:
            assert page.title() != "owned"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].every(image => image.alt && image.naturalWidth > 0)")
            levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
            assert levels.count(1) == 1
            assert all(after <= before + 1 for before, after in pairwise(levels))
            assert page.evaluate("[...document.querySelectorAll('th')].every(cell => cell.scope)")
            assert broken_rules(page) == []
