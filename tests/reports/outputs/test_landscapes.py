"""Landscapes in reports: gaps, errors of estimates, and what a page says of LPIPS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reports.facts import NotMeasured
from reports.issuing.stamp import UNSTAMPED
from reports.outputs.documents import REPORT
from reports.outputs.facts import EstimateError, Landscape
from reports.outputs.landscapes import landscape_csv, landscape_svg
from reports.outputs.plots import influence_plot
from reports.outputs.read import read_audit
from tests.support.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A registry without audits."""
    return make_world(tmp_path)


FILES = {"html": "file.html", "json": "file.json"}


def page_of(world: World, *, exact: bool) -> str:
    audit = world.add_audit((0, 20, 50), sample=world.add_sample(0), exact=exact)
    with world.registry.session() as session:
        return REPORT.page(read_audit(session, world.registry.home, audit), FILES, UNSTAMPED)


def test_a_page_has_lpips_with_what_it_was_measured_with(world: World) -> None:
    """Network, version and enlargement; the error of the estimates; the members that carried the
    tangents.
    """
    page = page_of(world, exact=True)
    assert "LPIPS 0.1 with alex, on images enlarged to 64 pixels a side" in page
    assert "rank correlation 1, relative error 9" in page.replace("1.00", "1")
    assert "The estimate’s tangents went through 3 members a step" in page


def test_a_page_without_lpips_says_why_once_a_candidate(world: World) -> None:
    """A reason in the place of the number, and one sentence in the place of two plots."""
    page = page_of(world, exact=False)
    assert page.count("no LPIPS weights are here") == 1
    assert "enlarged" not in page


def test_units_that_were_not_measured_leave_a_gap_in_the_plot(world: World) -> None:
    """They are not drawn at zero, and the others keep their ranks; what is lost has its reason."""
    values = np.array([3.0, np.nan, 5.0, 1.0])
    landscape = Landscape(
        method="ablation", radius=5.0, unit_number=2, label="third", members_per_step=None, error=None
    )
    assert "all 3 units" in influence_plot(landscape, values, NotMeasured("no decoys"), {0: 1, 1: 2})
    audit = world.add_audit((0, 20, 50), sample=world.add_sample(0))
    with world.registry.session() as session:
        report = read_audit(session, world.registry.home, audit)
    assert landscape_svg(report, "exact") == report.facts.influence_exact
    lost = replace(report.shown, influences={"estimate": NotMeasured("lost")})
    assert landscape_svg(replace(report, shown=lost), "estimate") == NotMeasured("lost")
    drawn = landscape_svg(report, "estimate")
    assert isinstance(drawn, bytes)
    assert b"<svg xmlns" in drawn


def test_labels_cannot_become_formulas() -> None:
    """A spreadsheet would run them."""
    row = {"unit": 0, "label": "=1+1", "exact": 1.0, "estimate": None, "exact_lpips": None, "estimate_lpips": None}
    assert landscape_csv([row]).splitlines()[1] == b"0,'=1+1,1.0,,,"


def test_an_error_that_could_not_be_computed_keeps_its_reason(world: World) -> None:
    """As where all influences are equal, which have no ranks."""
    audit = world.add_audit((0, 20, 50), sample=world.add_sample(0), exact=True)
    assert audit.landscape is not None
    audit.landscape["estimate"]["against_exact"]["rank_correlation"] = {"not_measured": "all influences are equal"}
    with world.registry.session() as session:
        facts = read_audit(session, world.registry.home, audit).facts
    assert isinstance(facts.influence_estimate, Landscape)
    assert isinstance(facts.influence_estimate.error, EstimateError)
    assert facts.influence_estimate.error.rank_correlation == NotMeasured("all influences are equal")
