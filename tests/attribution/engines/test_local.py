"""Workers: a killed one ends the run at once, however many others work on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from attribution.engines.device import Device, run_tasks
from attribution.engines.interface import Report, WorkerDiedError

PATIENCE = 3600.0


def killed_or_long(killed: bool, report: Report) -> None:
    """The killed task ends its process once the other works; the other would take long."""
    report(1)
    time.sleep(2.0 if killed else PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_killed_worker_is_an_error_and_the_others_end(*, first: bool) -> None:
    """The run does not wait for the killed worker, nor for the task of the other one. The pool
    itself may miss the death of a worker that started second.
    """
    started = time.monotonic()
    with pytest.raises(WorkerDiedError, match="run the same command again"):
        list(run_tasks(killed_or_long, [first, not first], Device("cpu", 2)))
    assert time.monotonic() - started < PATIENCE / 2
