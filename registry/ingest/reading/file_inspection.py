"""Inspecting many files on all cores, in order.

Processes rather than threads: most images are small, so Python's own work takes most of the time,
and threads do that one at a time. Starting processes takes a moment, so this one reads a handful of
files by itself.

A file that crashes or blocks its process is read again without its content credentials, because
their library is the likeliest cause, and refused if that does not help. The other files go in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry.image_files.inspection import Refusal, Result, Task, Work, inspect_file
from registry.ingest.reading.processes import SECONDS, ProcessPool, reason_with_time
from registry.ingest.reading.worker import result_from_row, result_to_row
from registry.metadata import UNREAD_CREDENTIALS

CHUNK = 128  # files per message between processes
CHUNK_BYTES = 2**24
WAITING = 16_384
"""Files under way or read and not yet taken: keeps all processes busy while a batch is stored."""
SECONDS_ALONE = 0.3
"""How long this process reads before others are started: about as long as starting them takes."""

Inspect = Callable[[Any, Task, bool], Result]
"""A module's function that inspects a task's file in a folder, decoding it completely or not."""


def inspect_files(
    root: Path,
    tasks: Iterable[Task],
    *,
    decode: bool = False,
    workers: int = 1,
    inspect: Inspect = inspect_file,
    seconds_alone: float = SECONDS_ALONE,
    seconds_expected: float = 0.0,
) -> Iterator[Result]:
    """Inspect every task's file, in order, with ``workers`` processes if that is worth it.

    Args:
        root: the folder.
        tasks: its files.
        decode: see :func:`registry.image_files.inspection.inspect_file`.
        workers: processes that read.
        inspect: the function for each file.
        seconds_alone: how long this process reads before others are started.
        seconds_expected: estimate of reading alone; if much longer, others start at once.
    """
    started = time.monotonic()
    left = iter(tasks)
    if seconds_expected < 4 * seconds_alone:
        for task in left:
            # The library for content credentials can end its process, which must not be this one.
            result = inspect(root, replace(task, credentials=False), decode)
            if isinstance(result, Work) and result.embedded and UNREAD_CREDENTIALS in result.embedded.problems:
                with ProcessPool(1) as pool:
                    (result,) = _inspect_in(pool, root, decode, inspect, [task])
            yield result
            if time.monotonic() - started >= seconds_alone:
                break
    if (first := next(left, None)) is None:
        return
    with ProcessPool(workers) as pool:
        chunks = _chunks(first, left)
        waiting = max(WAITING // CHUNK, 4 * workers)
        for results in pool.in_order(lambda chunk: _inspect_in(pool, root, decode, inspect, chunk), chunks, waiting):
            yield from results


def apply_in_processes(
    root: str, function: str, chunks: Iterable[Sequence[Any]], *, workers: int, failed: Callable[[Any], Any]
) -> Iterator[list[Any]]:
    """Have ``module:function`` applied to chunks of JSON values by processes, in order.

    ``function`` gets ``root`` and a list, and returns as many JSON values. ``failed`` gives the
    value for an item that ends the process.
    """

    def request(items: list[Any]) -> Mapping[str, Any]:
        return {"kind": "apply", "function": function, "root": root, "items": items}

    with ProcessPool(workers) as pool:
        yield from pool.in_order(
            lambda items: pool.ask(request, items, failed), (list(chunk) for chunk in chunks), 4 * workers
        )


def _inspect_in(pool: ProcessPool, root: Path, decode: bool, inspect: Inspect, tasks: list[Task]) -> list[Result]:
    function = f"{inspect.__module__}:{inspect.__qualname__}"

    def request(tasks: list[Task]) -> Mapping[str, Any]:
        listed = [(task.path, task.known_sha256, task.credentials) for task in tasks]
        return {"kind": "files", "root": os.fspath(root), "decode": decode, "inspect": function, "tasks": listed}

    def without_credentials(task: Task) -> list[Any]:
        (row,) = (
            pool.ask(request, [replace(task, credentials=False)], refused, SECONDS)
            if task.credentials
            else [refused(task)]
        )
        return list(row)

    def refused(task: Task) -> list[Any]:
        return result_to_row(Refusal(task.path, reason_with_time(SECONDS)))

    return [result_from_row(row) for row in pool.ask(request, tasks, without_credentials, SECONDS)]


def _chunks(first: Task, left: Iterator[Task]) -> Iterator[list[Task]]:
    chunk, size = [first], first.size
    for task in left:
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(task)
        size += task.size
    yield chunk
