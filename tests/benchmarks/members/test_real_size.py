"""The costs at real size, on a base that is narrow enough for a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.members import real_size


@pytest.fixture
def denormals() -> Iterator[None]:
    """The run flushes denormal numbers; other tests keep them."""
    yield
    torch.set_flush_denormal(False)


@pytest.mark.slow
@pytest.mark.usefixtures("denormals")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory of a process is read on Linux")
def test_an_entry_states_its_jobs_and_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of some members is scaled to all; what was not measured is not computed."""
    other = {"cpu, 128 pixels": {"held": True, "pixels": 128}}
    (tmp_path / "members").mkdir()
    result = tmp_path / "members" / "real_size.json"
    result.write_text(json.dumps({"results": {"entries": other, "held": True}}))
    for module in ("record", "members.real_size"):
        monkeypatch.setattr(f"benchmarks.{module}.RESULTS", tmp_path)
    monkeypatch.setattr(real_size, "WIDTH", 32)
    arguments = ["--device", "cpu", "--size", "64", "--jobs", "sampling", "--members", "4"]
    monkeypatch.setattr(sys, "argv", ["real_size", *arguments])
    assert real_size.main() == 0
    entries = json.loads(result.read_bytes())["results"]["entries"]
    assert entries["cpu, 128 pixels"] == other["cpu, 128 pixels"]
    found = entries["cpu, 64 pixels"]
    assert list(found["measured"]) == ["load the UNet", real_size.ALONE, "4 members, one step", real_size.DECODE]
    assert not any("train" in name or "Jacobian" in name for name in found["computed"])
    seconds = {name: job["seconds"] for name, job in found["measured"].items()}
    sampling = 8 * (30 * 4 * seconds["4 members, one step"] + seconds[real_size.DECODE])
    assert found["computed"]["sample 8 images, 30 steps"]["seconds"] == pytest.approx(sampling, abs=0.06)
    # A chunk holds more evaluations than these members have: its peak is not theirs.
    assert "allowed_gib" not in found
