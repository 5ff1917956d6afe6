"""Processes that read, and threads that wait for them.

They are plain processes that run :mod:`registry.ingest.reading.worker` and are spoken to through
their pipes: such a process is ready in a fraction of the time that one of :mod:`multiprocessing`
takes, which would import the whole command line first, and it ends by itself when its parent is
gone, however that ended.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from registry.ingest.reading.worker_process import Reader

REASON = "reading it ended the process (its decoder failed, or memory ran out)"


class _ClosedError(Exception):
    """Nobody waits for the results any more."""


class Crew:
    """Processes that read; each is one thread's at a time. They start together, when the first is
    needed.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._readers: set[Reader] = set()
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Crew:
        for _ in range(self.size):
            self._idle.put(self._new())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> Reader:
        return self._idle.get()

    def give(self, reader: Reader) -> None:
        self._idle.put(reader)

    def renewed(self, reader: Reader) -> Reader:
        """Another one in the place of one that has died."""
        reader.close()
        with self._lock:
            self._readers.discard(reader)
            if self._closed:
                raise _ClosedError
        return self._new()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            readers, self._readers = self._readers, set()
        for reader in readers:
            reader.close()

    def _new(self) -> Reader:
        reader = Reader()
        with self._lock:
            self._readers.add(reader)
        return reader


def in_order(
    crew: Crew, work: Callable[[Crew, Any], list[Any]], chunks: Iterator[Any], most_waiting: int
) -> Iterator[list[Any]]:
    """Have ``work`` done on chunks by a crew, in order; at most so many are under way or done and
    not yet taken.
    """
    running: deque[Future[list[Any]]] = deque()
    with ThreadPoolExecutor(crew.size) as threads:
        try:
            while True:
                while len(running) < most_waiting and (chunk := next(chunks, None)) is not None:
                    running.append(threads.submit(work, crew, chunk))
                if not running:
                    return
                yield running.popleft().result()
        finally:
            crew.close()
            threads.shutdown(cancel_futures=True)
