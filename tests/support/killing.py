"""Killing work in progress, as a power cut would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys


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
