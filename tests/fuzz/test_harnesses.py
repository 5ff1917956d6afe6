"""The fuzz harnesses, each for a bounded time: no input makes a reader fail unexpectedly."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SECONDS = 30


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed; it has no build for this Python")
@pytest.mark.parametrize("harness", ["fuzz_archives", "fuzz_metadata"])
def test_nothing_is_found_in_a_bounded_time(harness: str, tmp_path: Path) -> None:
    """A harness exits with another status than 0 as soon as it finds an input that fails."""
    command = [
        sys.executable,
        "-m",
        f"tests.fuzz.{harness}",
        f"-max_total_time={SECONDS}",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 300)
    assert done.returncode == 0, done.stderr[-3000:]
