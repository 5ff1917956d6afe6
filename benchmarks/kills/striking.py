"""Runs a command, and kills it after a given processor time."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INTERVAL = 0.01
"""Seconds between two looks at a running command."""
LONGEST = 3_600.0
"""Seconds that a command may take by the clock."""
LEAVING = 60.0
"""Seconds within which the other processes must end once the first one was killed."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class State:
    """A home, and the folder that commands write exports to."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def written(self) -> tuple[int, int]:
        """Number of files and newest time of change: a write changes one of them."""
        count = newest = 0
        for folder, _, names in os.walk(self.folder):
            for name in (".", *names):
                with suppress(FileNotFoundError):
                    newest = max(newest, os.stat(os.path.join(folder, name)).st_mtime_ns)  # noqa: PTH116, PTH118 - fast
                    count += 1
        return count, newest


@dataclass(frozen=True)
class Watched:
    """A command that was watched to its end, or to its kill."""

    status: int
    """Negative: the signal that ended it."""
    seconds: float
    """Processor time of all its processes."""
    first_write: float
    """Processor time until the home changed; :attr:`seconds` if it did not."""
    left_over: int
    """Processes that were still there :data:`LEAVING` seconds after the end of the first one."""
    out: str
    err: str

    @property
    def struck(self) -> bool:
        return self.status == -signal.SIGKILL


def moment(undisturbed: Watched, generator: random.Random) -> float:
    """A random processor time at which a command is killed: shortly before its first write, or
    later.
    """
    return generator.uniform(0.9 * undisturbed.first_write, undisturbed.seconds)


class Runner:
    """Runs commands as forks of one prepared process; see :mod:`benchmarks.kills.server`."""

    def __init__(self, folder: Path) -> None:
        """``folder``: for the commands' output."""
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kills.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # an answer that waits in a buffer here would not be seen
        )
        if self._server.stdin is None or self._server.stdout is None:
            raise AssertionError("both are pipes")
        self._requests, self._answers = self._server.stdin, self._server.stdout

    def close(self) -> None:
        """End the prepared process."""
        self._server.communicate()

    def watch(
        self, state: State, command: Sequence[str], limit: float | None = None, *, alone: bool = False
    ) -> Watched:
        """Run a command in a session of its own, and kill it once it took ``limit`` seconds.

        ``@out`` in a word of the command is the folder of exports. ``alone``: kill its first
        process only, as a system without memory does.
        """
        out, err = self._folder / "out.txt", self._folder / "err.txt"
        arguments = [word.replace("@out", str(state.folder / "out")) for word in command]
        before, first_write, seconds = state.written(), 0.0, 0.0
        self._ask({"home": str(state.home), "arguments": arguments, "out": str(out), "err": str(err)})
        pid = int(self._answer()["pid"])
        end = time.monotonic() + LONGEST
        while not self._answered():
            seconds = max(seconds, processor_time(pid))
            if limit is None and not first_write and state.written() != before:
                first_write = seconds
            if (limit is not None and seconds >= limit) or time.monotonic() > end:
                with suppress(ProcessLookupError):
                    (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
                break
        status = int(self._answer()["status"])
        left_over = _wait_for_others(pid)
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        return Watched(status, seconds, first_write or seconds, left_over, *texts)

    def must(self, state: State, *command: str) -> str:
        """What a command prints that must succeed; the benchmark ends if it does not."""
        done = self.watch(state, command)
        if done.status:
            raise SystemExit(f"cannot prepare: {' '.join(command)}: {done.err[-1000:]}")
        return done.out

    def _ask(self, request: dict[str, Any]) -> None:
        self._requests.write(json.dumps(request).encode() + b"\n")

    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer

    def _answered(self) -> bool:
        """Whether the next answer is there; waits :data:`INTERVAL` for it."""
        return bool(select.select([self._answers], [], [], INTERVAL)[0])


def _wait_for_others(leader: int) -> int:
    deadline = time.monotonic() + LEAVING
    while (others := session(leader)) and time.monotonic() < deadline:
        time.sleep(10 * INTERVAL)
    for pid in others:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(others)


def session(leader: int) -> list[int]:
    """Every process of a session that still runs."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(place.name))
        if fields and int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(place.name))
    return found


def processor_time(pid: int) -> float:
    """Processor seconds of a process, of those below it, and of their ended children."""
    fields = _stat(pid)
    if not fields:
        return 0.0
    below = 0.0
    for place in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            below += sum(processor_time(int(child)) for child in place.read_text(encoding="ascii").split())
    return sum(map(int, fields[11:15])) / _TICKS + below


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name: state, parent, group, session; times at 11 to 14."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
