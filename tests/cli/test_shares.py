"""``creditline shares``, as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.running import Creditline


def test_a_table_is_written_and_found_unaltered(filled: Creditline, tmp_path: Path) -> None:
    """The page's path is printed, and the verdict told; four formats lie beside each other, and a
    check finds them unaltered.
    """
    done = filled("shares", "--by", "licence", "--period", "2026-01-01..", "--out", tmp_path / "out")
    assert done.status == 0
    page = Path(done.out.strip())
    assert page.name == "shares-by-licence-from-2026-01-01.html"
    assert "nothing to settle" in done.err
    document = json.loads(page.with_suffix(".json").read_bytes())
    assert (document["creditline"], document["by"], document["first_day"]) == ("settlement", "licence", "2026-01-01")
    assert {path.suffix for path in page.parent.glob("*-table.*")} >= {".csv", ".parquet"}
    assert filled("report", "verify", page).status == 0
    told = filled("shares", "--json").document
    assert (told["by"], told["outputs"]["divided"]) == ("rightsholder", 0)


@pytest.mark.parametrize("period", ["2026", "..", "2026-13-01..", "2026-02-01..2026-01-01", "a..b..c"])
def test_an_impossible_period_is_refused(filled: Creditline, period: str) -> None:
    """One line that shows the form, and status 2."""
    done = filled("shares", "--period", period)
    assert (done.status, done.out) == (2, "")
    assert "--period" in done.err


def test_an_unknown_way_is_refused(filled: Creditline) -> None:
    """Status 2, and the ways that there are."""
    done = filled("shares", "--by", "house")
    assert (done.status, done.out) == (2, "")
    assert "rightsholder" in done.err
