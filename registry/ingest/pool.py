"""Inspecting many files on all cores, in order.

Processes, because most images are small and for them Python's own work, which threads do one at a time, is what takes
the time. Starting them takes a while too, so they are started only when the files turn out to take longer than that.
A file that kills the process that reads it (a decoder's defect, memory) is found and refused, the others go in.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from registry.ingest.inspection import Refusal, Result, Task

CHUNK = 64  # files per message between processes
SECONDS_ALONE = 0.5
"""How long one process reads before others are started: about as long as that takes."""

Inspect = Callable[[Task], Result]


def inspect_files(
    inspect: Inspect, tasks: Sequence[Task], workers: int, *, seconds_alone: float = SECONDS_ALONE
) -> Iterator[Result]:
    """Apply ``inspect``, which must be a module's function or a partial of one, to every task; results are in order."""
    started = time.monotonic()
    position = 0
    while position < len(tasks) and (workers <= 1 or time.monotonic() - started < seconds_alone):
        yield inspect(tasks[position])
        position += 1
    if position < len(tasks):
        yield from _inspect_in_pool(inspect, tasks[position:], workers)


def _inspect_in_pool(inspect: Inspect, tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    chunks = deque(tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK))
    running: deque[tuple[Sequence[Task], Future[list[Result]]]] = deque()
    pool = _pool(workers)
    try:
        while chunks or running:
            while chunks and len(running) < 4 * workers:
                chunk = chunks.popleft()
                running.append((chunk, pool.submit(_inspect_chunk, inspect, chunk)))
            chunk, future = running.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                # The whole pool goes down with one process. Its chunk may be any that was running: this one is done
                # file by file, and the others start again.
                chunks.extendleft(waiting for waiting, _ in reversed(running))
                running.clear()
                yield from _inspect_alone(inspect, chunk)
                pool = _pool(workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _inspect_alone(inspect: Inspect, tasks: Sequence[Task]) -> Iterator[Result]:
    pool = _pool(1)
    try:
        for task in tasks:
            try:
                yield pool.submit(inspect, task).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = _pool(1)
                yield Refusal(task.path, "reading it ended the process (its decoder failed, or memory ran out)")
    finally:
        pool.shutdown(cancel_futures=True)


def _inspect_chunk(inspect: Inspect, tasks: Sequence[Task]) -> list[Result]:
    return [inspect(task) for task in tasks]


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not fork: the parent has threads (DuckDB's), and a forked child may wait for one of their locks forever.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted and ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits for work from a pipe that it holds open itself, so a killed parent would leave it waiting forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
