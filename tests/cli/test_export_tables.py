"""``creditline export works`` and the other tables: the file's path on stdout, the rest on stderr,
one line for what is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.running import Creditline


@pytest.mark.parametrize("name", ["candidates", "works", "audits", "statements"])
def test_each_table(filled: Creditline, tmp_path: Path, name: str) -> None:
    """Written where it was asked for, on record, and told on stdout."""
    out = tmp_path / "table.json"
    run = filled("export", name, "--out", out)
    assert (run.status, run.out) == (0, f"{out}\n")
    rows = json.loads(out.read_bytes())["rows"]
    assert len(rows) == {"works": 3, "statements": 2}.get(name, 0)
    assert f"{len(rows)} rows" in run.err
    assert filled("report", "verify", out).status == 0
    told = filled("export", name, "--out", tmp_path / "table.csv", "--json").document
    assert (told["table"], told["rows"], told["kind"]) == (name, len(rows), f"{name} table")
    assert told["files"] == [str(tmp_path / "table.csv"), str(tmp_path / "table.csv.stamp.json")]


def test_what_is_refused(filled: Creditline, tmp_path: Path) -> None:
    """A suffix that there is not and a folder that is not there: one line, exit status 2, no
    file.
    """
    for out in (tmp_path / "works.xlsx", tmp_path / "none" / "works.csv"):
        run = filled("export", "works", "--out", out)
        assert (run.status, run.out) == (2, "")
        assert not out.exists()
