"""Processes that read files from outside, and the threads that wait for them.

A hostile file can crash its decoder: it costs its process, and gets a finding. So does a file or a
member of an archive that blocks its decoder for too long. Each process runs
:mod:`registry.ingest.reading.worker` and exchanges lines of JSON with this one.

``concurrent.futures.ProcessPoolExecutor`` would be shorter, but one process that dies breaks its
whole pool, and nothing says which task it died of. It returns pickles, which a decoder that was
taken over could forge; JSON holds values only. A task there has one result, while an archive yields
a stream of them. And its processes import the command line before they start.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from registry.ingest.reading.worker import READY

REASON = "reading it ended the process: its decoder failed, or memory ran out"
SECONDS = 600.0
"""Time for a chunk of files or one member, after which a process ends: far longer than good ones
need."""


def reason_with_time(seconds: float) -> str:
    """The reason why a file is refused that ended its process, or was ended after so long."""
    return f"{REASON}, or it took more than {seconds / 60:.0f} minutes"


# The child finds modules where this process does, whatever way this one was started. It ends with
# this process from its first moment on: its imports may take a while on a busy machine.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from registry.lost_parent import leave_when_input_ends; leave_when_input_ends(); "
    "from registry.ingest.reading.worker import run; run()"
)


class ProcessDiedError(Exception):
    """The process ended before its answer did."""


class ReadingProcess:
    """One process; it starts in the background, and the first request waits for it."""

    def __init__(self) -> None:
        command = (sys.executable, "-c", _PROGRAM, json.dumps(sys.path))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._ready = False

    def ask(self, request: Mapping[str, Any], seconds: float | None = None) -> list[Any]:
        """One request with one answer; after so many seconds the process is ended.

        Raises:
            ProcessDiedError: it ended, or was ended.
        """
        self.send(request)
        if seconds is None:
            return list(self.answer())
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            return list(self.answer())
        finally:
            timer.cancel()

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask without waiting for the answer."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        if not self._ready:
            with suppress(ProcessDiedError):
                self._ready = self.answer() == READY
            if not self._ready:
                raise RuntimeError(f"a process for reading did not start: {sys.executable}")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # ValueError: closed by this process
            raise ProcessDiedError from error

    def answer(self) -> Any:  # noqa: ANN401 - any JSON
        """The next line of the answer."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        try:
            line = self._process.stdout.readline()
        except ValueError as error:
            raise ProcessDiedError from error
        if not line.endswith(b"\n"):
            raise ProcessDiedError
        return json.loads(line)

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # unsent bytes
                assert pipe is not None  # noqa: S101 - it was asked for
                pipe.close()


class ProcessPool:
    """Processes, each used by one thread at a time; all start together, a dead one is replaced."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._idle: queue.SimpleQueue[ReadingProcess] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._all: set[ReadingProcess] | None = set()
        """None once the pool is closed."""

    def __enter__(self) -> ProcessPool:
        for _ in range(self.size):
            self._idle.put(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def process(self) -> Iterator[ReadingProcess]:
        """An idle process; waits for one. If it dies, another takes its place in the pool."""
        process = self._idle.get()
        try:
            yield process
        except ProcessDiedError:
            process.close()
            process = self._start(instead=process)
            raise
        except BaseException:
            process.close()  # it may be amid an answer
            raise
        finally:  # also a dead process: no thread must wait for one that never comes
            self._idle.put(process)

    def ask(
        self,
        request: Callable[[list[Any]], Mapping[str, Any]],
        items: list[Any],
        failed: Callable[[Any], Any],
        seconds: float | None = None,
    ) -> list[Any]:
        """The answer to a request about items, one value for each.

        If the process dies, or takes longer than ``seconds``, each item is asked about on its own;
        ``failed`` gives the value for an item that ends the process again.
        """
        try:
            with self.process() as process:
                return process.ask(request(items), seconds)
        except ProcessDiedError:
            if len(items) == 1:
                return [failed(items[0])]
        return [value for item in items for value in self.ask(request, [item], failed, seconds)]

    def in_order(
        self, work: Callable[[Any], list[Any]], chunks: Iterator[Any], most_waiting: int
    ) -> Generator[list[Any], None, None]:
        """Do ``work`` on chunks in order, a thread per process; at most ``most_waiting`` wait."""
        running: deque[Future[list[Any]]] = deque()
        with ThreadPoolExecutor(self.size) as threads:
            try:
                while True:
                    while len(running) < most_waiting and (chunk := next(chunks, None)) is not None:
                        running.append(threads.submit(work, chunk))
                    if not running:
                        return
                    yield running.popleft().result()
            finally:
                self.close()
                threads.shutdown(cancel_futures=True)

    def close(self) -> None:
        with self._lock:
            processes, self._all = self._all or set(), None
        for process in processes:
            process.close()

    def _start(self, instead: ReadingProcess | None = None) -> ReadingProcess:
        with self._lock:
            if self._all is None:
                raise RuntimeError("the pool of reading processes is closed")
            if instead is not None:
                self._all.discard(instead)
            process = ReadingProcess()
            self._all.add(process)
        return process
