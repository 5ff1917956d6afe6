"""The settlement table: it adds up, hides nothing, and refuses what it cannot vouch for."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from registry.errors import IntegrityError, NotFoundError
from registry.home import Home
from registry.storage.database import Registry
from reports.issuing.document import Written
from reports.settlements.document import SETTLEMENT, Asked
from reports.settlements.facts import SettlementFacts
from tests.support.statement_world import make_filled_statement_world
from tests.support.world import NOON, World


@pytest.fixture
def small(world: World, tmp_path: Path) -> World:
    """A copy of the world with an audit of every kind, to be changed."""
    shutil.copytree(world.home.root, tmp_path / "home")
    return World(Registry.open(Home(tmp_path / "home")))


def written(world: World, out: Path, subject: str = "rightsholder") -> Written[SettlementFacts]:
    return SETTLEMENT.write(world.registry, subject, out, NOON)


@pytest.mark.parametrize("by", ["rightsholder", "licence", "data-set"])
def test_rows_and_the_unattributed_part_sum_to_the_outputs(small: World, tmp_path: Path, by: str) -> None:
    """In amounts and in shares; the CSV and the Parquet file say the same, the last row is the
    unattributed part.
    """
    found = written(small, tmp_path / "out", by)
    facts = found.facts
    assert facts.outputs.divided > 0
    every = [*facts.rows, facts.unattributed]
    assert sum(row.amount for row in every) == pytest.approx(facts.outputs.divided)
    assert sum(row.share for row in every) == pytest.approx(1.0)
    assert all(row.amount >= 0 for row in every)
    assert facts.unattributed.amount > 0
    files = {path.suffix: path for path in found.files if "table" in path.name and "stamp" not in path.name}
    with files[".csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["share"] * facts.rows_total + ["unattributed"]
    assert [float(row["amount"]) for row in rows] == [row.amount for row in every]
    assert pq.read_table(files[".parquet"]).column("amount").to_pylist() == [row.amount for row in every]


def test_outputs_that_are_not_divided_are_counted_and_said(small: World, tmp_path: Path) -> None:
    """Samples without an audit and images from outside are in no sum, and the page names them."""
    found = written(small, tmp_path / "out")
    outputs = found.facts.outputs
    assert outputs.outside > 0
    assert outputs.audited == outputs.divided + outputs.earlier + outputs.not_divided
    page = found.page.read_text()
    for gap in found.facts.gaps:
        assert gap.split(":")[0] in page
    assert any("outside" in gap for gap in found.facts.gaps)
    assert "Unattributed" in page


def test_a_period_without_outputs_settles_nothing(small: World, tmp_path: Path) -> None:
    """The page says so; there are no rows but the unattributed part, which is empty."""
    found = written(small, tmp_path / "out", "rightsholder 1999-01-01..1999-12-31")
    assert "nothing to settle" in found.facts.verdict
    assert found.facts.rows == []
    assert found.facts.unattributed.amount == 0


def test_the_facts_are_read_again_alike(small: World, tmp_path: Path) -> None:
    """What a later check compares: the same registry gives the same facts."""
    document = json.loads(next(p for p in written(small, tmp_path / "o").files if p.suffix == ".json").read_bytes())
    again = SETTLEMENT.facts_now(small.registry, "rightsholder")
    assert {name: document[name] for name in again} == json.loads(json.dumps(again))


def test_an_altered_share_is_refused(small: World, tmp_path: Path) -> None:
    """The audit's row is sealed: nothing is written."""
    with small.registry.connection() as connection:
        connection.execute("UPDATE audit SET test = replace(test::VARCHAR, '0.32', '0.52')")
    with pytest.raises(IntegrityError):
        written(small, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


@pytest.mark.parametrize("subject", ["house", "rightsholder 2026", "licence 2026-13-01..", "rightsholder x..y"])
def test_an_unknown_subject_is_not_found(subject: str) -> None:
    with pytest.raises(NotFoundError):
        Asked.of(subject)


@pytest.mark.parametrize("subject", ["rightsholder", "licence 2026-01-01..", "data-set ..2026-01-31"])
def test_a_subject_is_read_as_it_is_written(subject: str) -> None:
    assert str(Asked.of(subject)) == subject


@pytest.mark.parametrize("by", ["rightsholder", "licence"])
def test_works_of_several_rightsholders_are_divided_among_them(tmp_path: Path, by: str) -> None:
    """Nothing is lost and nothing counts twice where works have several rightsholders and records
    were merged: the rows of every output sum to its shares, which sum to 1 here.
    """
    world = make_filled_statement_world(tmp_path / "home")
    facts = SETTLEMENT.write(world.registry, by, tmp_path / "out", NOON).facts
    assert facts.outputs.divided > 1
    assert sum(row.amount for row in facts.rows) == pytest.approx(facts.outputs.divided)
    assert facts.unattributed.amount == pytest.approx(0, abs=1e-6)
    assert len({row.id for row in facts.rows}) == len(facts.rows)
    assert all(0 <= (row.low or 0) <= row.share + 1e-9 for row in facts.rows)
