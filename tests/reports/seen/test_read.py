"""Three answers, none of which says more than its ground; held by simulation."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from registry.storage.tables import Audit
from reports.facts import NotMeasured
from reports.seen.columns import COLUMNS, cells
from reports.seen.facts import Seen
from reports.seen.read import EARLIER, UNREADABLE, read_seen

FACTS: dict[str, Any] = {
    "method": "m",
    "answer": "nothing_shown",
    "ground": "test",
    "level": 0.05,
    "probes": 39,
    "smallest_p": 0.025,
    "p": 0.5,
    "registered_file": None,
    "statistic": 1.0,
    "nearest": {"asset": 7, "unit": 3},
    "randomisation_p": 0.001,
    "decoys": 100,
}
NO_PROBES = {"probes": 0, "smallest_p": 1.0, "p": {"not_measured": "the encoding keeps no works out of all members"}}
SAID = "was trained on"
DRAWS = 2_000


def answer(
    *, leans: bool = False, kind: str = "image", test: dict[str, Any] | None = None, **changed: Any
) -> Seen | NotMeasured | None:
    """The answer that an audit with these facts is told with."""
    if test is None:
        test = {"seen": {**FACTS, **changed}}
    audit = Audit(
        id="a" * 12,
        ensemble_id="e" * 12,
        subject_kind=kind,
        image_sha256="0" * 64,
        settings={},
        ranker={},
        test=test,
        attributable=leans,
        artefact_sha256="0" * 64,
        versions={},
        timings={},
        created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    )
    return read_seen(audit)


def told(**changed: Any) -> Seen:
    """The same, where there is one."""
    found = answer(**changed)
    assert isinstance(found, Seen)
    return found


def test_by_the_record() -> None:
    """A registered file that members saw, whatever the test says, and not one that they did not."""
    file = {"asset_id": 7, "members": [0, 2], "probe": False}
    found = told(registered_file=file, **NO_PROBES)
    assert (found.answer, found.ground) == ("trained_on", "record")
    assert found.sentence == "This work was trained on: the file is registered work 7, and 2 members in service saw it."
    unseen = told(registered_file={**file, "members": []})
    assert unseen.answer == "nothing_shown"


def test_by_the_test_with_its_error() -> None:
    """Error, probes and the limit of look-alikes are told."""
    found = told(p=0.025)
    assert (found.answer, found.ground) == ("trained_on", "test")
    assert found.sentence == "This work was trained on, by a test with an error of at most 5 %."
    assert "Of 39 works that no member saw by choice, none gives as strong a sign" in found.explanation
    assert "differs from a trained work in a detail alone" in found.explanation


@pytest.mark.parametrize(
    "changed",
    [
        NO_PROBES,
        {"p": 0.075},
        {"probes": 12, "p": 1 / 13},
        {"probes": 12, "p": 0.01},  # a p that so few probes cannot give
        {"p": 0.01, "probes": 0},
        {"p": -1.0},
        {"p": float("nan")},
        {"p": True},
        {"p": 0.025, "registered_file": {"asset_id": 7, "members": [], "probe": True}},
        {**NO_PROBES, "answer": "trained_on"},
        {"answer": "trained_on", "ground": "record"},
    ],
)
@pytest.mark.parametrize("leans", [False, True])
def test_never_trained_on_beyond_its_ground(changed: dict[str, Any], leans: bool) -> None:
    """Without probes, above the level, or by an answer on record that its facts do not support."""
    found = told(leans=leans, **changed)
    assert found.answer == ("leans_on" if leans else "nothing_shown")
    assert SAID not in found.sentence + found.explanation.replace("could be called trained on", "")


def test_what_is_lacking_is_told() -> None:
    """No probes, too few probes, or nothing that stands out."""
    assert "was not tested: the encoding keeps no works out" in told(**NO_PROBES).explanation
    assert "With so few, p cannot be below 0.077" in told(probes=12, p=1 / 13).explanation
    assert "That they did not see it is not shown either." in told().explanation


def test_audits_that_did_not_ask() -> None:
    """Samples have no answer; earlier audits and altered ones say so."""
    assert answer(kind="sample") is None
    assert answer(test={}) == NotMeasured(EARLIER)
    assert answer(level="high") == NotMeasured(UNREADABLE)
    assert answer(test={"seen": "x"}) == NotMeasured(UNREADABLE)


def test_images_that_no_member_saw_are_called_trained_on_at_most_as_often_as_stated() -> None:
    """By the sentence that readers see, with as many probes as reach the level and with more."""
    generator = np.random.default_rng(1)
    for probes in (19, 39):
        said = 0
        for row in generator.normal(size=(DRAWS, probes + 1)):
            p_value = (1 + int((row[1:] >= row[0]).sum())) / (1 + probes)
            said += told(leans=True, probes=probes, p=p_value).sentence.startswith("This work was trained on")
        assert 0.04 <= said / DRAWS <= 0.06


def test_cells() -> None:
    """Every column has a value for an image, and none for a sample."""
    assert cells(told(p=0.025)) == {
        "image_answer": "trained_on",
        "image_answer_ground": "test",
        "image_p": 0.025,
        "image_probes": 39,
    }
    assert set(cells(None)) == {column.name for column in COLUMNS}
    assert set(cells(None).values()) == {None}
