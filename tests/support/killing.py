"""Killing work in progress, as a power cut would."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def training_killed_after(
    reports: int, train: Callable[[Any, Callable[[int], None]], object], task: object, file: Path
) -> None:
    """Train a task in a process of its own, on one thread, and kill -9 it after this many reports.

    ``file``: where the task goes, as a worker gets it.
    """
    file.write_bytes(pickle.dumps((train, task)))
    killed_after(reports, _TRAINING, file)
