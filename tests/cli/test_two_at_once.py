"""Two commands on one home at the same time, as real processes: nothing is lost, nothing raw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.support.running import Creditline

pytestmark = [pytest.mark.reopens, pytest.mark.slow]

MAIN = "from cli.main import main; main()"
TRAIN = ("train", "--size", 8, "--widths", 8, "--batch-size", 8, "--workers", 1, "--steps")


def started(*arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def outcomes(*processes: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    """Status, stdout and stderr of each, at its end."""
    told = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, told, strict=True)]


def test_a_second_training_is_refused_and_the_first_may_be_killed(encoded_for_seven: Creditline) -> None:
    """The second names the first; after kill -9 of the first, the same command completes."""
    with started(*TRAIN, 4000) as first:
        deadline = time.monotonic() + 60
        while not list((encoded_for_seven.home / "locks").glob("training-[0-9a-f]*.json")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = encoded_for_seven(*TRAIN, 4000)
        assert second.status == 3, second.err
        assert f"is being trained by process {first.pid} (" in second.err
        assert len(second.err.splitlines()) == 1
        first.kill()
        first.communicate()
    # A shorter recipe: another ensemble, in the same home.
    assert encoded_for_seven(*TRAIN, 20).status == 0
    assert encoded_for_seven("doctor").status == 0


def test_samples_audits_and_a_withdrawal_at_once(encoded_for_seven: Creditline) -> None:
    """Equal samples and audits of two processes are one; a withdrawal may come in between."""
    assert encoded_for_seven(*TRAIN, 20).status == 0
    sample = ("sample", "--count", 3, "--seed", 1, "--steps", 6, "--workers", 1)
    (first, out, err), (second, again, err_again) = outcomes(started(*sample), started(*sample))
    assert (first, second) == (0, 0), err + err_again
    assert out == again
    audit = ("audit", "--all", "--workers", 1, "--json")
    done = outcomes(started(*audit), started(*audit), started("withdraw", 3, "--reason", "request", "--yes"))
    assert [status for status, _, _ in done] == [0, 0, 0], done
    ids = [[each["id"] for each in json.loads(out)["audits"]] for _, out, _ in done[:2]]
    assert ids[0] == ids[1]
    train_again = ("retrain", "--workers", 1)
    done = outcomes(started(*train_again), started(*train_again))
    assert {status for status, _, _ in done} <= {0, 3}, done
    assert all("Traceback" not in err for _, _, err in done)
    assert encoded_for_seven("doctor").status == 0
