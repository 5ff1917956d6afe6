"""``creditline statement`` and ``creditline report data-set``, as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.running import Creditline


def test_statement_is_written(filled: Creditline, tmp_path: Path) -> None:
    """The page's path is printed; the verdict is told; by number it is the same rightsholder."""
    done = filled("statement", "Zoe Example", "--out", tmp_path / "zoe")
    assert done.status == 0
    page = Path(done.out.strip())
    assert page.parent == tmp_path / "zoe"
    assert "Prepared for" in page.read_text("utf-8")
    assert "2 works" in done.err
    document = json.loads(page.with_suffix(".json").read_bytes())
    number = document["rightsholder"]["id"]
    told = filled("statement", f"#{number}", "--json").document
    assert (told["rightsholder_id"], told["verdict"]) == (number, document["verdict"])
    assert all(Path(path).parent == filled.home / "reports" for path in told["files"])


def test_unknown_names_are_refused(filled: Creditline) -> None:
    """One line, and status 2."""
    for command in (("statement", "Zoë"), ("report", "data-set", "nothing")):
        done = filled(*command)
        assert (done.status, done.out) == (2, "")
        assert "creditline: no " in done.err


def test_data_set_report_is_written(filled: Creditline, tmp_path: Path) -> None:
    """With its tables, as CSV or as Parquet; the log stays whole."""
    done = filled("report", "data-set", "works", "--out", tmp_path / "csv")
    assert done.status == 0
    assert "3 works" in Path(done.out.strip()).read_text("utf-8")
    told = filled("report", "data-set", "works", "--out", tmp_path / "parquet", "--parquet", "--json").document
    (owners,) = (path for path in told["files"] if path.endswith("rightsholders.parquet"))
    assert pq.read_table(owners).to_pydict()["name"] == ["Zoe Example", "Ada Example"]
    assert filled("log", "verify").status == 0
