"""``creditline evaluate``: measured once, shown again, written as page and document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attribution.conftest import open_world
from tests.support.running import Creditline


@pytest.mark.slow
def test_measured_kept_and_shown(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The figures on stdout, the page and the document in a folder; --show measures nothing and
    says the same.
    """
    home = Creditline(open_world(tmp_path_factory).registry.home.root)
    assert home("evaluate", "--show").status == 2
    out = tmp_path / "evaluation"
    sizes = ("--planted", 3, "--redraws", 100, "--regenerated", 2, "--compared", 1, "--workers", 1)
    made = home("evaluate", *sizes, "--out", out, "--json")
    assert made.status == 0
    document = made.document
    assert document["creditline"] == "evaluation"
    assert document["power"]["shown"] == 3
    assert json.loads((out / "evaluation.json").read_text())["event_sha256"] == document["event_sha256"]
    assert "training works shown to the models" in (out / "evaluation.html").read_text(encoding="utf-8")
    for name in ("evaluation.html", "evaluation.json"):
        assert home("report", "verify", out / name, "--json").document["facts"] == "same"
    assert home("evaluate", "--show", "--json").out == made.out
    assert "Copied works found" in home("evaluate", "--show").out
    assert home("log", "verify").status == 0
    assert home("evaluate", "--redraws", 5).status == 2
