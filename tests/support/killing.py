"""Killing work in progress, as a power cut would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def killed_after(lines: int, program: str, *arguments: object) -> None:
    """Run a program in a process of its own and kill it with -9 when it has printed so many
    lines.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
