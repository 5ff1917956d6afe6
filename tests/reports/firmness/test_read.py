"""The newest measurement of firmness is read from the log, and never trusted."""

from __future__ import annotations

from typing import Any

import pytest

from registry.event_log.events import changing
from registry.home import Home
from registry.outputs.firmness import EVENT
from registry.schema.create import create_registry
from registry.storage.database import Registry
from reports.facts import NotMeasured
from reports.firmness.facts import Checks, Firmness
from reports.firmness.read import read_firmness
from tests.support.works import NOW

FLIP = {"unit": 2, "label": "Moon", "l2": 12.5, "linf": 2, "rms": 0.5}
VERDICT: dict[str, Any] = {
    "by": "pixels",
    "label": "Sun",
    "l2": {"not_measured": "no change was found in 30 steps"},
    "linf": FLIP,
    "benign": [{"change": "JPEG of quality 75", "same": True}, {"change": "cut", "same": False}],
}
RANKING = {
    **VERDICT,
    "by": "ranking",
    "rankers": [{"name": "pixel-kernel", "weight": 1.0, "search": "slope"}],
    "checks": {"most": 200, "l2": 200, "linf": 12, "ended": ["l2"]},
}
FACTS: dict[str, Any] = {
    "verdicts": [VERDICT],
    "ranking": RANKING,
    "evidence": {
        "sentence": "The test was repeated.",
        "changes": [{"change": "cut", "passes": False, "p": None, "q": None}],
    },
    "theorem": {"order_l2": 1020.0},
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return create_registry(Home(tmp_path_factory.mktemp("home") / "home"), now=NOW)


def read(registry: Registry, audit: str, facts: dict[str, Any]) -> Firmness | NotMeasured | None:
    """The measurement that a reader gets after this event."""
    with changing(registry, NOW) as change:
        change.record(EVENT, f"audit {audit}", after=facts)
    with registry.session() as session:
        return read_firmness(session, audit)


def test_the_newest_event_counts(registry: Registry) -> None:
    """All figures, each with its own reason where it was not measured; none without an event."""
    with registry.session() as session:
        assert read_firmness(session, "never") is None
    read(registry, "a", {**FACTS, "theorem": {"order_l2": 1.0}})
    found = read(registry, "a", FACTS)
    assert isinstance(found, Firmness)
    assert found.order_l2 == 1020.0
    (verdict,) = found.verdicts
    assert verdict.smallest_l2 == NotMeasured("no change was found in 30 steps")
    assert not isinstance(verdict.smallest_linf, NotMeasured)
    assert (verdict.smallest_linf.into, verdict.smallest_linf.linf) == ("Moon", 2)
    assert (verdict.benign, verdict.turned_by) == (2, ["cut"])
    assert found.repeated[0].p_value is None
    assert not isinstance(found.ranking, NotMeasured)
    assert (found.ranking.by, found.ranking.rankers[0].search) == ("ranking", "slope")
    assert found.ranking.checks == Checks(most=200, l2=200, linf=12, ended=["l2"])


def test_a_ranking_that_was_not_attacked_says_why(registry: Registry) -> None:
    """Also one of an earlier version, which did not attack it."""
    without = {name: value for name, value in FACTS.items() if name != "ranking"}
    earlier = read(registry, "c", without)
    assert isinstance(earlier, Firmness)
    assert isinstance(earlier.ranking, NotMeasured)
    assert "earlier version" in earlier.ranking.not_measured
    held = read(registry, "c", {**FACTS, "ranking": {"not_measured": "it rests on captions alone"}})
    assert isinstance(held, Firmness)
    assert held.ranking == NotMeasured("it rests on captions alone")


def test_a_measurement_without_a_limit_is_read(registry: Registry) -> None:
    """Of an earlier version, which counted no checks."""
    earlier = {name: value for name, value in RANKING.items() if name != "checks"}
    found = read(registry, "d", {**FACTS, "ranking": earlier})
    assert isinstance(found, Firmness)
    assert not isinstance(found.ranking, NotMeasured)
    assert found.ranking.checks is None


@pytest.mark.parametrize(
    "change",
    [
        {"verdicts": 5},
        {"verdicts": [1]},
        {"verdicts": [{**VERDICT, "linf": {**FLIP, "linf": "many"}}]},
        {"verdicts": [{**VERDICT, "l2": {**FLIP, "l2": None}}]},
        {"ranking": 5},
        {"ranking": {**RANKING, "rankers": [{"name": "pixel-kernel", "weight": 1.0, "search": "guess"}]}},
        {"ranking": {**RANKING, "checks": {**RANKING["checks"], "most": -1}}},
        {"ranking": {**RANKING, "checks": {**RANKING["checks"], "l2": "many"}}},
        {"ranking": {**RANKING, "checks": {**RANKING["checks"], "ended": ["l1"]}}},
        {"evidence": None},
        {"theorem": {"order_l2": "large"}},
        {"theorem": {"order_l2": True}},
    ],
)
def test_a_hostile_event_is_not_measured(registry: Registry, change: dict[str, Any]) -> None:
    """The reason names the event; the report stays whole."""
    found = read(registry, "b", {**FACTS, **change})
    assert isinstance(found, NotMeasured)
    assert "cannot be read" in found.not_measured
