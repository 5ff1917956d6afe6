"""The benchmark of the registry at size: growth is measured against a tenth of the works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.registry_size import __main__ as registry_size


def step(creditline: float, sql: float) -> dict[str, dict[str, float]]:
    return {"creditline": {"processor_seconds": creditline}, "sql": {"processor_seconds": sql}}


def test_growth_is_the_exponent_since_a_tenth_of_the_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the time for ten times the works is 1; steps without a former one have none."""
    monkeypatch.setattr(registry_size, "RESULTS", tmp_path)
    measured = {"list": {"bytes": 5}, "intake": step(100.0, 40.0), "later": step(1.0, 1.0)}
    assert registry_size.growth(measured, 1_000) == {}
    former = tmp_path / "registry_size" / "100.json"
    former.parent.mkdir()
    former.write_text(json.dumps({"results": {"steps": {"list": {"bytes": 1}, "intake": step(10.0, 0.4)}}}))
    assert registry_size.growth(measured, 1_000) == {"intake": {"creditline": 1.0, "sql": 2.0}}
    assert registry_size.growth(measured, 1_005) == {}
