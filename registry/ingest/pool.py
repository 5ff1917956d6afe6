"""Inspecting many files on all cores, in order.

Processes, because most images are small and for them Python's own work, which threads do one at a time, is what takes
the time. They are plain ones that run :mod:`registry.ingest.reader` and are spoken to through their pipes: such a process
is ready in a fraction of the time that one of :mod:`multiprocessing` takes, which would import the whole command line
first, and it ends by itself when its parent is gone, however that ended. Starting still takes a moment, so they are
started only when the files turn out to take longer than that.

A file that kills the process that reads it (a decoder's defect, memory) is found and refused, the others go in.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from registry.ingest.inspection import Refusal, Result, Task, inspect_file
from registry.ingest.reader import READY, result_from_json

CHUNK = 64  # files per message between processes
SECONDS_ALONE = 0.3
"""How long this process reads before others are started: about as long as that takes."""

Inspect = Callable[[Path, Task, bool], Result]
"""A module's function that inspects a task's file in a folder, decoding it completely or not."""


def inspect_files(
    root: Path,
    tasks: Sequence[Task],
    *,
    decode: bool = False,
    workers: int = 1,
    inspect: Inspect = inspect_file,
    seconds_alone: float = SECONDS_ALONE,
) -> Iterator[Result]:
    """Inspect every task's file, in order, with ``workers`` processes if that is worth it."""
    started = time.monotonic()
    position = 0
    while position < len(tasks) and (workers <= 1 or time.monotonic() - started < seconds_alone):
        yield inspect(root, tasks[position], decode)
        position += 1
    if position < len(tasks):
        start_reader = _Starter(root, decode, inspect)
        yield from _inspect_in_processes(start_reader, tasks[position:], workers)


class _ReaderDiedError(Exception):
    """The process ended in the middle of a message."""


class _Reader:
    """A process that inspects files."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            ready = self._answer() == READY
        except _ReaderDiedError:
            ready = False
        if not ready:
            self.close()
            raise RuntimeError(f"a process for reading did not start: {command}")

    def ask(self, tasks: Sequence[Task]) -> list[Result]:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(json.dumps([asdict(task) for task in tasks]).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise _ReaderDiedError from error
        return [result_from_json(facts) for facts in json.loads(self._answer())]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _ReaderDiedError
        return line


class _Starter:
    """Starts readers for one folder."""

    def __init__(self, root: Path, decode: bool, inspect: Inspect) -> None:
        # The child finds modules where this process does, whatever way this one was started.
        program = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from registry.ingest.reader import run; run()"
        )
        function = f"{inspect.__module__}:{inspect.__qualname__}"
        self._command = (
            *(sys.executable, "-c", program, json.dumps(sys.path)),
            *(str(root), function, "decode" if decode else ""),
        )

    def __call__(self) -> _Reader:
        return _Reader(self._command)


def _inspect_in_processes(start_reader: _Starter, tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    idle: queue.SimpleQueue[_Reader] = queue.SimpleQueue()
    for _ in range(workers):
        idle.put(start_reader())

    def inspect_chunk(chunk: Sequence[Task]) -> list[Result]:
        reader = idle.get()
        try:
            return reader.ask(chunk)
        except _ReaderDiedError:
            reader.close()
            reader = start_reader()
            results: list[Result] = []
            for task in chunk:
                try:
                    results += reader.ask([task])
                except _ReaderDiedError:
                    reader.close()
                    reader = start_reader()
                    reason = "reading it ended the process (its decoder failed, or memory ran out)"
                    results.append(Refusal(task.path, reason))
            return results
        finally:
            idle.put(reader)

    chunks = iter(range(0, len(tasks), CHUNK))
    running: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        try:
            while True:
                # Enough for every process to have its next chunk waiting, whichever is slow.
                while len(running) < 4 * workers and (start := next(chunks, None)) is not None:
                    running.append(threads.submit(inspect_chunk, tasks[start : start + CHUNK]))
                if not running:
                    return
                yield from running.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)
            while not idle.empty():
                idle.get().close()
