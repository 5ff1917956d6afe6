"""The CSV: RFC 4180, UTF-8, harmless in a spreadsheet, and the same bytes for the same facts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.outputs.candidates_table import CELL_LIMIT, COLUMNS, candidates_csv
from reports.outputs.facts import ReportFacts
from reports.outputs.read import read_audit
from reports.outputs.selection import newest_audits
from tests.support.golden import check_golden
from tests.support.world import World


@pytest.fixture(scope="session")
def facts(world: World) -> list[ReportFacts]:
    with world.registry.session() as session:
        return [read_audit(session, world.home, audit).facts for audit in newest_audits(session)]


def with_label(audit: ReportFacts, label: str) -> ReportFacts:
    return audit.model_copy(update={"candidates": [audit.candidates[0].model_copy(update={"label": label})]})


def read_back(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def test_golden(facts: list[ReportFacts]) -> None:
    """One row per candidate over all audits, byte for byte."""
    check_golden(Path(__file__).parent / "golden" / "candidates.csv", candidates_csv(facts))


def test_rows_and_line_ends(facts: list[ReportFacts]) -> None:
    """Every candidate is one record of all columns, ended by CR LF."""
    data = candidates_csv(facts)
    rows = read_back(data)
    assert len(rows) == sum(len(audit.candidates) for audit in facts)
    assert data.count(b"\r\n") == data.count(b"\n") == len(rows) + 1
    assert all(tuple(row) == COLUMNS for row in rows)


@pytest.mark.parametrize(
    "label", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u200b=1", "＝1+1", "\0=1", "-2+3"]
)
def test_formulas_are_neutralised(facts: list[ReportFacts], label: str) -> None:
    """Text that a spreadsheet would run starts with an apostrophe, whatever stands before its
    sign.
    """
    assert read_back(candidates_csv([with_label(facts[0], label)]))[0]["unit_label"].startswith("'")


def test_numbers_stay_numbers(facts: list[ReportFacts]) -> None:
    """A negative number is a number and gets no apostrophe; what was not measured is empty, with
    its reason beside.
    """
    audit = facts[0]
    changed = audit.model_copy(update={"candidates": [audit.candidates[0].model_copy(update={"score": -0.125})]})
    assert read_back(candidates_csv([changed]))[0]["score"] == "-0.125"
    image = read_back(candidates_csv([facts[-1]]))[0]
    assert image["influence_exact"] == ""
    assert "not generated here" in image["influence_not_measured"] or "no noise" in image["influence_not_measured"]


@settings(max_examples=40, deadline=None)
@given(label=st.text(max_size=60))
def test_any_text_survives_as_one_cell(facts: list[ReportFacts], label: str) -> None:
    """Whatever a title holds, the file stays one record per candidate and is valid UTF-8."""
    rows = read_back(candidates_csv([with_label(facts[0], label)]))
    assert len(rows) == 1
    assert rows[0]["rank"] == "1"
    assert rows[0]["artefact_state"] == "intact"


def test_endless_text_is_cut(facts: list[ReportFacts]) -> None:
    """A cell never exceeds what a spreadsheet takes, where the rest would spill into other
    cells.
    """
    cell = read_back(candidates_csv([with_label(facts[0], "x" * 100_000)]))[0]["unit_label"]
    assert len(cell) == CELL_LIMIT + 1
