"""``creditline landscape``: every unit's influence as a plot and as tables."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from registry.storage.tables import Audit
from reports.outputs.landscapes import KINDS
from tests.support.running import Creditline
from tests.support.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A registry without audits."""
    return make_world(tmp_path / "home")


@pytest.fixture
def audit(world: World) -> Audit:
    """An audit with all four kinds of influences."""
    return world.add_audit((0, 20, 50), sample=world.add_sample(0), exact=True)


@pytest.fixture
def creditline(world: World) -> Creditline:
    """The command line on that registry."""
    return Creditline(world.registry.home.root)


def test_tables_have_every_unit_in_every_form(creditline: Creditline, audit: Audit, tmp_path: Path) -> None:
    """JSON on stdout, JSON and CSV as files, the printed table: the same numbers, largest first
    where people read.
    """
    printed = creditline("landscape", audit.id, "--json")
    assert printed.status == 0
    facts = printed.document
    numbers = [row["unit"] for row in facts["units"]]
    assert numbers == sorted(numbers)
    for kind in KINDS:
        values = [row[kind] for row in facts["units"]]
        assert facts["kinds"][kind]["radius"] == pytest.approx(max(values), rel=0.12)
    assert facts["kinds"]["estimate"]["error"]["rank_correlation"] == 1.0
    assert facts["kinds"]["estimate_lpips"]["members_per_step"] == 3
    assert facts["lpips"]["net"] == "alex"
    for name in ("all.json", "all.csv"):
        assert creditline("landscape", audit.sample_id, "--out", tmp_path / name).status == 0
    assert json.loads((tmp_path / "all.json").read_text())["units"] == facts["units"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert [float(row["exact_lpips"]) for row in rows] == [row["exact_lpips"] for row in facts["units"]]
    table = creditline("landscape", audit.id, "--limit", 2)
    largest = max(facts["units"], key=lambda row: row["exact"])
    assert largest["label"] in table.out.splitlines()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_stands_on_its_own(creditline: Creditline, audit: Audit, tmp_path: Path, kind: str) -> None:
    """Well-formed SVG in its namespace, with every colour that it uses, and what it shows written
    in it.
    """
    path = tmp_path / "plot.svg"
    assert creditline("landscape", audit.id, "--out", path, "--kind", kind).status == 0
    text = path.read_text()
    root = ET.fromstring(text)  # noqa: S314  # drawn here
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for colour in ("--ink", "--muted", "--quiet", "--accent", "--line"):
        assert f"{colour}: #" in root.attrib["style"]
    assert ("LPIPS" in text) == kind.endswith("lpips")


def test_what_was_not_measured_is_said(creditline: Creditline, world: World, tmp_path: Path) -> None:
    """An estimate alone: the exact values are empty, with their reason, and cannot be plotted."""
    audit = world.add_audit((0, 20, 50), sample=world.add_sample(1))
    facts = creditline("landscape", audit.id, "--json").document
    assert {row["exact"] for row in facts["units"]} == {None}
    assert "--exact" in facts["kinds"]["exact"]["not_measured"]
    assert creditline("landscape", audit.id, "--out", tmp_path / "plot.svg").status == 0
    refused = creditline("landscape", audit.id, "--out", tmp_path / "none.svg", "--kind", "exact")
    assert refused.status == 2
    assert "audit with --exact" in refused.err
    assert not (tmp_path / "none.svg").exists()
    assert "not measured" in creditline("landscape", audit.id).err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--out", "plot.png"), "ends in one of .svg, .csv, .json"),
        (("--kind", "guess"), "expected one of exact"),
    ],
)
def test_what_makes_no_sense_is_refused(
    creditline: Creditline, audit: Audit, arguments: tuple[str, ...], reason: str
) -> None:
    """With what there is to choose from."""
    refused = creditline("landscape", audit.id, *arguments)
    assert refused.status == 2
    assert reason in refused.err
    assert creditline("landscape", "nothing").status == 2
