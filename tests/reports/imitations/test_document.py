"""The page of an imitation audit, its JSON and tables, and its part of a statement: what is said,
what is never said, and nothing hostile in it.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from registry.errors import IntegrityError, NotFoundError
from registry.event_log.events import changing
from registry.home import Home
from registry.imitations.facts import ImitationFacts
from registry.imitations.record import EVENT, named_imitation, record_imitation
from registry.schema.create import create_registry
from registry.storage.database import Registry
from reports.imitations import words
from reports.imitations.document import IMITATION
from reports.statements.document import STATEMENT
from tests.reports.outputs.test_pages import fits, unfold, visit
from tests.reports.statements.test_page import broken_rules
from tests.support.statement_world import make_statement_world
from tests.support.works import NOW

EVIL = "<script>alert(1)</script> \u202egnp =1+1"
OWN, AGAIN, CONTROL = (
    {"count": count, "total": 8, "share": count / 8, "low": count / 20, "high": 0.95} for count in (7, 1, 6)
)
NONE = {"not_measured": "there is none"}
METHOD = {
    "name": "relative",
    "description": "a linear probe",
    "classes": 3,
    "chance": 1 / 3,
    "images": OWN,
    "works": CONTROL,
    "among_artists": OWN,
    "chance_among_artists": 0.5,
    "mean_of_artists": 0.875,
    "artists": [
        {"images": OWN, "works": CONTROL, "among_artists": OWN, "taken_for": [{"name": EVIL, "images": 1}]},
        {"images": NONE, "works": NONE, "among_artists": NONE, "taken_for": []},
    ],
}
INTERVAL = {"value": 0.9, "low": 0.8, "high": 1.0}
DROP = {
    "method": "relative",
    "with_training": OWN,
    "without_training": AGAIN,
    "others_left_out": CONTROL,
    "drop": {"value": 0.75, "low": 0.4, "high": 0.9},
    "p_value": 0.02,
}
MATCHED = {
    "nearer": INTERVAL,
    "works_nearer": INTERVAL,
    "auc": INTERVAL,
    "p_value": 0.001,
    "q_value": 0.002,
    "passes": True,
}
UNMATCHED = {
    "nearer": NONE,
    "works_nearer": NONE,
    "auc": NONE,
    "p_value": None,
    "q_value": None,
    "passes": False,
}
FACTS: dict[str, Any] = {
    "id": "abcdef012345",
    "source": "folder",
    "named": "imitations",
    "ensemble": None,
    "encoder": {"name": "style", "description": "MobileNetV2", "sha256": "a" * 64},
    "settings": {
        "by": "rightsholder",
        "size": 64,
        "works_each": 200,
        "held_out": 0.3,
        "distractors": 50,
        "text": "",
        "rate": 0.05,
        "seed": 0,
    },
    "artists": [
        {"name": EVIL, "rightsholders": [0], "images": 8, "works": [], "works_held_out": []},
        {"name": "Ben Example", "rightsholders": [1], "images": 0, "works": [], "works_held_out": []},
    ],
    "distractors": [{"name": "Cleo Example", "works": []}],
    "methods": [METHOD | {"name": "probe"}, METHOD],
    "matching": [MATCHED, UNMATCHED],
    "assignment": {"p_value": 0.25, "assignments": 4},
    "ablation": {"not_measured": "the images are from outside"},
    "images": [
        {
            "artist": 0,
            "name": f"{EVIL}/1.png",
            "sha256": "b" * 64,
            "identified": {"probe": EVIL, "relative": EVIL},
            "nearer": 0.9,
            "near_copy_of": 7,
            "without": None,
            "identified_without": {},
        }
    ],
    "findings": [f"{EVIL}: not an image"],
    "versions": {"torch": EVIL},
    "seconds": 1.5,
}
ABLATION = {
    "methods": [DROP],
    "artists": [
        {"members_left": 3, "not_measured": None, "methods": [DROP], "nearer": INTERVAL},
        {"members_left": 0, "not_measured": "no member is left", "methods": [], "nearer": NONE},
    ],
}

FIRM: dict[str, Any] = {
    "images_each": 1,
    "most_images": 24,
    "invisible": 2,
    "order_l2": 2040.0,
    "source": "Dai and Gifford",
    "conditions": "It holds for all possible images.",
    "verdicts": [
        {
            "image": 0,
            "method": "relative",
            "taken_for": EVIL,
            "smallest_l2": {"into": "Ben Example", "l2": 31.25, "linf": 4},
            "smallest_linf": {"into": "Ben Example", "l2": 60.0, "linf": 1},
            "benign": 8,
            "turned_by": ["JPEG of quality 75"],
        },
        {
            "image": 0,
            "method": "probe",
            "taken_for": EVIL,
            "smallest_l2": NONE,
            "smallest_linf": {"not_measured": "no change of up to 64 grey levels was found"},
            "benign": 8,
            "turned_by": [],
        },
    ],
}


def recorded(tmp_path: Path, **changed: object) -> Registry:
    registry = create_registry(Home(tmp_path / "home"), now=NOW)
    record_imitation(registry, ImitationFacts.model_validate({**FACTS, **changed}), NOW)
    return registry


def test_page_json_and_tables_say_the_same(tmp_path: Path) -> None:
    """Shares with intervals; what is no cause is said not to be; no name becomes markup."""
    registry = recorded(tmp_path)
    written = IMITATION.write(registry, FACTS["id"], tmp_path, NOW)
    page = written.page.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "7 of 8 images are identified as the artist that they are meant to imitate." in page
    assert "It does not say that a model was trained on them" in page
    assert "the images are from outside" in page
    assert "1 image is a near duplicate of a compared work" in page
    document = json.loads((tmp_path / f"imitation-{FACTS['id']}.json").read_bytes())
    assert document["creditline"] == "imitation"
    assert document["artists"][0]["name"] == EVIL
    with (tmp_path / f"imitation-{FACTS['id']}-artists.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["identified probe"] for row in rows] == ["0.875", ""]
    assert IMITATION.facts_now(registry, FACTS["id"])["event"] == document["event"]


def test_firmness_is_on_page_in_the_table_and_in_words(tmp_path: Path) -> None:
    """Attacks that found nothing are no proof; without them the page says how to ask."""
    registry = recorded(tmp_path, firmness=FIRM)
    page = IMITATION.write(registry, FACTS["id"], tmp_path, NOW).page.read_text(encoding="utf-8")
    assert '<td>relative</td><td class="n">1</td>' in page
    assert '<td class="n">31.2</td><td class="n">1 of 8</td>' in page
    assert "no change of up to 64 grey levels was found" in page
    assert "It holds for all possible images." in page
    with (tmp_path / f"imitation-{FACTS['id']}-firmness.csv").open(encoding="utf-8", newline="") as file:
        turned, not_turned = csv.DictReader(file)
    assert (turned["turned_into"], turned["grey_levels"], turned["length"]) == ("Ben Example", "1", "31.2")
    assert (turned["which"], turned["turned_by_benign"]) == ("JPEG of quality 75", "1")
    assert not_turned["not_turned"].startswith("no change")
    facts = ImitationFacts.model_validate({**FACTS, "firmness": FIRM})
    (said,) = [sentence for sentence in words.sentences(facts) if "under attack" in sentence]
    assert "on 1 image, 1 of 2 identifications turned" in said
    assert "1 by an invisible change of at most 2 grey levels" in said
    nothing = ImitationFacts.model_validate({**FACTS, "firmness": {**FIRM, "verdicts": FIRM["verdicts"][1:]}})
    assert any("does not show that none can" in sentence for sentence in words.sentences(nothing))
    (tmp_path / "other").mkdir()
    without = IMITATION.write(recorded(tmp_path / "other"), FACTS["id"], tmp_path / "other", NOW)
    assert "creditline imitate --firm 1" in without.page.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="firmness names an image"):
        ImitationFacts.model_validate(
            {**FACTS, "firmness": {**FIRM, "verdicts": [{**FIRM["verdicts"][0], "image": 1}]}}
        )


def test_a_drop_is_said_with_its_control_and_interval() -> None:
    """Over all artists and for each; where none was measured, the reason."""
    facts = ImitationFacts.model_validate({**FACTS, "source": "samples", "ensemble": "e" * 12, "ablation": ABLATION})
    assert words.headline(facts).endswith("without training on that artist, 1 of 8.")
    assert "75 percentage points (95 % interval 40 to 90)" in words.cause(facts)
    assert "left out at random: then 6 of 8" in words.cause(facts)
    assert "the 3 members that saw none" in str(words.without(facts, 0))
    assert "no member is left" in str(words.without(facts, 1))
    assert "No rank test was possible" in words.of_artist(facts, 1) or "No image was audited" in words.of_artist(
        facts, 1
    )


def test_an_edited_audit_is_not_issued(tmp_path: Path) -> None:
    """Neither if the event no longer has its hash, nor if it is in another form."""
    registry = recorded(tmp_path)
    with registry.connection() as connection:
        connection.execute("UPDATE event SET after = replace(after, '0.875', '0.125') WHERE kind = ?", [EVENT])
    with pytest.raises(IntegrityError):
        IMITATION.write(registry, FACTS["id"], tmp_path, NOW)
    with changing(registry, NOW) as change:
        change.record(EVENT, "imitation ffff", after={"id": "ffff"})
    with registry.connection() as connection, pytest.raises(IntegrityError, match="cannot be read"):
        named_imitation(connection, "ffff")
    with registry.connection() as connection, pytest.raises(NotFoundError):
        named_imitation(connection, "0000")


def test_the_statement_of_the_artist_lists_the_audit(tmp_path: Path) -> None:
    """And nobody else's does; without an audit the field is not there."""
    world = make_statement_world(tmp_path)
    ada = world.holder("Ada Example")
    before = STATEMENT.facts_now(world.registry, f"#{ada}")
    assert "imitations" not in before
    artists = [{**FACTS["artists"][0], "rightsholders": [ada]}, FACTS["artists"][1] | {"rightsholders": [10**6]}]
    record_imitation(world.registry, ImitationFacts.model_validate({**FACTS, "artists": artists}), NOW)
    written = STATEMENT.write(world.registry, f"#{ada}", tmp_path / "out", NOW)
    page = written.page.read_text(encoding="utf-8")
    assert "Images that were made to imitate" in page
    assert "<script" not in page
    [listed] = STATEMENT.facts_now(world.registry, f"#{ada}")["imitations"]
    assert listed["identified"]["count"] == 7
    assert listed["training_added"] is None


@pytest.mark.browser
def test_the_page_fits_desk_and_phone(browser: Browser, tmp_path: Path) -> None:
    """With a drop and hostile names; every table says what its cells are about."""
    registry = recorded(tmp_path, source="samples", ensemble=None, ablation=ABLATION, firmness=FIRM)
    written = IMITATION.write(registry, FACTS["id"], tmp_path, NOW)
    for width in (390, 1280):
        with visit(browser, written.page, width, "dark") as page:
            unfold(page)
            assert fits(page, width)
            assert page.evaluate("[...document.querySelectorAll('th')].every(cell => cell.scope)")
            assert broken_rules(page) == []
