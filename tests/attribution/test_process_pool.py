"""Workers: a killed one ends the run at once, however many others work on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from attribution.process_pool import Device, Report, WorkerDiedError, run_tasks

PATIENCE = 3600.0


def killed_or_long(task: int, report: Report) -> int:
    """Task 0 kills its process once the other works; task 1 would take long."""
    report(1)
    time.sleep(2.0 if task == 0 else PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)
    return task


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_the_others_end() -> None:
    """The run does not wait for the killed worker, nor for the task of the other one."""
    started = time.monotonic()
    with pytest.raises(WorkerDiedError, match="run the same command again"):
        list(run_tasks(killed_or_long, [0, 1], Device("cpu", 2)))
    assert time.monotonic() - started < PATIENCE / 2
