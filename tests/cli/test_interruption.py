"""Ctrl-C and SIGTERM during long work on adapters: a clear line, soon, and the same command
completes the rest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.interruption import GRACE
from tests.support.captioned import SAMPLE, TRAIN
from tests.support.running import Creditline

pytestmark = [pytest.mark.reopens, pytest.mark.slow]

MAIN = "from cli.main import main; main()"
SIGNALS = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


def interrupted(command: Sequence[object], number: signal.Signals, place: Path, pattern: str) -> tuple[int, str]:
    """Interrupt a command and its workers once a new file lies in a folder.

    Returns its status and its last line.
    """
    before = set(place.glob(pattern))
    words = [sys.executable, "-c", MAIN, *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0) as run:
        deadline = time.monotonic() + 600
        while set(place.glob(pattern)) <= before:
            assert run.poll() is None, run.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # A terminal, and a system that stops a service, tell all processes.
        os.killpg(run.pid, number)
        start = time.monotonic()
        _, err = run.communicate(timeout=60)
        assert time.monotonic() - start < GRACE + 5
    assert "Traceback" not in err
    return run.returncode, err.splitlines()[-1]


@SIGNALS
@pytest.mark.parametrize("workers", [1, 2])
def test_training_of_adapters(
    creditline: Creditline, captioned: Creditline, number: signal.Signals, status: int, workers: int
) -> None:
    """Members that were done stay."""
    creditline.take(captioned)
    train = (*TRAIN[:-1], workers, "--seed", 3)
    found = interrupted(train, number, creditline.home / "members", "*-*/manifest.json")
    assert found[0] == status, found
    assert "run the same command again to continue" in found[1]
    assert creditline("doctor").status == 0
    done = creditline(*train, "--json")
    assert done.status == 0, done.err
    assert len(done.document["members"]) == 5
    assert creditline("doctor").status == 0


@SIGNALS
def test_samples_and_audits_of_prompts(
    creditline: Creditline, adapters: Creditline, number: signal.Signals, status: int
) -> None:
    """Samples and audits that were done stay."""
    creditline.take(adapters)
    sample = (*SAMPLE, "--prompt", "a dog", "--prompt", "a cat", "--count", 8)
    for command, place, pattern in (
        (sample, "samples", "*.png"),
        (("audit", "--all", "--workers", 1), "audits", "*.safetensors"),
    ):
        found = interrupted(command, number, creditline.home / place, pattern)
        assert found[0] == status, (command, found)
        assert "run the same command again to continue" in found[1]
        assert creditline("doctor").status == 0
        done = creditline(*command, "--json")
        assert done.status == 0, done.err
        assert creditline("doctor").status == 0
    assert len(done.document["audits"]) == 16
