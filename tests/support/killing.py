"""Killing work in progress, as a power cut would."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.kills.striking import session

LEAVING = 30.0
"""Seconds within which workers must end once their parent was killed: they take a moment, on a busy
machine some seconds.
"""

_TRAINING = """
import pickle, sys, torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    train, task = pickle.load(file)
train(task, lambda steps: print(steps, flush=True))
"""


def killed_after(lines: int, program: str, *arguments: object) -> None:
    """Run a program in a process of its own, and kill -9 it after this many lines of output."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def left_without_parent(program: str, *arguments: object) -> list[int]:
    """Run a program until it prints a line, kill -9 it alone, and give its workers time to end.

    Returns the workers that are left; they are killed.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert len(session(process.pid)) > 1
        process.kill()
        process.wait()
        deadline = time.monotonic() + LEAVING
        while (left := session(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for worker in left:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
    return left


def training_killed_after(
    reports: int, train: Callable[[Any, Callable[[int], None]], object], task: object, file: Path
) -> None:
    """Train a task in a process of its own, on one thread, and kill -9 it after this many reports.

    ``file``: where the task goes, as a worker gets it.
    """
    file.write_bytes(pickle.dumps((train, task)))
    killed_after(reports, _TRAINING, file)


def says_so_and_sleeps(place: Path, part: list[str]) -> list[Any]:
    """A worker's task that takes long: first it writes a file of its own into ``place``."""
    (place / part[0]).touch()
    time.sleep(600)
    return []
